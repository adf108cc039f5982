"""What a line of the evidence can show: one code for each failure, and how much each explains."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Code(StrEnum):
    """What a line shows. What people read of it is in `sentences`."""

    # states and Events
    EVICTED = "evicted"
    OOM_KILLED = "oom-killed"
    POD_NOT_CREATED = "pod-not-created"
    PROCESS_ENDED = "process-ended"
    PROCESS_KILLED = "process-killed"
    PROCESS_NOT_STARTED = "process-not-started"
    # memory and disk
    OUT_OF_MEMORY = "out-of-memory"
    MEMORY_USED_UP = "memory-used-up"
    DISK_FULL = "disk-full"
    # databases
    SERVER_PROCESS_KILLED = "server-process-killed"
    CONNECTION_CLOSED = "connection-closed"
    INIT_SQL_FAILED = "init-sql-failed"
    TABLE_MISSING = "table-missing"
    COLUMN_MISSING = "column-missing"
    DATABASE_MISSING = "database-missing"
    MIGRATIONS_MISMATCH = "migrations-mismatch"
    # other services
    BUCKET_MISSING = "bucket-missing"
    TEMPORAL_NAMESPACE_MISSING = "temporal-namespace-missing"
    TEMPORAL_UNREACHABLE = "temporal-unreachable"
    CREDENTIALS_REFUSED = "credentials-refused"
    # programs
    MODULE_MISSING = "module-missing"
    VARIABLE_MISSING = "variable-missing"
    VARIABLE_OF_SERVICE_MISSING = "variable-of-service-missing"
    SETTING_WRONG = "setting-wrong"
    PORT_IN_USE = "port-in-use"
    READ_ONLY = "read-only"
    PERMISSION_DENIED = "permission-denied"
    FRONTEND_NOT_BUILT = "frontend-not-built"
    COMMAND_NOT_STARTED = "command-not-started"
    PYTHON_CRASHED = "python-crashed"
    REQUEST_UNPROCESSABLE = "request-unprocessable"
    LAST_LINE = "last-line"
    # tests
    DOCKER_MISSING = "docker-missing"
    FRONTEND_REFUSED = "frontend-refused"
    # network
    NAME_UNKNOWN = "name-unknown"
    NO_ANSWER = "no-answer"
    NOT_READY = "not-ready"
    MIGRATIONS_LATE = "migrations-late"
    REFUSED = "refused"
    REFUSED_ENDED = "refused-ended"
    REFUSED_ADDRESS = "refused-address"
    REFUSED_LOCALHOST = "refused-localhost"
    REFUSED_LOCALHOST_OF = "refused-localhost-of"
    REFUSED_SOMEWHERE = "refused-somewhere"
    LISTENS_ON_LOOPBACK = "listens-on-loopback"
    LISTENS_ON_OTHER_PORT = "listens-on-other-port"


class Severity(IntEnum):
    """How much a line explains."""

    CAUSE = 0
    """Nothing comes before it."""
    FAULT = 1
    SYMPTOM = 2
    """It usually follows from something else."""


_CAUSES = frozenset({
    Code.EVICTED, Code.OOM_KILLED, Code.POD_NOT_CREATED, Code.MEMORY_USED_UP, Code.SERVER_PROCESS_KILLED,
    Code.INIT_SQL_FAILED, Code.PYTHON_CRASHED, Code.DOCKER_MISSING,
})  # fmt: skip
REFUSALS = frozenset({
    Code.REFUSED, Code.REFUSED_ENDED, Code.REFUSED_ADDRESS, Code.REFUSED_LOCALHOST, Code.REFUSED_LOCALHOST_OF,
    Code.REFUSED_SOMEWHERE,
})  # fmt: skip
"""A connection was refused."""
LISTENS = frozenset({Code.LISTENS_ON_LOOPBACK, Code.LISTENS_ON_OTHER_PORT})
_SYMPTOMS = REFUSALS | LISTENS | {
    Code.PROCESS_ENDED, Code.PROCESS_KILLED, Code.PROCESS_NOT_STARTED, Code.CONNECTION_CLOSED, Code.LAST_LINE,
    Code.TEMPORAL_UNREACHABLE, Code.FRONTEND_REFUSED, Code.NAME_UNKNOWN, Code.NO_ANSWER, Code.NOT_READY,
    Code.MIGRATIONS_LATE, Code.REQUEST_UNPROCESSABLE,
}  # fmt: skip
OF_ONE_COMPONENT = LISTENS | {
    Code.EVICTED, Code.OOM_KILLED, Code.POD_NOT_CREATED, Code.PROCESS_ENDED, Code.PROCESS_KILLED,
    Code.PROCESS_NOT_STARTED, Code.LAST_LINE,
}  # fmt: skip
"""What two components show is two things; all else may be one thing that is seen in several logs."""


def severity_of(code: Code) -> Severity:
    """How much a line with this code explains."""
    if code in _CAUSES:
        return Severity.CAUSE
    return Severity.SYMPTOM if code in _SYMPTOMS else Severity.FAULT
