"""What people read of a finding: title and advice, made of its code and data. Nothing is decided by them."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from seatrial.api import labels
from seatrial.evidence.codes import Code
from seatrial.evidence.findings import Finding, cut

_TITLE = 1000
"""Characters."""


class Sentence(NamedTuple):
    """Templates. A finding's data fill their places; `{log}` is the command that shows the log of what it is about."""

    title: str
    advice: str


_MEMORY = "Raise its resources.limits.memory, or use less."
_RELEASES = "Tests and app are of different versions: build both from the same commit"
_LOCALHOST = "Every component has a pod, and so a localhost, of its own"

SENTENCES = {
    Code.EVICTED: Sentence(
        "its pod was evicted", "Start the run again; if it used too much, give it more or use less."
    ),
    Code.OOM_KILLED: Sentence(
        "its process was killed for using more memory than its limit",
        "Raise the resources.limits.memory of {component}, or use less.",
    ),
    Code.POD_NOT_CREATED: Sentence(
        "its pod could not be created",
        f"Allow it in namespaces with the label {labels.MANAGED_BY}={labels.MANAGER}, or raise the quota.",
    ),
    Code.PROCESS_ENDED: Sentence("its process ended", "{log} shows what came before."),
    Code.PROCESS_KILLED: Sentence("its process was killed", "{log} shows what came before."),
    Code.PROCESS_NOT_STARTED: Sentence(
        "its process could not be started", "Check its command, workingDir and mounts."
    ),
    Code.OUT_OF_MEMORY: Sentence("out of memory", _MEMORY),
    Code.MEMORY_USED_UP: Sentence("the container used up its memory", _MEMORY),
    Code.DISK_FULL: Sentence(
        "no space left on the device",
        "Write less, or raise its resources.limits.ephemeral-storage; a service's data can lie on `storage: Disk`.",
    ),
    Code.SERVER_PROCESS_KILLED: Sentence(
        "a server process of the database was killed",
        "Most often for memory: raise its resources.limits.memory; its data are in memory too, unless `storage: Disk`.",
    ),
    Code.CONNECTION_CLOSED: Sentence("the database closed the connection", "See why in the database's own log."),
    Code.INIT_SQL_FAILED: Sentence("initSQL failed: {what}", "Correct the SQL of `initSQL`."),
    Code.TABLE_MISSING: Sentence(
        "table {what} does not exist: a migration is missing",
        "Add the migration that makes it to spec.migrations, and check that it runs against the same database as the "
        "app.",
    ),
    Code.COLUMN_MISSING: Sentence(
        "column {what} does not exist: schema and code don't fit together",
        "The migrations and the app are of different versions: build both images from the same commit, and add the "
        "missing migration.",
    ),
    Code.DATABASE_MISSING: Sentence(
        "database {what} does not exist", "Add it to spec.services.postgres.databases, or use $(PGDATABASE)."
    ),
    Code.MIGRATIONS_MISMATCH: Sentence(
        "the migrations don't fit the database: {what}",
        "Run them against an empty database; with Alembic, `alembic heads` must name one revision and the image must "
        "hold all of them.",
    ),
    Code.BUCKET_MISSING: Sentence("a bucket does not exist", "Add it to spec.services.minio.buckets."),
    Code.TEMPORAL_NAMESPACE_MISSING: Sentence(
        "Temporal namespace {what} is not found",
        "Add it to spec.services.temporal.namespaces, or use $(TEMPORAL_NAMESPACE).",
    ),
    Code.TEMPORAL_UNREACHABLE: Sentence(
        "Temporal could not be reached", "Use $(TEMPORAL_ADDRESS), and add `temporal` to spec.services."
    ),
    Code.CREDENTIALS_REFUSED: Sentence(
        "the credentials are refused {what}",
        "Use those that are made for the run: PGUSER and PGPASSWORD, S3_ACCESS_KEY and S3_SECRET_KEY, REDIS_URL.",
    ),
    Code.MODULE_MISSING: Sentence(
        "module {what} is missing",
        "Install it in the image, or set workingDir or PYTHONPATH so that it is found.",
    ),
    Code.VARIABLE_MISSING: Sentence(
        "variable {what} is not set",
        "Set it in spec.env or in the component's own env; the reference lists what is set by itself.",
    ),
    Code.VARIABLE_OF_SERVICE_MISSING: Sentence(
        "variable {what} is not set",
        "It is set where the manifest has spec.{field}: add that, or set it in spec.env.",
    ),
    Code.SETTING_WRONG: Sentence(
        "a setting is missing or wrong: {what}",
        "The lines after this one name the fields: set them in spec.env or in the component's own env.",
    ),
    Code.PORT_IN_USE: Sentence(
        "the port is in use already", "Two processes of the component listen on one port: give one of them another."
    ),
    Code.READ_ONLY: Sentence(
        "a write outside the places that can be written {what}",
        "The root file system is read-only: write below /tmp, or to the shared volume (spec.sharedVolume).",
    ),
    Code.PERMISSION_DENIED: Sentence(
        "permission denied {what}",
        "Everything runs as uid 65532 without capabilities: write below /tmp, make files in the image readable for "
        "all, and listen on a port above 1023.",
    ),
    Code.FRONTEND_NOT_BUILT: Sentence(
        "the frontend's build is missing {what}",
        "Build the frontend in its image, and serve the folder that the build wrote.",
    ),
    Code.COMMAND_NOT_STARTED: Sentence(
        "the command can't be started",
        "Check `command` and the image: the program must be on its PATH, and built for the node's architecture.",
    ),
    Code.PYTHON_CRASHED: Sentence(
        "Python itself crashed: {what}",
        "Native code did it: the lines after this one show where. Run that test alone, with the same image.",
    ),
    Code.REQUEST_UNPROCESSABLE: Sentence(
        "a request does not fit the API (422)", f"{_RELEASES}; the response names the field."
    ),
    Code.LAST_LINE: Sentence("the last line of its log", "{log} shows what came before."),
    Code.DOCKER_MISSING: Sentence(
        "the tests need Docker, which an environment has not",
        "Testcontainers and the like can't start containers here: declare what they start in spec.services "
        "(`type: custom` runs any image), and let the tests use its address from the environment variables.",
    ),
    Code.FRONTEND_REFUSED: Sentence(
        "the frontend did not serve {what}",
        "Give the tests the address of the app that serves it ($(FRONTEND_URL) for an app `frontend`), and look at "
        "that app's log.",
    ),
    Code.NAME_UNKNOWN: Sentence(
        "the name {what} is not known",
        "An environment knows the names of its own services and apps, and nothing outside: use the variables that are "
        "set (PGHOST, ORDERS_URL), and give it what it needs from outside as a service.",
    ),
    Code.NO_ANSWER: Sentence(
        "no answer from the network",
        "An environment has no way out, only to its own services and apps: give it what it needs as a service.",
    ),
    Code.NOT_READY: Sentence(
        "not ready: {what}",
        "What `ready` asks for must be answered with a status below 400: correct its path and port, or see that "
        "component's log.",
    ),
    Code.MIGRATIONS_LATE: Sentence("the migrations were not done in time", "See what they did last: {log}."),
    Code.REFUSED: Sentence(
        "connection refused to {name}",
        "Check that {name} listens on 0.0.0.0 and on the port of the manifest: {log}.",
    ),
    Code.REFUSED_ENDED: Sentence("connection refused to {name}, which had ended", "See why it ended: {log}."),
    Code.REFUSED_ADDRESS: Sentence(
        "connection refused to {address}", "Look at the log of the component that should have answered there."
    ),
    Code.REFUSED_LOCALHOST: Sentence(
        "connection refused to localhost:{port}",
        f"{_LOCALHOST}: use the address in the variables (PGHOST, S3_ENDPOINT, ORDERS_URL), or have spec.forwards "
        "lead port {port} to its component.",
    ),
    Code.REFUSED_LOCALHOST_OF: Sentence(
        "connection refused to localhost:{port}",
        f"{_LOCALHOST}: {{name}} listens under its own name, {{name}}:{{port}}. Use its address in the variables, or "
        "have spec.forwards lead port {port} to {name}.",
    ),
    Code.REFUSED_SOMEWHERE: Sentence(
        "connection refused", "Look at the log of the component that should have answered there."
    ),
    Code.LISTENS_ON_LOOPBACK: Sentence(
        "it listens on {host} alone", "Nobody outside its pod reaches that: let it listen on 0.0.0.0."
    ),
    Code.LISTENS_ON_OTHER_PORT: Sentence(
        "it listens on port {port}, the manifest says {expected}",
        "Give it port {expected}, or correct `port` in the manifest.",
    ),
}  # fmt: skip


def sentence_of(finding: Finding, run: str) -> Sentence:
    """Title and advice of a finding of a run."""
    log = f"`seatrial logs {run} {finding.data.get('name', finding.component)}`"
    places = defaultdict(str, {"component": finding.component, "log": log, **finding.data})
    title, advice = SENTENCES[finding.code]
    plain = " ".join(title.format_map(places).split()).removesuffix(":")
    return Sentence(cut(plain, _TITLE), advice.format_map(places))
