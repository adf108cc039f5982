"""What logs say about the cause: real lines of real programs, and which of several hints comes first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from seatrial.evidence import connections, sentences
from seatrial.evidence.codes import Code
from seatrial.evidence.findings import Context, Finding, context_of
from seatrial.evidence.hints import MOST, hints_of, ranked
from seatrial.evidence.matching import of_log
from seatrial.evidence.objects import of_events, of_pods
from seatrial.evidence.rules import rules_for
from seatrial.evidence.sentences import SENTENCES, Sentence, sentence_of
from seatrial.facts.attempt import Container
from tests.unit import builders as b

CONTEXT = Context(
    "pr-7",
    {
        "postgres": "service",
        "temporal": "service",
        "api": "app",
        "worker": "app",
        "migrations": "migrations",
        "tests": "tests",
    },
    frozenset({"api"}),
    {5432: "postgres", 7233: "temporal", 8000: "api", 9000: "worker"},
)


@dataclass(frozen=True)
class Case:
    line: str
    title: str
    advice: str = ""
    component: str = "worker"


LINES = {
    "psycopg, no table": Case(
        'psycopg.errors.UndefinedTable: relation "orders" does not exist', "table orders does not exist: a migration is missing",
        "spec.migrations",
    ),
    "sqlalchemy, no table": Case(
        'sqlalchemy.exc.ProgrammingError: (sqlalchemy.dialects.postgresql.asyncpg.ProgrammingError) <class '
        "'asyncpg.exceptions.UndefinedTableError'>: relation \"episodes\" does not exist", "table episodes does not exist: a migration is missing",
    ),
    "sqlite": Case("sqlite3.OperationalError: no such table: parts", "table parts does not exist: a migration is missing"),
    "column": Case('asyncpg.exceptions.UndefinedColumnError: column orders.currency does not exist',
                   "column orders.currency does not exist: schema and code don't fit together", "same commit"),
    "column of relation": Case('ERROR:  column "total" of relation "orders" does not exist at character 30', "column total does not exist"),
    "alembic, unknown revision": Case(
        "alembic.util.exc.CommandError: Can't locate revision identified by 'a1b2c3'", "the migrations don't fit the database", "alembic heads",
    ),
    "alembic, two heads": Case("FAILED: Multiple head revisions are present for given argument 'head'", "the migrations don't fit"),
    "module": Case("ModuleNotFoundError: No module named 'httpx'", "module httpx is missing", "Install it in the image"),
    "import": Case("ImportError: cannot import name 'Order' from 'shared.models'", "module Order is missing"),
    "node module": Case("Error: Cannot find module 'express'", "module express is missing"),
    "variable": Case("KeyError: 'S3_BUCKET_NAME'", "variable S3_BUCKET_NAME is not set", "spec.env"),
    "variable, in words": Case("RuntimeError: environment variable OPENAI_API_KEY is not set", "variable OPENAI_API_KEY is not set"),
    "pydantic": Case("pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings", "a setting is missing or wrong: Settings"),
    "memory": Case("MemoryError", "out of memory", "limits.memory"),
    "port": Case("[Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use", "the port is in use already"),
    "read-only": Case("OSError: [Errno 30] Read-only file system: '/app/cache'", "a write outside the places that can be written /app/cache", "/tmp"),
    "permission": Case("PermissionError: [Errno 13] Permission denied: '/data/x'", "permission denied /data/x", "uid 65532"),
    "disk": Case("OSError: [Errno 28] No space left on device", "no space left on the device"),
    "password": Case('FATAL:  password authentication failed for user "postgres"', "the credentials are refused postgres", "PGPASSWORD"),
    "database": Case('FATAL:  database "test_db" does not exist', "database test_db does not exist", "services.postgres.databases"),
    "bucket": Case("botocore.errorfactory.NoSuchBucket: The specified bucket does not exist", "a bucket does not exist", "services.minio.buckets"),
    "temporal's namespace": Case(
        "temporalio.service.RPCError: Namespace orders is not found.", "Temporal namespace orders is not found", "services.temporal.namespaces",
    ),
    "temporal not ready": Case("RuntimeError: Failed client connect: `get_system_info` call error after connection", "Temporal could not be reached"),
    "frontend": Case("playwright._impl._errors.Error: Page.goto: net::ERR_CONNECTION_REFUSED at http://frontend:3000/",
                     "the frontend did not serve http://frontend:3000/", component="tests"),
    "frontend not built": Case("Error: ENOENT: no such file or directory, stat '/app/dist/index.html'", "the frontend's build is missing"),
    "name": Case('psycopg.OperationalError: could not translate host name "db" to address', "the name db is not known", "PGHOST"),
    "name, node": Case("Error: getaddrinfo ENOTFOUND api.openai.com", "the name api.openai.com is not known", "nothing outside"),
    "name, go": Case("dial tcp: lookup redis on 10.96.0.10:53: no such host", "the name redis is not known"),
    "outside": Case("OSError: [Errno 101] Network is unreachable", "no answer from the network", "no way out"),
    "init SQL": Case('seatrial-postgres: set-up failed: psql:/initdb.d/a.sql:2: ERROR:  type "x" does not exist',
                     'initSQL failed: a.sql:2: ERROR: type "x" does not exist', component="postgres"),
    "timed out": Case("urllib.error.URLError: <urlopen error timed out>", "no answer from the network", "no way out"),
    "ASGI module": Case('ERROR:    Error loading ASGI app. Could not import module "orders.nothing".', "module orders.nothing is missing"),
    "variable of a service": Case("KeyError: 'TEMPORAL_ADDRESS'", "variable TEMPORAL_ADDRESS is not set", "spec.services.temporal:"),
    "variable of a bucket": Case("KeyError: 'S3_BUCKET'", "variable S3_BUCKET is not set", "spec.services.minio.buckets:"),
    "crash of Python": Case("t.py .Fatal Python error: Segmentation fault", "Python itself crashed: Segmentation fault", component="tests"),
    "gate, HTTP": Case("seatrial: not ready after 12s: web (http://web:8000/health: HTTP 503)", "not ready: http://web:8000/health: HTTP 503",
                       "path", "tests"),
    "gate, migrations": Case("seatrial: not ready after 8s: migrations (tcp://migrations:7070: connection refused)",
                             "the migrations were not done in time", "`seatrial logs pr-7 migrations`", "tests"),
    "422": Case('INFO: 10.0.0.1:5 - "POST /benchmark/simulate HTTP/1.1" 422 Unprocessable Entity', "a request does not fit the API (422)"),
    "refused, by libpq": Case(
        'connection to server at "postgres" (10.96.1.2), port 5432 failed: Connection refused', "connection refused to postgres", "seatrial logs pr-7 postgres",
    ),
    "refused, by port": Case("ConnectionRefusedError: [Errno 111] Connect call failed ('10.96.1.9', 9000)", "connection refused to worker"),
    "refused by what had ended": Case(
        "HTTPConnectionPool(host='api', port=8000): Max retries exceeded (Caused by: [Errno 111] Connection refused)",
        "connection refused to api, which had ended", "`seatrial logs pr-7 api`", "tests",
    ),
    "killed, by Postgres": Case(
        "2026-11-21 16:04:45.1 UTC [1] LOG:  server process (PID 42) was terminated by signal 9: Killed",
        "a server process of the database was killed", "limits.memory", "postgres",
    ),
    "the launcher saw it": Case(
        "seatrial: the container used up its memory, and the kernel killed a process in it: raise its memory limit",
        "the container used up its memory",
    ),
    "not an address, in a folder": Case("/app/tests/test_it.py:33: ConnectionRefusedError", "connection refused"),
    "not an address": Case("/usr/lib/python3.13/socket.py:849: ConnectionRefusedError", "connection refused"),
    "refused on localhost, by Node": Case(
        "Error: connect ECONNREFUSED ::1:5432", "connection refused to localhost:5432", "postgres listens under its own name, postgres:5432",
    ),
    "refused on localhost, where a forward would help": Case(
        "psycopg.OperationalError: connection failed: connection to server at \"127.0.0.1\", port 5432 failed: Connection refused",
        "connection refused to localhost:5432", "have spec.forwards lead port 5432 to postgres",
    ),
    "refused on localhost, by urllib3": Case(
        "requests.exceptions.ConnectionError: HTTPConnectionPool(host='localhost', port=3000): Max retries exceeded with url: / (Caused by "
        "NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))",
        "connection refused to localhost:3000", "a localhost, of its own", "tests",
    ),
    "refused on localhost, by a browser": Case(
        "playwright._impl._errors.Error: Page.goto: net::ERR_CONNECTION_REFUSED at http://localhost:8000/login",
        "connection refused to localhost:8000", "api listens under its own name, api:8000", "tests",
    ),
    "Testcontainers": Case(
        "E   docker.errors.DockerException: Error while fetching server API version: ('Connection aborted.', "
        "FileNotFoundError(2, 'No such file or directory'))", "the tests need Docker", "spec.services", "tests",
    ),
    "Testcontainers, Node": Case(
        "Error: Could not find a working container runtime strategy", "the tests need Docker", "spec.services", "tests",
    ),
    "module of a command": Case("/usr/local/bin/python: No module named orders", "module orders is missing"),
    "gate, HTTP, with a body": Case(
        'seatrial: not ready after 12s: web (http://web:8000/health: HTTP 503: {"database": "down"})',
        'not ready: http://web:8000/health: HTTP 503: {"database": "down"}', "path", "tests",
    ),
    "refused on localhost": Case("connect ECONNREFUSED 127.0.0.1:5432", "connection refused to localhost:5432", "localhost"),
}  # fmt: skip


def log(*lines: str, second: int = 1) -> bytes:
    return "".join(f"2026-03-01T12:00:{second + i:02d}.123456789Z {line}\n" for i, line in enumerate(lines)).encode()


@pytest.mark.parametrize("case", LINES.values(), ids=LINES.keys())
def test_one_line(case: Case) -> None:
    content = log("INFO: starting", case.line, "INFO: bye")
    (hint,) = hints_of(of_log(case.component, f"logs/{case.component}.log", content, CONTEXT), CONTEXT)
    assert hint.title.startswith(case.title)
    assert " to py" not in hint.title
    assert case.advice in hint.advice
    assert (hint.line, hint.to_json()["at"]) == (case.line, "2026-03-01T12:00:02.123456Z")
    assert (hint.component, hint.file) == (case.component, f"logs/{case.component}.log")


CALM = (
    'INFO: 10.0.0.1:5 - "GET /health HTTP/1.1" 200 OK',
    "LOG:  database system is ready to accept connections",
    "WARNING: CREATE EXTENSION IF NOT EXISTS: extension already exists, skipping",
    "waiting for postgres (attempt 1)",
    "seatrial: waiting for 10 s: postgres (postgres://postgres@postgres:5432/orders: connection refused)",
    'NOTICE:  table "x" does not exist, skipping',
)


def test_a_vague_line_gives_way_to_one_that_names_the_cause() -> None:
    log = b"2026-11-21T10:00:00.000000001Z psycopg/connection.py:304: UndefinedTable\n"
    bare = ["table does not exist: a migration is missing"]
    assert titles_of(of_log("tests", "logs/tests.log", log, Context())) == bare
    log += b'2026-11-21T10:00:00.000000002Z E  UndefinedTable: relation "products" does not exist\n'
    named = ["table products does not exist: a migration is missing"]
    assert titles_of(of_log("tests", "logs/tests.log", log, Context())) == named


def test_a_calm_log_says_nothing() -> None:
    assert of_log("worker", "logs/worker.log", log(*CALM), CONTEXT) == []


def test_of_a_component_that_ended_its_last_word_is_better_than_nothing() -> None:
    (hint,) = of_log("api", "logs/api.previous.log", log("starting", "giving up: bad licence"), CONTEXT)
    assert (sentence_of(hint, "pr-7").title, hint.line) == ("the last line of its log", "giving up: bad licence")


def titles_of(found: Iterable[Finding]) -> list[str]:
    return [sentence_of(finding, "pr-7").title for finding in found]


def titles(*found: Finding) -> list[tuple[str, bool]]:
    return [(hint.title, hint.cause) for hint in hints_of(found, CONTEXT)]


def test_the_cause_comes_before_its_consequences_whatever_the_order() -> None:
    """A migration is missing, so the app ends, so the tests are refused."""
    tests = of_log(
        "tests", "logs/tests.log", log("httpx.ConnectError: All connection attempts failed api:8000", second=1), CONTEXT
    )
    api = of_log("api", "logs/api.previous.log", log('relation "orders" does not exist', second=5), CONTEXT)
    server = of_log(
        "postgres",
        "logs/postgres.log",
        log('ERROR:  relation "orders" does not exist at character 15', second=4),
        CONTEXT,
    )
    assert titles(*tests, *server, *api) == [
        ("table orders does not exist: a migration is missing", True),
        ("connection refused to api, which had ended", False),
    ]  # fmt: skip
    assert ranked([*tests, *server, *api], CONTEXT)[0].component == "api"


def test_what_was_killed_comes_first() -> None:
    pods = [b.pod("postgres", "service", b.ended("postgres", 137, reason="OOMKilled"))]
    refused = of_log(
        "api", "logs/api.log", log('connection to server at "postgres", port 5432 failed: Connection refused'), CONTEXT
    )
    run = b.run({"services": {"postgres": {}}, "apps": {"api": {"image": "i", "port": 8000}}})
    context = context_of(run, pods)
    assert context.broken == {"postgres"}
    found = hints_of([*refused, *of_pods(pods)], context)
    assert (found[0].component, found[0].title) == (
        "postgres",
        "its process was killed for using more memory than its limit",
    )
    assert [hint.cause for hint in found] == [True, False]
    assert set(found[0].to_json()) == {
        "component", "file", "line", "at", "title", "advice", "cause", "code", "data",
    }  # fmt: skip


def test_a_large_log_is_read_quickly_enough_to_be_read_at_all() -> None:
    content = log(*(f"INFO: request {i} took 3 ms" for i in range(40))) * 500 + log("KeyError: 'TOKEN_FILE'")
    (hint,) = of_log("api", "logs/api.log", content, CONTEXT)
    assert titles_of([hint]) == ["variable TOKEN_FILE is not set"]


def test_what_was_raised_is_shown_rather_than_the_source_that_raised_it() -> None:
    content = log(
        "Traceback (most recent call last):",
        "    raise ModuleNotFoundError(\"No module named 'orders'\")",
        "ModuleNotFoundError: No module named 'orders'",
    )
    (hint,) = of_log("worker", "logs/worker.log", content, CONTEXT)
    assert hint.line == "ModuleNotFoundError: No module named 'orders'"


REFUSED = "seatrial: not ready after 20s: worker (tcp://worker:9000: connection refused)"
LISTENS = {
    "on loopback": (("Uvicorn running on http://127.0.0.1:9000 (Press CTRL+C)",), "it listens on 127.0.0.1 alone"),
    "on another port": (
        ("Serving HTTP on 0.0.0.0 port 9001 (http://0.0.0.0:9001/) ...",),
        "it listens on port 9001, the manifest says 9000",
    ),
    "as it should": (("Listening on http://0.0.0.0:9000",), ""),
    "as it should, and more": (("metrics: listening on 127.0.0.1:9100", "Listening on http://0.0.0.0:9000"), ""),
}


@pytest.mark.parametrize(("lines", "title"), LISTENS.values(), ids=LISTENS.keys())
def test_who_listens_where_nobody_looks_is_the_cause_of_a_refused_connection(
    lines: tuple[str, ...], title: str
) -> None:
    worker = of_log("worker", "logs/worker.log", log(*lines), CONTEXT)
    refused = of_log("tests", "logs/tests.log", log(REFUSED, second=30), CONTEXT)
    nobody = ("connection refused to worker", not title)
    assert titles(*worker, *refused) == [*([(title, True)] if title else []), nobody]
    assert titles(*worker) == []  # of no interest where nobody was refused


STATES = {
    "killed": (b.ended("store", 137), "its process was killed", "store: Error, exit status 137"),
    "ended": (b.ended("store", 0, reason="Completed"), "its process ended", "store: Completed, exit status 0"),
    "never started": (
        b.ended("store", 128, "runc: mkdir /proc/no: no such file", "StartError"), "its process could not be started",
        "store: StartError, exit status 128: runc: mkdir /proc/no: no such file",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("container", "title", "line"), STATES.values(), ids=STATES.keys())
def test_without_a_log_the_state_of_a_component_is_the_cause(container: Container, title: str, line: str) -> None:
    pods = [b.pod("store", "service", container)]
    context = Context("pr-7", {"store": "service", "tests": "tests"}, frozenset({"store"}))
    refused = of_log(
        "tests", "logs/tests.log", log("no longer answers: store (tcp://store:9000: connection refused)"), context
    )
    cause, other = hints_of([*refused, *of_pods(pods)], context)
    assert (cause.component, cause.file, cause.title, cause.line, cause.cause) == (
        "store",
        "pods.json",
        title,
        line,
        True,
    )
    assert other.title == "connection refused to store, which had ended"
    in_logs = of_log("store", "logs/store.log", log("KeyError: 'LICENCE'"), context)
    assert "pods.json" not in {hint.file for hint in ranked([*in_logs, *of_pods(pods)], context)}


def test_what_was_evicted_is_not_reported_by_its_last_words() -> None:
    pods = [
        b.pod(
            "api",
            "app",
            b.ended("api", 137),
            reason="Evicted",
            message='Usage of EmptyDir volume "tmp" exceeds the limit "20Mi".',
        )
    ]
    in_logs = of_log("api", "logs/api.log", log("Serving HTTP on 0.0.0.0"), CONTEXT)
    (hint,) = hints_of([*in_logs, *of_pods(pods)], CONTEXT)
    assert (hint.title, hint.cause) == ("its pod was evicted", True)
    assert 'exceeds the limit "20Mi"' in hint.line


def test_events_tell_why_there_is_no_pod() -> None:
    denied = 'Error creating: pods "tests-0-x" is forbidden: denied request: images must come from reg.corp'
    events = [
        {"reason": "FailedCreate", "involvedObject": {"kind": "Job", "name": "tests"}, "message": denied, "lastTimestamp": "2026-03-01T12:00:00Z"},
        {"reason": "FailedCreate", "involvedObject": {"kind": "ReplicaSet", "name": "api-5d4f"}, "message": denied},
        {"reason": "FailedCreate", "involvedObject": {"kind": "ReplicaSet", "name": "other-5d4f"}, "message": denied},
        {"reason": "Scheduled", "involvedObject": {"kind": "Pod", "name": "api"}, "message": "fine"},
    ]  # fmt: skip
    found = list(of_events(events, CONTEXT))
    assert [(finding.component, *titles_of([finding]), finding.line) for finding in found] == [
        ("tests", "its pod could not be created", denied), ("api", "its pod could not be created", denied),
    ]  # fmt: skip
    assert len(ranked(found, CONTEXT)) == 2


def test_that_memory_was_used_up_is_reported_once() -> None:
    pods = [b.pod("migrations", "migrations", b.ended("schema", 137, reason="OOMKilled"))]
    in_logs = of_log(
        "migrations",
        "logs/migrations.schema.log",
        log("seatrial: the container used up its memory, and the kernel killed a process in it"),
        CONTEXT,
    )
    assert titles(*in_logs, *of_pods(pods)) == [("its process was killed for using more memory than its limit", True)]


def test_what_is_written_of_a_failure_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With other sentences the same hints are chosen, in the same order, with the same cause."""

    def chosen() -> list[tuple[str, str, str, bool]]:
        found = [
            finding
            for case in LINES.values()
            for finding in of_log(case.component, f"logs/{case.component}.log", log(case.line), CONTEXT)
        ]
        states = of_pods(b.pod("api", "app", container) for container, _, _ in STATES.values())
        evicted = of_pods([b.pod("worker", "app", reason="Evicted")])
        return [(h.code, h.component, h.line, h.cause) for h in hints_of([*found, *states, *evicted], CONTEXT)]

    before = chosen()
    titles = [sentence.title for sentence in SENTENCES.values()]
    others = {code: Sentence(titles[-n], f"its {code}") for n, code in enumerate(SENTENCES, start=1)}
    monkeypatch.setattr(sentences, "SENTENCES", others)
    assert chosen() == before
    assert len(before) == MOST


def test_every_failure_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Code)


QUIET = {
    "an early login of a gate": (
        "postgres",
        (
            'FATAL:  password authentication failed for user "postgres"',
            'DETAIL:  User "postgres" has no password assigned.',
            '\tConnection matched file "/data/cluster/pg_hba.conf" line 128: "host all all all scram-sha-256"',
        ),
    ),
    "a notice of initial SQL": ("postgres", ("psql:/initdb.d/10-seed.sql:3: NOTICE:  seeding",)),
    "source in a traceback": (
        "worker",
        (
            "Traceback (most recent call last):",
            '  File "/usr/lib/python3.13/site-packages/psycopg/pool.py", line 90, in connect',
            '    logger.warning("Connection refused: %s", error)',
        ),
    ),
    "source that pytest shows": (
        "tests",
        (
            "    def test_missing() -> None:",
            ">       assert \"ModuleNotFoundError: No module named 'os'\" not in run()",
            "E       AssertionError: assert \"ModuleNotFoundError: No module named 'os'\" not in 'x'",
            "FAILED tests/test_missing.py::test_missing - AssertionError: No module named 'os'",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("component", "lines"), QUIET.values(), ids=QUIET.keys())
def test_lines_that_are_no_evidence(component: str, lines: tuple[str, ...]) -> None:
    context = replace(CONTEXT, postgres=frozenset({"postgres"}))
    assert of_log(component, f"logs/{component}.log", log(*lines), context) == []


REFUSED_LOGIN = 'FATAL:  password authentication failed for user "shop"'
LOGINS = {
    "after the set-up": (("seatrial-postgres: set-up is done", REFUSED_LOGIN), True),
    "before it": ((REFUSED_LOGIN, "seatrial-postgres: set-up is done"), False),
    "the beginning is missing": (("# truncated: the log is longer", REFUSED_LOGIN), True),
}


@pytest.mark.parametrize(("lines", "shown"), LOGINS.values(), ids=LOGINS.keys())
def test_a_refused_login_counts_once_components_can_log_in(lines: tuple[str, ...], shown: bool) -> None:
    context = replace(CONTEXT, postgres=frozenset({"postgres"}))
    content = "".join(f"{line}\n" for line in lines).encode()
    found = of_log("postgres", "logs/postgres.log", content, context)
    assert titles_of(found) == (["the credentials are refused shop"] if shown else [])


def test_a_long_line_is_cut_with_a_mark() -> None:
    (finding,) = of_log("worker", "logs/worker.log", log("MemoryError " + "x" * 1000), CONTEXT)
    assert (len(finding.line), finding.line[-2:]) == (500, "x…")


def test_no_line_takes_a_rule_longer_than_it_is_long() -> None:
    """A gap without a bound makes the search quadratic, and a log is what a tenant writes."""
    patterns = [rule.pattern for rule in rules_for("")] + [
        connections.REFUSED,
        connections._ADDRESS,
        connections._LISTENS,
    ]
    unbounded = re.compile(r"\[\^\\n\][*+](?!\)$)|\.\*(?!\)$)")
    assert [pattern.pattern for pattern in patterns if unbounded.search(pattern.pattern)] == []
