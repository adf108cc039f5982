"""The common failures, as programs write them: words to look for, and the pattern of a line that shows one.

A pattern's group `what`, `what2`, ... holds what the failure is about. Gaps in patterns are bounded: a log is hostile
input, and Python searches without letting others have their turn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from seatrial.api.labels import Role
from seatrial.evidence.codes import Code


@dataclass(frozen=True)
class Rule:
    """One common failure."""

    code: Code
    signs: tuple[str, ...]
    """Lower-case words, one of which is in every line that the pattern matches."""
    pattern: re.Pattern[str]


def _rule(code: Code, signs: str, *patterns: str) -> Rule:
    return Rule(code, tuple(signs.split("|")), re.compile("|".join(patterns), re.IGNORECASE))


ANYWHERE = (
    _rule(
        Code.OUT_OF_MEMORY,
        "out of memory|memoryerror|outofmemory|cannot allocate memory",
        r"\bout of memory\b|\bMemoryError\b|OutOfMemoryError|Cannot allocate memory",
    ),
    _rule(
        Code.MEMORY_USED_UP,
        "used up its memory",
        r"the container used up its memory, and the kernel killed a process in it",
    ),
    _rule(
        Code.CONNECTION_CLOSED,
        "server closed the connection|because of crash of another",
        r"server closed the connection unexpectedly|because of crash of another server process",
    ),
    _rule(Code.DISK_FULL, "no space left", r"No space left on device"),
    _rule(
        Code.TABLE_MISSING,
        "does not exist|no such table|undefinedtable|doesn't exist",
        r"(?<!of )relation \"(?P<what>[^\"]+)\" does not exist(?!, skipping)",
        r"no such table: (?P<what2>\S+)",
        r"Table '(?P<what3>[^']+)' doesn't exist",
        r"UndefinedTable",
    ),
    _rule(
        Code.COLUMN_MISSING,
        "does not exist|no such column|undefinedcolumn",
        r"column \"?(?P<what>[\w.]+)\"?(?: of relation \"[^\"]+\")? does not exist",
        r"no such column: (?P<what2>\S+)",
        r"UndefinedColumn",
    ),
    _rule(
        Code.MIGRATIONS_MISMATCH,
        "can't locate revision|multiple head|not up to date|already exists|duplicatetable",
        r"(?P<what>Can't locate revision identified by '[^']+'|Multiple head revisions"
        r"|Target database is not up to date|relation \"[^\"]+\" already exists(?!, skipping)|DuplicateTable)",
    ),
    _rule(Code.DATABASE_MISSING, 'database "', r"database \"(?P<what>[^\"]+)\" does not exist"),
    _rule(Code.BUCKET_MISSING, "nosuchbucket|bucket does not exist", r"NoSuchBucket|specified bucket does not exist"),
    _rule(
        Code.TEMPORAL_NAMESPACE_MISSING,
        "namespace",
        r"Namespace (?P<what>[\w.-]+) (?:is|was)? ?not found|NamespaceNotFound",
    ),
    _rule(
        Code.MODULE_MISSING,
        "no module named|could not import module|cannot import name|cannot find module|cannot find package",
        r"(?:Error\b|python[\d.]{0,6}:)[^\n]{0,200}No module named '?(?P<what>[\w.]{1,200})",
        r"cannot import name '(?P<what2>[^']+)'",
        r"Cannot find (?:module|package) '(?P<what3>[^']+)'",
        r"Could not import module \"(?P<what4>[^\"]+)\"",
    ),
    _rule(
        Code.VARIABLE_MISSING,
        "keyerror|environment variable|env var",
        r"KeyError: '(?P<what>[A-Z][A-Z0-9_]{2,})'",
        r"environment variables? [\"'`]?(?P<what2>[A-Z][A-Z0-9_]+)[\"'`]? (?:is |was |must be )?"
        r"(?:not set|not defined|missing|required|set)",
        r"missing (?:required )?env(?:ironment)? var(?:iable)?s?:? [\"'`]?(?P<what3>[A-Z][A-Z0-9_]+)",
    ),
    _rule(
        Code.SETTING_WRONG,
        "validation error|field required",
        r"validation errors? for (?P<what>\w+)",
        r"Field required \[type=missing",
    ),
    _rule(Code.PORT_IN_USE, "address already in use|eaddrinuse", r"address already in use|EADDRINUSE"),
    _rule(
        Code.READ_ONLY,
        "read-only file system|erofs",
        r"Read-only file system(?:: '?(?P<what>[^'\s]+))?|EROFS",
    ),
    _rule(
        Code.PERMISSION_DENIED,
        "permission denied|permissionerror|eacces|operation not permitted",
        r"(?:Permission denied|Operation not permitted)(?:: '?(?P<what>[^'\s]+))?|PermissionError|EACCES",
    ),
    _rule(
        Code.CREDENTIALS_REFUSED,
        "authentication failed|invalidaccesskeyid|signaturedoesnotmatch|noauth",
        r"password authentication failed for user \"?(?P<what>[^\"]+)|InvalidAccessKeyId|SignatureDoesNotMatch|NOAUTH",
    ),
    _rule(
        Code.FRONTEND_NOT_BUILT,
        "enoent|production build|index.html",
        r"Could not find a production build",
        r"ENOENT[^\n]{0,200}(?P<what>\b(?:dist|build|\.next|out)\b[^\s']{0,200})",
        r"(?:dist|build)/index\.html[^\n]{0,200}not (?:found|exist)",
    ),
    _rule(
        Code.COMMAND_NOT_STARTED,
        "executable file not found|no such file or directory|exec format error",
        r"exec(?:utable)?[^\n]{0,200}(?:file not found|no such file or directory|format error)",
    ),
    _rule(
        Code.TEMPORAL_UNREACHABLE,
        "failed reaching server|failed client connect|temporal",
        r"failed reaching server|Failed client connect|temporal[^\n]{0,200}(?:not ready|unavailable|deadline exceeded)",
    ),
    _rule(
        Code.NAME_UNKNOWN,
        "name or service not known|name resolution|enotfound|eai_again|no such host|nodename nor servname"
        "|could not translate",
        r"could not translate host name \"(?P<what>[^\"]+)\"",
        r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?P<what2>\S+)",
        r"lookup (?P<what3>[\w.-]{1,253})[^\n]{0,200}no such host",
        r"Name or service not known|(?:Temporary failure in )?name resolution|nodename nor servname|no such host",
    ),
    _rule(
        Code.NO_ANSWER,
        "network is unreachable|timed out|connecttimeout",
        r"Network is unreachable|Connection timed out|ConnectTimeout|urlopen error timed out",
    ),
    _rule(Code.PYTHON_CRASHED, "fatal python error", r"Fatal Python error: (?P<what>[^\n]+)"),
    _rule(
        Code.NOT_READY,
        "not ready after",
        r"\((?P<what>https?://\S{1,500}: HTTP \d{3}\b[^\n]{0,250}?)\)(?:, |$)",
    ),
    _rule(Code.REQUEST_UNPROCESSABLE, "422 unprocessable", r"422 Unprocessable"),
)
SERVICES = (
    _rule(
        Code.SERVER_PROCESS_KILLED,
        "terminated by signal 9",
        r"server process \(PID \d+\) was terminated by signal 9",
    ),
    _rule(
        Code.INIT_SQL_FAILED,
        "psql:/initdb.d/",
        r"psql:/initdb\.d/(?P<what>[^:]+:\d+: (?:ERROR|FATAL|PANIC|error|fatal): .*)",
    ),
)
TESTS = (
    _rule(
        Code.DOCKER_MISSING,
        "docker|container runtime strategy",
        r"\bDockerException\b|Cannot connect to the Docker daemon|Could not find a valid Docker environment"
        r"|Could not find a working container runtime strategy",
    ),
    _rule(
        Code.FRONTEND_REFUSED,
        "err_connection_refused",
        r"net::ERR_CONNECTION_REFUSED(?: at (?P<what>\S+))?",
    ),
)

OF_LOGINS = frozenset({Code.CREDENTIALS_REFUSED, Code.DATABASE_MISSING})
"""A gate's own login makes such lines in the log of a database that is still being set up."""


def rules_for(role: str) -> tuple[Rule, ...]:
    """The rules for logs of a component; one of an unknown role may be anything."""
    services = SERVICES if role in (Role.SERVICE, "") else ()
    tests = TESTS if role in (Role.TESTS, "") else ()
    return ANYWHERE + services + tests
