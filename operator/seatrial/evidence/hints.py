"""What the logs say about why a run did not pass: the common failures, the line that shows each, and what to do. Pure.

A log is searched for a few words of each rule, and only the lines around them are looked at closely, since logs are long and rules are many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from seatrial.api import labels
from seatrial.api.run import IntegrationRun
from seatrial.api.times import format_time
from seatrial.facts.attempt import Pod, Termination
from seatrial.verdict.diagnose import KILLED, last_line, telling

_STATES = "pods.json"
MOST = 10
"""Hints that are kept of a run."""
_LINE = 500
_END = 80
"""Lines at the end of a log among which the last word is looked for."""
_OCCURRENCES = 50
"""Of a word that are looked at in one log."""
_WAITS = "seatrial: waiting for "
"""The launcher names what does not answer yet: nothing is wrong with that."""
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*Z ?")
_PORTS = {5432: "postgres", 9000: "minio", 7233: "temporal", 6379: "redis"}


_MEMORY = "the container used up its memory"
"""So the launcher says it; the state of the container may say it too."""


@dataclass(frozen=True)
class Hint:
    """One line of the evidence that tells why, and what to do about it."""

    component: str
    file: str
    line: str
    at: str | None
    """RFC 3339."""
    title: str
    advice: str
    cause: bool = False
    """It is what the others follow from."""
    rank: int = 1
    """0: nothing comes before it; 2: a symptom, which usually follows from something else."""


@dataclass(frozen=True)
class Context:
    """What is known of the run beside its logs."""

    name: str = "RUN"
    roles: Mapping[str, str] = field(default_factory=dict)
    """Role of each component."""
    broken: frozenset[str] = frozenset()
    """Components that ended when they should not have."""
    ports: Mapping[int, str] = field(default_factory=lambda: dict(_PORTS))
    """Who listens on a port."""

    def log_of(self, component: str) -> str:
        """The command that shows a component's log."""
        return f"`seatrial logs {self.name} {component}`"


@dataclass(frozen=True)
class Rule:
    """One common failure.

    `pattern`'s group `what`, if it has one, is put into title and advice.
    """

    signs: tuple[str, ...]
    """Lower-case words, one of which is in every line that the pattern matches."""
    pattern: re.Pattern[str]
    title: str
    advice: str
    rank: int = 1
    """Of the hint."""


def _rule(signs: str, pattern: str, title: str, advice: str, *, rank: int = 1) -> Rule:
    return Rule(tuple(signs.split("|")), re.compile(pattern, re.IGNORECASE), title, advice, rank)


RULES = (
    _rule("out of memory|memoryerror|outofmemory|cannot allocate memory",
          r"\bout of memory\b|\bMemoryError\b|OutOfMemoryError|Cannot allocate memory",
          "out of memory", "Raise its resources.limits.memory, or use less."),
    _rule("used up its memory", r"the container used up its memory, and the kernel killed a process in it", _MEMORY,
          "Raise its resources.limits.memory, or use less.", rank=0),
    _rule("terminated by signal 9", r"server process \(PID \d+\) was terminated by signal 9", "a server process of the database was killed",
          "Most often for memory: raise its resources.limits.memory; its data are in memory too, unless `storage: Disk`.", rank=0),
    _rule("server closed the connection|because of crash of another", r"server closed the connection unexpectedly|because of crash of another server process",
          "the database closed the connection", "See why in the database's own log.", rank=2),
    _rule("no space left", r"No space left on device", "no space left on the device",
          "Write less, or raise its resources.limits.ephemeral-storage; a service's data can lie on `storage: Disk`."),
    _rule("does not exist|no such table|undefinedtable|doesn't exist",
          r"(?<!of )relation \"(?P<what>[^\"]+)\" does not exist(?!, skipping)|no such table: (?P<what2>\S+)|Table '(?P<what3>[^']+)' doesn't exist|UndefinedTable",
          "table {what} does not exist: a migration is missing",
          "Add the migration that makes it to spec.migrations, and check that it runs against the same database as the app."),
    _rule("does not exist|no such column|undefinedcolumn",
          r"column \"?(?P<what>[\w.]+)\"?(?: of relation \"[^\"]+\")? does not exist|no such column: (?P<what2>\S+)|UndefinedColumn",
          "column {what} does not exist: schema and code don't fit together",
          "The migrations and the app are of different versions: build both images from the same commit, and add the missing migration."),
    _rule("can't locate revision|multiple head|not up to date|already exists|duplicatetable",
          r"(?P<what>Can't locate revision identified by '[^']+'|Multiple head revisions|Target database is not up to date"
          r"|relation \"[^\"]+\" already exists(?!, skipping)|DuplicateTable)",
          "the migrations don't fit the database: {what}",
          "Run them against an empty database; with Alembic, `alembic heads` must name one revision and the image must hold all of them."),
    _rule("database \"", r"database \"(?P<what>[^\"]+)\" does not exist", "database {what} does not exist",
          "Add it to spec.services.postgres.databases, or use $(PGDATABASE)."),
    _rule("nosuchbucket|bucket does not exist", r"NoSuchBucket|specified bucket does not exist", "a bucket does not exist",
          "Add it to spec.services.minio.buckets."),
    _rule("namespace", r"Namespace (?P<what>[\w.-]+) (?:is|was)? ?not found|NamespaceNotFound", "Temporal namespace {what} is not found",
          "Add it to spec.services.temporal.namespaces, or use $(TEMPORAL_NAMESPACE)."),
    _rule("no module named|could not import module|cannot import name|cannot find module|err_module_not_found",
          r"No module named '?(?P<what>[\w.]+)|cannot import name '(?P<what2>[^']+)'|Cannot find (?:module|package) '(?P<what3>[^']+)'"
          r"|Could not import module \"(?P<what4>[^\"]+)\"",
          "module {what} is missing", "Install it in the image, or set workingDir or PYTHONPATH so that it is found."),
    _rule("keyerror|environment variable|env var", r"KeyError: '(?P<what>[A-Z][A-Z0-9_]{2,})'"
          r"|environment variables? [\"'`]?(?P<what2>[A-Z][A-Z0-9_]+)[\"'`]? (?:is |was |must be )?(?:not set|not defined|missing|required|set)"
          r"|missing (?:required )?env(?:ironment)? var(?:iable)?s?:? [\"'`]?(?P<what3>[A-Z][A-Z0-9_]+)",
          "variable {what} is not set", "Set it in spec.env or in the component's own env; the reference lists what is set by itself."),
    _rule("validation error|field required", r"validation errors? for (?P<what>\w+)|Field required \[type=missing",
          "a setting is missing or wrong: {what}", "The lines after this one name the fields: set them in spec.env or in the component's own env."),
    _rule("address already in use|eaddrinuse", r"address already in use|EADDRINUSE", "the port is in use already",
          "Two processes of the component listen on one port: give one of them another."),
    _rule("read-only file system|erofs", r"Read-only file system(?:: '?(?P<what>[^'\s]+))?|EROFS", "a write outside the places that can be written {what}",
          "The root file system is read-only: write below /tmp, or to the shared volume (spec.sharedVolume)."),
    _rule("permission denied|permissionerror|eacces|operation not permitted",
          r"(?:Permission denied|Operation not permitted)(?:: '?(?P<what>[^'\s]+))?|PermissionError|EACCES", "permission denied {what}",
          "Everything runs as uid 65532 without capabilities: write below /tmp, make files in the image readable for all, and listen on a port above 1023."),
    _rule("authentication failed|invalidaccesskeyid|signaturedoesnotmatch|noauth",
          r"password authentication failed for user \"?(?P<what>[^\"]+)|InvalidAccessKeyId|SignatureDoesNotMatch|NOAUTH",
          "the credentials are refused {what}", "Use those that are made for the run: PGUSER and PGPASSWORD, S3_ACCESS_KEY and S3_SECRET_KEY, REDIS_URL."),
    _rule("enoent|production build|index.html",
          r"Could not find a production build|ENOENT[^\n]*(?P<what>\b(?:dist|build|\.next|out)\b[^\s']*)|(?:dist|build)/index\.html[^\n]*not (?:found|exist)",
          "the frontend's build is missing {what}", "Build the frontend in its image, and serve the folder that the build wrote."),
    _rule("executable file not found|no such file or directory|exec format error",
          r"exec(?:utable)?[^\n]*(?:file not found|no such file or directory|format error)", "the command can't be started",
          "Check `command` and the image: the program must be on its PATH, and built for the node's architecture."),
    _rule("err_connection_refused", r"net::ERR_CONNECTION_REFUSED(?: at (?P<what>\S+))?", "the frontend did not serve {what}",
          "Give the tests the address of the app that serves it ($(FRONTEND_URL) for an app `frontend`), and look at that app's log.", rank=2),
    _rule("failed reaching server|failed client connect|temporal", r"failed reaching server|Failed client connect|temporal[^\n]*(?:not ready|unavailable|deadline exceeded)",
          "Temporal could not be reached", "Use $(TEMPORAL_ADDRESS), and add `temporal` to spec.services.", rank=2),
    _rule("name or service not known|name resolution|enotfound|eai_again|no such host|nodename nor servname|could not translate",
          r"could not translate host name \"(?P<what>[^\"]+)\"|getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?P<what2>\S+)|lookup (?P<what3>[\w.-]+)[^\n]*no such host"
          r"|Name or service not known|(?:Temporary failure in )?name resolution|nodename nor servname|no such host",
          "the name {what} is not known",
          "An environment knows the names of its own services and apps, and nothing outside: use the variables that are told (PGHOST, ORDERS_URL), and give it what it needs from outside as a service.", rank=2),
    _rule("network is unreachable|timed out|connecttimeout", r"Network is unreachable|Connection timed out|ConnectTimeout|urlopen error timed out",
          "no answer from the network", "An environment has no way out, only to its own services and apps: give it what it needs as a service.", rank=2),
    _rule("psql:/initdb.d/", r"psql:/initdb\.d/(?P<what>[^:]+:\d+: \w+: .*)", "initSQL failed: {what}", "Correct the SQL of `initSQL`.", rank=0),
    _rule("fatal python error", r"Fatal Python error: (?P<what>[^\n]+)", "Python itself crashed: {what}",
          "Native code did it: the lines after this one show where. Run that test alone, with the same image.", rank=0),
    _rule("not ready after", r"not ready after [^\n]*\((?P<what>https?://\S+: HTTP \d{3})\)", "not ready: {what}",
          "What `ready` asks for must be answered with a status below 400: correct its path and port, or see that component's log.", rank=2),
    _rule("422 unprocessable", r"422 Unprocessable", "a request does not fit the API (422)",
          "Tests and app are of different versions: build both from the same commit; the response names the field.", rank=2),
)  # fmt: skip
_REFUSED = re.compile(
    r"connection refused|ECONNREFUSED|ConnectionRefusedError|Connect call failed|All connection attempts failed", re.I
)
_NOBODY = "connection refused"
_LAST_WORDS, _LISTENING = "its last words", "it listens on"
_REFUSED_SIGNS = ("connection refused", "econnrefused", "connectionrefusederror", "connect call failed", "all connection attempts failed")  # fmt: skip
_ADDRESS = re.compile(
    r"host='(?P<a>[\w.-]+)', port=(?P<ap>\d+)|\('(?P<b>[\w.:-]+)', (?P<bp>\d+)"
    r"|(?!\S*\.(?:py|js|ts|go):)(?:(?<=//)|(?<![\w./-]))(?P<c>[A-Za-z0-9][\w.-]*):(?P<cp>\d{2,5})\b"
    r"|server at \"(?P<d>[^\"]+)\"[^\n]*port (?P<dp>\d+)"
)


_LISTENS = re.compile(
    r"(?:listening|running|serving|started)\b[^\n]*?(?P<host>127\.0\.0\.1|localhost|\[::1?\]|0\.0\.0\.0|\*):(?P<port>\d{2,5})\b",
    re.I,
)
_LISTENING_SIGNS = ("listening", "running", "serving", "started")
_LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")
_TOLD = (
    (re.compile(r"PG[A-Z]+|POSTGRES_URL|DATABASE_URL"), "services.postgres"),
    (re.compile(r"S3_BUCKET"), "services.minio.buckets"),
    (re.compile(r"S3_\w+|AWS_\w+"), "services.minio"),
    (re.compile(r"TEMPORAL_\w+"), "services.temporal"),
    (re.compile(r"REDIS_URL"), "services.redis"),
)
"""The variables that a part of the manifest brings."""


def context_of(run: IntegrationRun, pods: Iterable[Pod]) -> Context:
    """What hints need to know of a run."""
    roles = dict.fromkeys(run.spec.services, "service") | dict.fromkeys(run.spec.apps, "app")
    ports = {port: name for port, name in _PORTS.items() if name in run.spec.services}
    ports |= {app.port: name for name, app in run.spec.apps.items() if app.port}
    broken = {
        pod.component
        for pod in pods
        if any(end is not None and _should_not(pod, end) for c in pod.containers for end in (c.terminated, c.previous))
    }
    return Context(run.metadata.name, {**roles, "migrations": "migrations", "tests": "tests"}, frozenset(broken), ports)


def _should_not(pod: Pod, end: Termination) -> bool:
    """Whether a process of this pod should not have ended like that; of the tests, the result tells."""
    return pod.role != "tests" and (end.exit_code != 0 or pod.role == "service")


def of_pods(pods: Iterable[Pod], context: Context) -> Iterator[Hint]:
    """What the states of containers tell."""
    for pod in pods:
        if pod.reason == "Evicted" or pod.disruption:
            line = f"{pod.name}: {pod.reason or pod.disruption}" + (f": {pod.message.strip()}" if pod.message else "")
            advice = "Start the run again; if it used too much, give it more or use less."
            yield Hint(pod.component, _STATES, line, None, "its pod was evicted", advice, rank=0)
        for container in pod.containers:
            for end in (container.previous, container.terminated):
                if end is not None and end.reason != "OOMKilled" and _should_not(pod, end):
                    line = f"{container.name}: {end.reason or 'ended'}, exit status {end.exit_code}"
                    line += f": {said}" if (said := last_line(end.message)) else ""
                    title = f"its process {'was killed' if end.exit_code == KILLED else 'ended'}"
                    advice = f"{context.log_of(pod.component)} shows what came before."
                    if end.reason in ("StartError", "ContainerCannotRun"):
                        title, advice = "its process could not be started", "Check its command, workingDir and mounts."
                    at = format_time(end.finished_at) if end.finished_at else None
                    yield Hint(pod.component, _STATES, line[:_LINE], at, title, advice, rank=2)
                if end is not None and end.reason == "OOMKilled":
                    line = f"{container.name}: OOMKilled, exit status {end.exit_code}"
                    advice = f"Raise the resources.limits.memory of {pod.component}, or use less."
                    title = "its process was killed for using more memory than its limit"
                    yield Hint(
                        pod.component,
                        _STATES,
                        line,
                        format_time(end.finished_at) if end.finished_at else None,
                        title,
                        advice,
                        rank=0,
                    )


def of_events(events: Iterable[Mapping[str, Any]], context: Context) -> Iterator[Hint]:
    """What the events tell that no pod can: why there is none."""
    for event in events:
        about = event.get("involvedObject") or {}
        name, kind = str(about.get("name") or ""), about.get("kind")
        component = name.rpartition("-")[0] if kind == "ReplicaSet" else name
        if event.get("reason") == "FailedCreate" and kind in ("Job", "ReplicaSet") and component in context.roles:
            title = "its pod could not be created"
            advice = f"Allow it in namespaces with the label {labels.MANAGED_BY}={labels.MANAGER}, or raise the quota."
            line = str(event.get("message") or "")[:_LINE]
            yield Hint(component, "events.json", line, event.get("lastTimestamp"), title, advice, rank=0)


def _lines(text: str, lower: str, signs: Iterable[str]) -> Iterator[str]:
    """The lines that hold one of the signs, in their order."""
    places = set()
    for sign in signs:
        place = lower.find(sign)
        for _ in range(_OCCURRENCES):
            if place < 0:
                break
            end = text.find("\n", place)
            end = len(text) if end < 0 else end
            places.add((text.rfind("\n", 0, place) + 1, end))
            place = lower.find(sign, end)
    for begin, end in sorted(places):
        if _WAITS not in text[begin:end]:
            yield text[begin:end]


def _split(line: str) -> tuple[str | None, str]:
    stamp = _STAMP.match(line)
    return (stamp[1] + "Z", line[stamp.end() :]) if stamp else (None, line)


def of_log(component: str, path: str, content: bytes, context: Context) -> list[Hint]:
    """What the log of a container tells: of each rule and each thing that it is about the first line."""
    text = content.decode("utf-8", "replace")
    lower = text.lower()
    if len(lower) != len(text):  # a few letters have no lower case of the same length; places must agree
        lower = text = lower
    found: dict[str, Hint] = {}
    for rule in RULES:
        of_rule: dict[str, Hint] = {}
        quoted: set[str] = set()
        for line in _lines(text, lower, rule.signs):
            at, said = _split(line)
            if matches := list(rule.pattern.finditer(said[:4000])):
                what = next((v for match in matches for v in match.groupdict().values() if v), "")
                title, advice = _title(rule, what), _advice(rule, what)
                hint = Hint(component, path, said.strip()[:_LINE], at, title, advice, rank=rule.rank)
                if title not in of_rule or (title in quoted and not said[:1].isspace()):
                    of_rule[title] = hint  # better than the source line of a traceback is what was raised
                    quoted = quoted - {title} | ({title} if said[:1].isspace() else set())
        if len(of_rule) > 1:
            of_rule.pop(_title(rule, ""), None)  # another line names what it is about
        found |= of_rule
    for line in _lines(text, lower, _REFUSED_SIGNS):
        at, said = _split(line)
        if _REFUSED.search(said[:4000]):
            title, advice = _refused(said, context)
            hint = Hint(component, path, said.strip()[:_LINE], at, title, advice, rank=2)
            found.setdefault(title, hint)
    if listens := _listens(component, path, text, lower, context):
        found[listens.title] = listens
    if not found and component in context.broken and (last := _last(text)):
        at, said = _split(last)
        title, advice = _LAST_WORDS, f"{context.log_of(component)} shows what came before."
        found[title] = Hint(component, path, said.strip()[:_LINE], at, title, advice)
    return list(found.values())


def _title(rule: Rule, what: str) -> str:
    return " ".join(rule.title.format(what=what).split()).removesuffix(":")


def _advice(rule: Rule, what: str) -> str:
    if rule.title.startswith("variable"):
        for names, field_of in _TOLD:
            if names.fullmatch(what):
                return f"It is told where the manifest has spec.{field_of}: add that, or set it in spec.env."
    return rule.advice


def _listens(component: str, path: str, text: str, lower: str, context: Context) -> Hint | None:
    """That a program listens, by its own words, where nobody looks for it."""
    expected = {port for port, name in context.ports.items() if name == component}
    found: Hint | None = None
    for line in _lines(text, lower, _LISTENING_SIGNS) if expected else ():
        at, said = _split(line)
        if match := _LISTENS.search(said[:4000]):
            host, port = match["host"], int(match["port"])
            if port in expected and host.lower() not in _LOOPBACK:
                return None
            if port in expected:
                title, advice = (
                    f"{_LISTENING} {host} alone",
                    "Nobody outside its pod reaches that: let it listen on 0.0.0.0.",
                )
            else:
                title = f"{_LISTENING} port {port}, the manifest says {min(expected)}"
                advice = f"Give it port {min(expected)}, or correct `port` in the manifest."
            found = Hint(component, path, said.strip()[:_LINE], at, title, advice, rank=2)
    return found


def _last(text: str) -> str:
    """The line at the end that says why."""
    lines = [line for line in text.splitlines() if line[:1] != "#"][-_END:]
    place = telling([_split(line)[1] for line in lines])
    return lines[place] if place >= 0 else ""


def _refused(said: str, context: Context) -> tuple[str, str]:
    match = _ADDRESS.search(said)
    values = match.groupdict() if match else {}
    host = next((values[k] for k in "abcd" if values.get(k)), "")
    port = int(next((values[f"{k}p"] for k in "abcd" if values.get(f"{k}p")), "0"))
    name = host.split(".")[0] if host.split(".")[0] in context.roles else context.ports.get(port, "")
    if host in (*_LOOPBACK, "0.0.0.0"):  # noqa: S104 - an address that is read, not bound
        to = f"localhost:{port}"
        return f"connection refused to {to}", (
            "Every component has a pod, and so a localhost, of its own: use the address that is told"
            + (f" (of {name})." if name else " (PGHOST, S3_ENDPOINT, ORDERS_URL).")
        )
    if name == labels.MIGRATIONS:
        return "the migrations were not done in time", f"See what they did last: {context.log_of(name)}."
    if name in context.broken:
        return f"connection refused to {name}, which had ended", f"See why it ended: {context.log_of(name)}."
    if name:
        advice = f"Check that {name} listens on 0.0.0.0 and on the port of the manifest: {context.log_of(name)}."
        return f"connection refused to {name}", advice
    where = f" to {host}:{port}" if host else ""
    return f"{_NOBODY}{where}", "Look at the log of the component that should have answered there."


def ranked(found: Sequence[Hint], context: Context) -> list[Hint]:
    """The hints, the most telling first, and that one marked as the cause.

    First what a service was killed for, then what is wrong in a component that ended, then in another; a symptom (a refused
    connection) comes after what may have led to it, and within all this what came first.
    """
    roles = {"service": 0, "migrations": 1, "app": 2, "tests": 3}

    def place(hint: Hint) -> tuple[Any, ...]:
        role = roles.get(context.roles.get(hint.component, ""), 3)
        rank = 1 if hint.rank == 0 and role == 3 else hint.rank
        fallback = hint.title == _LAST_WORDS
        of_a_client = role == 0 and rank > 0  # a database logs the errors of its clients
        broken = hint.component not in context.broken
        return (rank + (rank > 0 and fallback), broken, of_a_client, role == 3, hint.at or "9", role, hint.title)

    speak = {hint.component for hint in found if hint.file.startswith("logs/")}
    killed = {hint.component for hint in found if hint.rank == 0 and hint.file == _STATES}
    refused = " ".join(hint.title for hint in found if hint.title.startswith(_NOBODY))

    def matters(hint: Hint) -> bool:
        if hint.file == _STATES and hint.rank > 0:
            return hint.component not in speak  # its log says more than its state
        if hint.title in (_LAST_WORDS, _MEMORY):
            return hint.component not in killed
        return not hint.title.startswith(_LISTENING) or f"{_NOBODY} to {hint.component}" in refused

    best: dict[tuple[str, str], Hint] = {}
    for hint in sorted(filter(matters, found), key=place):
        of_itself = hint.title.startswith(("its ", "it "))  # else the same trouble may be seen in several logs
        best.setdefault((hint.title, hint.component if of_itself else ""), hint)
    if any(title.startswith(f"{_NOBODY} to") for title, _ in best):
        best.pop((_NOBODY, ""), None)  # another line names who did not answer
    kept = list(best.values())[:MOST]
    return [replace(kept[0], cause=True), *kept[1:]] if kept else []


def to_json(hints: Sequence[Hint]) -> list[dict[str, Any]]:
    """As hints.json holds them."""
    return [{k: v for k, v in asdict(hint).items() if k != "rank"} for hint in hints]
