"""IntegrationRun, version v1alpha1: the models that the CRD is generated from and that all other modules read.

A field stands here only when it works. What the API server can check (types, patterns, CEL) is said in the models'
schema; see `seatrial.crd` for how it becomes the CustomResourceDefinition.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP = "seatrial.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "IntegrationRun"
PLURAL = "integrationruns"

DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
LONGEST_DURATION = timedelta(days=3650)
"""So that a moment and a duration are always a moment again."""
_DURATION_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(value: object) -> object:
    """Reads a Go-style duration such as `1h30m`; leaves anything that is not a string to pydantic.

    Raises:
        ValueError: when the string is not a duration.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(DURATION_PATTERN, value):
        raise ValueError(f"{value!r} is not a duration; write for example 90s, 5m or 1h30m")
    seconds = sum(float(n) * _DURATION_SECONDS[unit] for n, unit in _DURATION_PART.findall(value))
    if seconds > LONGEST_DURATION.total_seconds():
        raise ValueError(f"{value!r} is longer than {format_duration(LONGEST_DURATION)}, ten years")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """Writes a duration the way people read it: `1h30m`, `90s` as `1m30s`, `0s`."""
    rest = round(value.total_seconds(), 3)
    if rest == 0:
        return "0s"
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(f"{int(hours)}h", hours), (f"{int(minutes)}m", minutes), (f"{seconds:g}s", seconds)]
    return "".join(text for text, amount in parts if amount)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32}),
]
Name = Annotated[str, Field(max_length=253, min_length=1)]
Image = Annotated[str, Field(max_length=512, min_length=1)]
Text = Annotated[str, Field(max_length=4096)]
Word = Annotated[str, Field(max_length=16384)]
"""One argument of a command: room for a small script."""
DatabaseName = Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
BucketName = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
AbsolutePath = Annotated[str, Field(max_length=1024, pattern=r"^/.+")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
IntOrString = Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 63})]
Quantities = Annotated[
    dict[str, Annotated[int | str, WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 32})]],
    Field(max_length=8),
]


def cel(rule: str, message: str) -> dict[str, str]:
    """One rule that the API server checks (Common Expression Language)."""
    return {"rule": rule, "message": message}


def _rules(*rules: dict[str, str]) -> dict[str, Any]:
    return {"x-kubernetes-validations": list(rules)}


class Model(BaseModel):
    """Base of all parts: immutable, camelCase in YAML, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


# --- parts that several sections share -------------------------------------------------------------------------------


class EnvVar(Model):
    """One environment variable. `$(NAME)` in a value stands for a variable that comes earlier in the list."""

    name: Annotated[str, Field(max_length=253, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
    """Its name. Names that begin with `SEATRIAL_` are taken."""
    value: Annotated[str, Field(max_length=32768)] = ""
    """Its value; `$$(NAME)` is a literal `$(NAME)`. There is no `valueFrom`: a run reads no Secrets of its namespace."""


Env = Annotated[tuple[EnvVar, ...], Field(max_length=200)]
Command = Annotated[tuple[Word, ...], Field(max_length=100)]


class Resources(Model):
    """What the container asks for and may use at most, as in a Pod."""

    requests: Quantities = {}
    """What is set aside for it, such as `cpu: 100m`, `memory: 256Mi`."""
    limits: Quantities = {}
    """What it may use at most. More memory than this ends the container, more `ephemeral-storage` its pod."""


class HttpReady(Model):
    """Ready when this path answers with 2xx or 3xx."""

    path: Annotated[str, Field(max_length=1024, pattern=r"^/")] = "/"
    """The path, with a query if one is needed."""
    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""


class TcpReady(Model):
    """Ready when this port accepts a connection."""

    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""


class GrpcReady(Model):
    """Ready when the standard gRPC health service answers SERVING."""

    port: IntOrString | None = None
    """A port's number, or for a service its name in `ports`."""
    service: Annotated[str, Field(max_length=253)] = ""
    """The name asked for; empty asks about the whole server."""


class ExecReady(Model):
    """Ready when this command ends with 0 inside the container (asked once a second by the kubelet)."""

    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]
    """The program and its arguments, without a shell."""


class Ready(Model):
    """How to see that it can be used: exactly one of http, tcp, grpc, exec. `port` defaults to the first port."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            cel(
                "[has(self.http), has(self.tcp), has(self.grpc), has(self.exec)].filter(x, x).size() == 1",
                "give exactly one of http, tcp, grpc or exec",
            )
        )
    )
    http: HttpReady | None = None
    """Ask a path over HTTP."""
    tcp: TcpReady | None = None
    """Open a connection."""
    grpc: GrpcReady | None = None
    """Ask the gRPC health service."""
    exec: ExecReady | None = None
    """Run a command in the container."""


class AppReady(Model):
    """How to see that the app can be used: exactly one of http, tcp, grpc. `port` defaults to the app's port."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            cel(
                "[has(self.http), has(self.tcp), has(self.grpc)].filter(x, x).size() == 1",
                "give exactly one of http, tcp or grpc",
            )
        )
    )
    http: HttpReady | None = None
    """Ask a path over HTTP."""
    tcp: TcpReady | None = None
    """Open a connection."""
    grpc: GrpcReady | None = None
    """Ask the gRPC health service."""


# --- services --------------------------------------------------------------------------------------------------------


class ServiceType(StrEnum):
    """What a backing service is. A service named like a type has that type."""

    POSTGRES = "postgres"
    MINIO = "minio"
    TEMPORAL = "temporal"
    REDIS = "redis"
    CUSTOM = "custom"


WELL_KNOWN = tuple(t.value for t in ServiceType if t is not ServiceType.CUSTOM)


class ConfigMapRef(Model):
    """A ConfigMap in the run's own namespace."""

    config_map: Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")]
    """Its name. It is copied into the environment when the run starts."""


SearchAttributeType = Literal["Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"]
_FIELDS_OF_TYPE = {
    "postgres": ("version", "databases", "extensions", "initSQL", "storage"),
    "minio": ("buckets",),
    "temporal": ("namespaces", "searchAttributes"),
    "custom": ("image", "command", "args", "ports", "env", "ready"),
}


def _only_for(kind: str) -> dict[str, str]:
    fields = _FIELDS_OF_TYPE[kind]
    absent = " && ".join(f"!has(self.{name})" for name in fields)
    return cel(f"!has(self.type) || self.type == '{kind}' || ({absent})", f"{', '.join(fields)}: only for type {kind}")


class Service(Model):
    """One backing service; the key in `services` is its DNS name in the environment.

    Typed services (postgres, minio, temporal, redis) take the fields of their type, `type: custom` runs any image.
    """

    model_config = ConfigDict(
        json_schema_extra=_rules(
            *(_only_for(kind) for kind in _FIELDS_OF_TYPE),
            cel("!has(self.type) || self.type != 'custom' || has(self.image)", "type custom needs an image"),
            cel(
                "!has(self.ready) || (has(self.ports) && self.ports.size() > 0)",
                "ready needs at least one entry in ports",
            ),
        )
    )
    type: ServiceType | None = None
    """What it is. May be left out for a service that is called like a type."""
    resources: Resources | None = None
    """What it asks for and may use at most. For postgres with `storage: Memory` the data count as memory."""
    # postgres
    version: Literal["17"] | None = None
    """Postgres: the major version. There is one."""
    databases: Annotated[tuple[DatabaseName, ...], Field(max_length=20)] | None = None
    """Postgres: databases to create. The first is the one in `PGDATABASE`; without any it is `postgres`."""
    extensions: Annotated[tuple[Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9_-]+$")], ...],
                          Field(max_length=20)] | None = None  # fmt: skip
    """Postgres: extensions to create in every database. The image has those of Debian's contrib package and pgvector."""
    init_sql: Annotated[ConfigMapRef | None, Field(alias="initSQL")] = None
    """Postgres: its `*.sql` files run once, in the order of their names, in the first database."""
    storage: Literal["Memory", "Disk"] | None = None
    """Postgres: where the data are. `Memory` is the default and the faster one."""
    # minio
    buckets: Annotated[tuple[BucketName, ...], Field(max_length=50)] | None = None
    """MinIO: buckets to create. The first is the one in `S3_BUCKET`."""
    # temporal
    namespaces: Annotated[tuple[Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")], ...],
                          Field(max_length=20)] | None = None  # fmt: skip
    """Temporal: namespaces to create. The first is the one in `TEMPORAL_NAMESPACE`; without any it is `default`."""
    search_attributes: Annotated[dict[str, SearchAttributeType], Field(max_length=40)] | None = None
    """Temporal: custom search attributes and their types."""
    # custom
    image: Image | None = None
    """Custom: the image. It runs as uid 65532 with a read-only root; `/tmp` can be written."""
    command: Command | None = None
    """Custom: replaces the image's entry point."""
    args: Command | None = None
    """Custom: arguments of the entry point or of `command`."""
    ports: Annotated[dict[str, PortNumber], Field(max_length=20)] | None = None
    """Custom: ports by name. The main one is called `http`, else it is the first by name."""
    env: Env | None = None
    """Custom: its variables. It is told nothing about the other services."""
    ready: Ready | None = None
    """Custom: how to see that it can be used. Without it: its main port accepts a connection, or it runs if it has none."""

    def type_under(self, name: str) -> ServiceType:
        """The type of this service when it is called `name`."""
        if self.type is not None:
            return self.type
        return ServiceType(name) if name in WELL_KNOWN else ServiceType.CUSTOM


# --- the system under test -------------------------------------------------------------------------------------------


class Migration(Model):
    """One step that prepares the services; steps run in the given order, before apps and tests start."""

    name: Annotated[str, Field(max_length=40, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    """Its name in messages and logs."""
    image: Image
    """The image that holds it."""
    command: Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]
    """The program and its arguments. It must end with 0."""
    args: Command = ()
    """More arguments, after those of `command`."""
    working_dir: AbsolutePath | None = None
    """Where it runs. Default: the image's own."""
    env: Env = ()
    """Variables of this step, after those of `spec.env`."""
    resources: Resources | None = None
    """What it asks for and may use at most."""


class App(Model):
    """One part of the system under test. Without a port it is ready when it runs."""

    model_config = ConfigDict(json_schema_extra=_rules(cel("!has(self.ready) || has(self.port)", "ready needs a port")))
    image: Image
    """The image. It runs as uid 65532 with a read-only root; `/tmp` can be written."""
    command: Command = ()
    """The program and its arguments. Give it: without it an init container waits for the services, which takes up to a second longer."""
    args: Command = ()
    """Arguments of the image's entry point or of `command`."""
    working_dir: AbsolutePath | None = None
    """Where it runs. Default: the image's own."""
    port: PortNumber | None = None
    """Where it listens. The app's DNS name is its key, and `<KEY>_URL` tells it to all."""
    replicas: Annotated[int, Field(ge=1, le=20)] = 1
    """How many pods of it run. With more than one, only those that are ready are reached."""
    env: Env = ()
    """Variables of this app, after those of `spec.env`."""
    resources: Resources | None = None
    """What each pod asks for and may use at most."""
    ready: AppReady | None = None
    """How to see that it can be used. Without it: its port accepts a connection, or it runs if it has none."""


class SharedVolume(Model):
    """One volume that all apps and the tests see. Without `storageClass` all of them share one node."""

    mount_path: AbsolutePath
    """Where apps and tests see it."""
    env: Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """A variable that tells `mountPath` to apps and tests."""
    storage_class: Name | None = None
    """A storage class that can do ReadWriteMany."""
    size: Annotated[str, Field(max_length=32, pattern=r"^[0-9]+(Mi|Gi|Ti)$")] = "1Gi"
    """How much is asked for."""


class Tests(Model):
    """The pytest suite: which image, which tests, how."""

    __test__ = False  # not for pytest to collect

    model_config = ConfigDict(
        json_schema_extra=_rules(
            cel(
                "has(self.image) || has(self.source)",
                "give an image that holds the tests, or source.configMap with test files for the default image",
            )
        )
    )
    image: Image | None = None
    """The image with the tests. It needs Python >= 3.9 and pytest >= 7, nothing of Seatrial. Default: `seatrial/pytest`, for tests from `source`."""
    source: ConfigMapRef | None = None
    """Test files. They are copied to `/tests`, which is then the working directory."""
    working_dir: AbsolutePath | None = None
    """Where pytest runs. Default: `/tests` with `source`, else the image's own."""
    paths: Annotated[tuple[Annotated[str, Field(max_length=1024, min_length=1, pattern=r"^[^-]")], ...],
                     Field(max_length=500)] = ()  # fmt: skip
    """Files, folders or node ids. Default: what pytest finds by itself."""
    markers: Text = ""
    """pytest's `-m`: `integration_p0 and not slow`."""
    keywords: Text = ""
    """pytest's `-k`."""
    args: Command = ()
    """More arguments for pytest, for example `[-n, "2"]` where the image has pytest-xdist."""
    max_fail: Annotated[int, Field(ge=0)] = 0
    """End after so many failures; 0: never."""
    env: Env = ()
    """Variables of the tests, after those of `spec.env`."""
    resources: Resources | None = None
    """What pytest asks for and may use at most."""
    timeout: Duration | None = None
    """Limit of one test: a test that takes longer fails, saying so."""
    coverage: bool = False
    """Measure which lines run in pytest's processes, with the package `coverage` of the image. What runs in apps is not measured."""
    artifacts: Annotated[
        tuple[Annotated[str, Field(max_length=512, pattern=r"^[^/*?\[.][^*?\[]*/.+|^[^/*?\[.][^/*?\[]*$")], ...],
        Field(max_length=20),
    ] = ()
    """Globs under the working directory, each beginning with a folder's name: `logs/**`. The folder is made writable."""


class Timeouts(Model):
    """How long each part may take before the run ends as Errored."""

    environment: Duration = timedelta(minutes=5)
    """From the start of each waiting process until all that it waits for is ready."""
    tests: Duration = timedelta(minutes=30)
    """The whole pytest process, once the environment is ready."""


class EvidenceWhen(StrEnum):
    """For which runs evidence is gathered."""

    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"
    NEVER = "Never"


class Retention(Model):
    """How long things live."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            cel(
                "self.maxLifetime == oldSelf.maxLifetime",
                "spec.retention.maxLifetime can't change after creation: the environment carries its end from the first moment",
            )
        )
    )
    passed: Duration = timedelta(0)
    """The environment, after a run that passed."""
    failed: Duration = timedelta(0)
    """The environment, after any other verdict."""
    max_lifetime: Duration = timedelta(hours=2)
    """The environment in any case, from its creation; can't change afterwards."""
    record: Duration = timedelta(days=7)
    """The IntegrationRun itself, from its verdict. Results live on in the archive."""
    evidence: EvidenceWhen = EvidenceWhen.ON_FAILURE
    """Whether logs, events and states of the environment are archived before it is deleted: after every run that did not
    pass (`OnFailure`), after every run (`Always`), or not at all (`Never`)."""


MUTABLE = ("cancel", "retention")


def _immutable(field: str) -> dict[str, str]:
    return cel(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"spec.{field} can't change after creation (only {' and '.join(MUTABLE)} can): "
        "delete this run and apply a new one, or use another name",
    )


_DNS_KEY = "matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')"
_KEY_MESSAGE = "names must be lower case letters, digits and '-', begin with a letter, and have at most 40 characters"
RESERVED_NAMES = ("migrations", "tests", "collector")


class IntegrationRunSpec(Model):
    """What to start, in which order it follows from what it is, and which tests to run against it."""

    model_config = ConfigDict(
        json_schema_extra=_rules(
            *(_immutable(f) for f in ("services", "env", "migrations", "apps", "sharedVolume", "tests", "timeouts")),
            cel("!has(self.services) || !has(self.apps) || self.services.all(k, !(k in self.apps))",
                "a service and an app can't have the same name"),
        )
    )  # fmt: skip
    services: Annotated[
        dict[str, Service],
        Field(
            max_length=20,
            json_schema_extra=_rules(
                cel(f"self.all(k, k.{_DNS_KEY} && !(k in {list(RESERVED_NAMES)}))",
                    f"{_KEY_MESSAGE}; {', '.join(RESERVED_NAMES)} are taken"),
                cel(f"self.all(k, has(self[k].type) || k in {list(WELL_KNOWN)})",
                    f"a service under another name than {', '.join(WELL_KNOWN)} needs a type"),
                *(
                    cel(
                        f"self.all(k, k != '{kind}' || has(self[k].type) || !("
                        + " || ".join(
                            f"has(self[k].{f})" for other in _FIELDS_OF_TYPE if other != kind
                            for f in _FIELDS_OF_TYPE[other]
                        ) + "))",
                        f"{kind} has fields of another type",
                    )
                    for kind in WELL_KNOWN
                ),
            ),
        ),
    ] = {}  # fmt: skip
    """Backing services by name. Each is empty, and this run's alone."""
    env: Env = ()
    """Given to migrations, apps and tests."""
    migrations: Annotated[
        tuple[Migration, ...],
        Field(
            max_length=20, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        ),
    ] = ()
    """Steps that prepare the services, one after the other."""
    apps: Annotated[
        dict[str, App],
        Field(
            max_length=30,
            json_schema_extra=_rules(
                cel(f"self.all(k, k.{_DNS_KEY} && !(k in {list(RESERVED_NAMES)}))",
                    f"{_KEY_MESSAGE}; {', '.join(RESERVED_NAMES)} are taken"),
            ),
        ),
    ] = {}  # fmt: skip
    """The system under test by name. All start at once when the migrations are done."""
    shared_volume: SharedVolume | None = None
    """One volume that all apps and the tests see."""
    tests: Tests
    """The pytest suite."""
    timeouts: Timeouts = Timeouts()
    """How long each part may take."""
    retention: Retention = Retention()
    """How long the environment and the record are kept. May change later."""
    cancel: Annotated[
        bool,
        Field(json_schema_extra=_rules(cel("self || !oldSelf", "a cancelled run can't be resumed: start a new one"))),
    ] = False
    """`true` ends the run as Cancelled. May change later, once."""


# --- status ----------------------------------------------------------------------------------------------------------


class Phase(StrEnum):
    """Where a run is, for people. After the environment is gone the phase is the verdict."""

    PENDING = "Pending"
    STARTING = "Starting"
    TESTING = "Testing"
    COLLECTING = "Collecting"
    RECLAIMING = "Reclaiming"
    PASSED = "Passed"
    FAILED = "Failed"
    ERRORED = "Errored"
    CANCELLED = "Cancelled"


class Verdict(StrEnum):
    """How a run ended."""

    PASSED = "Passed"
    FAILED = "Failed"
    ERRORED = "Errored"
    CANCELLED = "Cancelled"


class Reason(StrEnum):
    """Why a run has its verdict. docs/reasons.md says what to do about each."""

    TESTS_PASSED = "TestsPassed"
    TESTS_FAILED = "TestsFailed"
    NO_TESTS_COLLECTED = "NoTestsCollected"
    COLLECTION_ERROR = "CollectionError"
    TEST_TIMEOUT = "TestTimeout"
    TEST_PROCESS_DIED = "TestProcessDied"
    USAGE_ERROR = "UsageError"
    INVALID_SPEC = "InvalidSpec"
    QUOTA_EXCEEDED = "QuotaExceeded"
    ADMISSION_DENIED = "AdmissionDenied"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    IMAGE_WITHOUT_PYTEST = "ImageWithoutPytest"
    SERVICE_NOT_READY = "ServiceNotReady"
    SERVICE_LOST = "ServiceLost"
    MIGRATION_FAILED = "MigrationFailed"
    APP_CRASHED = "AppCrashed"
    APP_NOT_READY = "AppNotReady"
    RUN_TIMEOUT = "RunTimeout"
    OUT_OF_MEMORY = "OutOfMemory"
    EVICTED = "Evicted"
    NODE_LOST = "NodeLost"
    ENVIRONMENT_LOST = "EnvironmentLost"
    RESULTS_MISSING = "ResultsMissing"
    ARCHIVE_UNAVAILABLE = "ArchiveUnavailable"
    CANCELLED = "Cancelled"
    NAMESPACE_STUCK = "NamespaceStuck"


class ConditionType(StrEnum):
    """What has happened so far."""

    ACCEPTED = "Accepted"
    ENVIRONMENT_READY = "EnvironmentReady"
    TESTS_FINISHED = "TestsFinished"
    RESULTS_ARCHIVED = "ResultsArchived"
    EVIDENCE_ARCHIVED = "EvidenceArchived"
    RECLAIMED = "Reclaimed"


class StatusModel(BaseModel):
    """Base of status parts: what another version of the operator has written is read, not refused."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class Condition(StatusModel):
    """A Kubernetes condition (metav1.Condition)."""

    type: str
    """Accepted, EnvironmentReady, TestsFinished, ResultsArchived, EvidenceArchived or Reclaimed."""
    status: Literal["True", "False", "Unknown"]
    """Whether it is so."""
    reason: str
    """Why, in one word."""
    message: str = ""
    """Why, for people."""
    last_transition_time: str
    """When `status` last changed."""
    observed_generation: int = 0
    """The generation of the spec that this is about."""


class TestCounts(StatusModel):
    """Tests by outcome."""

    __test__ = False

    total: int = 0
    """Tests that were selected."""
    passed: int = 0
    """Passed."""
    failed: int = 0
    """Failed."""
    errors: int = 0
    """Their set-up or tear-down failed."""
    skipped: int = 0
    """Skipped."""
    xfailed: int = 0
    """Failed as expected."""
    xpassed: int = 0
    """Passed against expectation."""
    flaky: int = 0
    """Passed when a plugin of the image ran them again."""


class FailureNote(StatusModel):
    """One failed test, in one line."""

    id: str
    """pytest's node id."""
    catalogue_id: str = ""
    """Its id in a test catalogue, such as `INT-020`, if its marker, docstring or name has one."""
    message: str = ""
    """The first line of what went wrong."""


class SlowTest(StatusModel):
    """A test among the slowest."""

    id: str
    """pytest's node id."""
    seconds: str
    """How long it took."""


class Results(StatusModel):
    """Where the results are."""

    url: str = ""
    """The path of the run at the archive's read port."""
    digest: str = ""
    """Digest of the manifest that lists every file with its own digest."""


class Timeline(StatusModel):
    """When things happened (RFC 3339, with milliseconds where known)."""

    queued: str | None = None
    """The run was created."""
    started: str | None = None
    """The environment's objects were created."""
    environment_ready: str | None = None
    """All gates of the tests were open."""
    first_test: str | None = None
    """The first test began."""
    last_test: str | None = None
    """The last test ended."""
    verdict: str | None = None
    """The verdict was written."""
    reclaimed: str | None = None
    """The environment was gone."""


class IntegrationRunStatus(StatusModel):
    """What the operator knows of a run; written by the operator alone."""

    phase: Phase | None = None
    """Where the run is; in the end the verdict."""
    verdict: Verdict | None = None
    """How it ended. Written once, never changed."""
    reason: str = ""
    """Why, in one word: see [reasons](reasons.md)."""
    message: str = ""
    """What happened and what to do, in one line."""
    conditions: tuple[Condition, ...] = ()
    """What has happened so far."""
    namespace: str = ""
    """The environment."""
    tests: TestCounts | None = None
    """Tests by outcome."""
    tests_summary: str = ""
    """Passed of total, for the printed column: `40/42`."""
    failures: tuple[FailureNote, ...] = ()
    """The first 20 failed tests."""
    slowest: tuple[SlowTest, ...] = ()
    """The five slowest tests."""
    results: Results | None = None
    """Where the results are."""
    timeline: Timeline = Timeline()
    """When things happened."""
    attempt: int = 1
    """Always 1: a run has one attempt."""
    expires_at: str | None = None
    """When the environment is deleted in any case."""
    observed_generation: int = 0
    """The generation of the spec that was last acted on."""


# --- the resource ----------------------------------------------------------------------------------------------------


class Metadata(BaseModel):
    """What is used of an object's metadata."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )
    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    finalizers: tuple[str, ...] = ()


class IntegrationRun(BaseModel):
    """One run: a fresh environment, its tests, its verdict."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    metadata: Metadata
    spec: IntegrationRunSpec
    status: IntegrationRunStatus = IntegrationRunStatus()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Reads an object as the API server gives it.

        Raises:
            pydantic.ValidationError: when the spec is not valid.
        """
        return cls.model_validate({k: body[k] for k in ("metadata", "spec", "status") if body.get(k) is not None})

    def environment_namespace(self) -> str:
        """The name of this run's environment: the same for every reconcile, different for each run and attempt."""
        return environment_namespace(self.metadata.name, self.metadata.uid, self.status.attempt)


def environment_namespace(run_name: str, uid: str, attempt: int) -> str:
    """`st-<run name, trimmed>-<5 characters>`; at most 63 characters, a DNS label, unique by uid and attempt."""
    digest = hashlib.sha256(f"{uid}/{attempt}".encode()).digest()
    suffix = base64.b32encode(digest).decode().lower()[:5]
    trimmed = re.sub(r"[^a-z0-9]+", "-", run_name.lower())[:40].strip("-")
    return f"st-{trimmed}-{suffix}"
