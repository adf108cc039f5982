"""Backing services."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from seatrial.api.base import LIST_SET, Model, cel, rules
from seatrial.api.container import Command, Env, FileSource, Resources
from seatrial.api.readiness import Readiness
from seatrial.api.scalars import AbsolutePath, BucketName, ComponentName, DatabaseName, Image, PortNumber


class ServiceType(StrEnum):
    """What a backing service is. A service named like a type has that type."""

    POSTGRES = "postgres"
    MINIO = "minio"
    TEMPORAL = "temporal"
    REDIS = "redis"
    CUSTOM = "custom"


WELL_KNOWN = tuple(t.value for t in ServiceType if t is not ServiceType.CUSTOM)


SettingValue = Annotated[str, Field(max_length=1024, pattern=r"^[^\n\r\x00]*$")]
SearchAttributeType = Literal["Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"]
TYPES_OF_FIELDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("postgres",): ("version", "databases", "extensions", "initSQL", "storage", "locale"),
    ("minio",): ("buckets", "console"),
    ("temporal",): ("namespaces", "searchAttributes", "ui"),
    ("custom",): ("command", "args", "ports", "env", "ready", "writable", "after"),
    ("postgres", "custom"): ("image",),
    ("postgres", "redis"): ("settings", "perWorker"),
    ("postgres", "minio"): ("user",),
    ("postgres", "minio", "redis"): ("password",),
}
"""Fields that only services of some types have."""


def fields_of_other_types(kind: str) -> tuple[str, ...]:
    """The fields that a service of this type can't have."""
    return tuple(name for kinds, fields in TYPES_OF_FIELDS.items() if kind not in kinds for name in fields)


def _only_for(kinds: tuple[str, ...], fields: tuple[str, ...]) -> dict[str, str]:
    absent = " && ".join(f"!has(self.{name})" for name in fields)
    return cel(
        f"!has(self.type) || self.type in {list(kinds)} || ({absent})",
        f"{', '.join(fields)}: only for type {' or '.join(kinds)}",
    )


def service_types() -> tuple[dict[str, str], ...]:
    """Rules of the map of services: a service may be called like its type, and then has the fields of that one."""
    needs_type = cel(
        f"self.all(k, has(self[k].type) || k in {list(WELL_KNOWN)})",
        f"a service under another name than {', '.join(WELL_KNOWN)} needs a type",
    )
    return needs_type, *map(_of_its_name, WELL_KNOWN)


def _of_its_name(kind: str) -> dict[str, str]:
    others = " || ".join(f"has(self[k].{name})" for name in fields_of_other_types(kind))
    return cel(f"self.all(k, k != '{kind}' || has(self[k].type) || !({others}))", f"{kind} has fields of another type")


class Service(Model):
    """One backing service; the key in `services` is its DNS name in the environment.

    Typed services (postgres, minio, temporal, redis) take the fields of their type, `type: custom` runs any image.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(_only_for(kinds, fields) for kinds, fields in TYPES_OF_FIELDS.items()),
            cel("!has(self.type) || self.type != 'custom' || has(self.image)", "type custom needs an image"),
            cel("!has(self.image) || !has(self.version)", "image or version, not both: the image has its own version"),
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
    version: Literal["14", "15", "16", "17", "18"] | None = None
    """Postgres: the major version, default 17, which alone has ICU and PostGIS."""
    databases: Annotated[tuple[DatabaseName, ...], Field(max_length=20, json_schema_extra=LIST_SET)] | None = None
    """Postgres: databases to create. The first is the one in `PGDATABASE`; without any it is `postgres`."""
    extensions: Annotated[tuple[Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9_-]+$")], ...],
                          Field(max_length=20, json_schema_extra=LIST_SET)] | None = None  # fmt: skip
    """Postgres: extensions to create in every database. There are those of PostgreSQL itself and `vector`; version 17
    has `postgis`, `postgis_topology`, `postgis_tiger_geocoder` and `address_standardizer` too."""
    init_sql: Annotated[FileSource | None, Field(alias="initSQL")] = None
    """Postgres: its `*.sql` files run once, in the order of their paths, in the first database. An `image` of your own
    runs only those that are in no folder."""
    storage: Literal["Memory", "Disk"] | None = None
    """Postgres: where the data are. `Memory` is the default and the faster one."""
    settings: Annotated[dict[str, SettingValue], Field(max_length=50)] | None = None
    """Postgres: server settings by name, such as `wal_level: logical`. `ssl: "on"` works: a certificate is there.
    Redis: lines of its configuration, such as `maxmemory-policy: allkeys-lru`. `cluster-enabled: "yes"` makes it a
    cluster of one node."""
    per_worker: bool | None = None
    """Postgres: each worker of pytest-xdist has databases of its own, copies of `databases` as the migrations left
    them, called `app_gw0`; its variables name them. Redis: each worker has 16 numbered databases of its own; its URLs
    name the first. Without pytest-xdist nothing changes."""
    locale: Annotated[str, Field(max_length=63, pattern=r"^(icu:)?[A-Za-z][A-Za-z0-9_.@-]*$")] | None = None
    """Postgres: the locale of its databases: `en_US.utf8` (the default, as in the official image), `C`, `C.UTF-8`, or
    `icu:` and an ICU locale such as `icu:de-DE`. Another one than the default takes half a second more."""
    user: Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")] | None = None
    """Postgres: the superuser, default `postgres`. MinIO: the access key, at least 3 characters, default one made
    for the run."""
    password: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_-]*$")] | None = None
    """Postgres, MinIO (the secret key, at least 8 characters) and Redis (empty: none is asked for): a fixed password,
    for suites that insist on one. Without it one is made for the run and masked in all that is kept."""
    buckets: Annotated[tuple[BucketName, ...], Field(max_length=50, json_schema_extra=LIST_SET)] | None = None
    """MinIO: buckets to create. The first is the one in `S3_BUCKET`."""
    console: bool | None = None
    """MinIO: its console, on port 9001: `kubectl port-forward`."""
    namespaces: Annotated[tuple[Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")], ...],
                          Field(max_length=20, json_schema_extra=LIST_SET)] | None = None  # fmt: skip
    """Temporal: namespaces to create. The first is the one in `TEMPORAL_NAMESPACE`; without any it is `default`."""
    search_attributes: Annotated[dict[str, SearchAttributeType], Field(max_length=40)] | None = None
    """Temporal: custom search attributes and their types."""
    ui: bool | None = None
    """Temporal: its pages, on port 8233: `kubectl port-forward`."""
    image: Image | None = None
    """Custom: the image. It runs as uid 65532 with a read-only root; `/tmp` can be written.
    Postgres: an image of your own that is made like the official one (`postgres`, `pgvector/pgvector`,
    `timescale/timescaledb`): its entry point reads `POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`, `PGDATA` and
    `/docker-entrypoint-initdb.d`. It runs `initdb` at each start, which takes a second or two."""
    command: Command | None = None
    """Custom: replaces the image's entry point."""
    args: Command | None = None
    """Custom: arguments of the entry point or of `command`."""
    ports: Annotated[dict[str, PortNumber], Field(max_length=20)] | None = None
    """Custom: ports by name. The main one is called `http`, else it is the first by name."""
    env: Env | None = None
    """Custom: its variables. It gets none about the other services."""
    ready: Readiness | None = None
    """Custom: how to see that it can be used. Without it: its main port accepts a connection, or, without ports, it
    runs."""
    writable: Annotated[tuple[AbsolutePath, ...], Field(max_length=20, json_schema_extra=LIST_SET)] | None = None
    """Custom: folders that it can write besides `/tmp`, such as `/var/lib/mysql`. Each begins empty."""
    after: Annotated[tuple[ComponentName, ...], Field(max_length=20, json_schema_extra=LIST_SET)] | None = None
    """Custom: other services that must be ready before it starts. An init container waits for them, which takes up to a
    second longer."""

    def type_under(self, name: str) -> ServiceType:
        """The type of this service when it is called `name`."""
        if self.type is not None:
            return self.type
        return ServiceType(name) if name in WELL_KNOWN else ServiceType.CUSTOM
