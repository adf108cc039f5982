"""Suites and systems as people have them, after public bug reports: each gives what plain pytest and a user would expect.

A folder of `suites` holds the files of one suite, with the initial SQL in `sql`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Bench

SUITES = Path(__file__).parent / "suites"
IMAGE = "seatrial/pytest:0.1.0"


@dataclass(frozen=True)
class Case:
    """A suite with the spec of its run, and how it must end."""

    suite: str
    spec: dict[str, Any] = field(default_factory=dict)
    reason: str = "TestsPassed"
    counts: dict[str, int] = field(default_factory=dict)
    """Those that are not 0, except for `total`."""
    says: tuple[str, ...] = ()
    """What stands in the message."""
    failures: tuple[str, ...] = ()
    """What stands in the messages of the failures, in their order."""


def python(*lines: str) -> list[str]:
    return ["python", "-c", "\n".join(lines)]


def later(seconds: int, port: int) -> list[str]:
    """A server that is up only after a while."""
    return ["sh", "-c", f"sleep {seconds}; exec python -m http.server {port} --directory /usr/share"]


BROKER_AND_REGISTRY: dict[str, Any] = {
    "services": {
        "broker": {"type": "custom", "image": IMAGE, "command": later(6, 9092), "ports": {"main": 9092}},
        "registry": {
            "type": "custom", "image": IMAGE, "ports": {"http": 8081}, "after": ["broker"],
            "command": python(
                "import http.server, socket",
                'socket.create_connection(("broker", 9092), timeout=2)',
                'http.server.test(http.server.SimpleHTTPRequestHandler, port=8081, bind="0.0.0.0")',
            ),
        },
    }
}  # fmt: skip
GATEWAY_NEEDS_AUTH: dict[str, Any] = {
    "apps": {
        "auth": {"image": IMAGE, "port": 8000, "command": later(6, 8000)},
        "gateway": {
            "image": IMAGE, "port": 8000,
            "command": python(
                "import http.server, os, urllib.request",
                'urllib.request.urlopen(os.environ["AUTH_URL"], timeout=2)',
                'http.server.test(http.server.SimpleHTTPRequestHandler, port=8000, bind="0.0.0.0")',
            ),
        },
    }
}  # fmt: skip
THREE_PORTS: dict[str, Any] = {
    "apps": {
        "api": {
            "image": IMAGE, "port": 8000, "ports": {"grpc": 50051, "metrics": 9100}, "ready": {"tcpSocket": {"port": "grpc"}},
            "command": python(
                "import http.server, threading",
                "for port in (50051, 9100, 8000):",
                '    server = http.server.ThreadingHTTPServer(("0.0.0.0", port), http.server.SimpleHTTPRequestHandler)',
                "    threading.Thread(target=server.serve_forever).start()",
            ),
        }
    }
}  # fmt: skip
WRITES_TO_VAR_LIB: dict[str, Any] = {
    "services": {
        "db": {
            "type": "custom", "image": IMAGE, "ports": {"http": 3306}, "writable": ["/var/lib/mysql", "/run/mysqld"],
            "command": ["sh", "-c", "touch /var/lib/mysql/ibdata1 /run/mysqld/mysqld.sock && exec python -m http.server 3306"],
        }
    }
}  # fmt: skip
APP: dict[str, Any] = {"services": {"postgres": {"databases": ["app"]}}}
SETTINGS = {
    "wal_level": "logical",
    "max_prepared_transactions": "10",
    "shared_preload_libraries": "pg_stat_statements",
    "ssl": "on",
}
PER_WORKER: dict[str, Any] = {
    "services": {"postgres": {"databases": ["app"], "perWorker": True}, "redis": {"perWorker": True}},
    "migrations": [
        {
            "name": "schema", "image": IMAGE,
            "command": python(
                "import os, psycopg",
                'psycopg.connect(os.environ["DATABASE_URL"], autocommit=True).execute("create table orders (id int)")',
            ),
        }
    ],
    "apps": {  # holds a connection to the database that is copied
        "holder": {
            "image": IMAGE, "port": 8000,
            "command": python(
                "import http.server, os, psycopg",
                'connection = psycopg.connect(os.environ["DATABASE_URL"])',
                'http.server.test(http.server.SimpleHTTPRequestHandler, port=8000, bind="0.0.0.0")',
            ),
        }
    },
    "tests": {
        "args": ["-n", "3"],
        "env": [{"name": "DB_URL", "value": "postgresql://postgres@$(PGHOST)/$(PGDATABASE)?application_name=suite"}],
    },
}  # fmt: skip
SERVICE_OPTIONS: dict[str, Any] = {
    "services": {
        "postgres": {"version": "16", "extensions": ["vector"]},
        "redis": {"settings": {"cluster-enabled": "yes"}},
        "minio": {"console": True},
        "temporal": {"ui": True},
    }
}
FORWARDS: dict[str, Any] = {
    "services": {"postgres": {"databases": ["app"]}},
    "forwards": {"15432": "postgres", "80": "web:http"},
    "apps": {
        "web": {
            "image": IMAGE, "ports": {"http": 8000, "admin": 9000}, "forwards": True,
            "command": python(
                "import http.server, socket",
                "class Answers(http.server.BaseHTTPRequestHandler):",
                "    def do_GET(self):",
                '        socket.create_connection(("127.0.0.1", 15432)).close()',
                "        self.send_response(200)",
                "        self.end_headers()",
                '        self.wfile.write(b"from the app, which asked postgres at 127.0.0.1")',
                'http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Answers).serve_forever()',
            ),
        }
    },
}  # fmt: skip
TESTS = "tests"
ERROR_AND_SKIP = {"passed": 6, "errors": 1, "skipped": 1}

CASES = {
    "a service leaves when its peer is away": Case("service-needs-service", BROKER_AND_REGISTRY, counts={"passed": 1}),
    "an app leaves when its peer is away": Case("app-needs-app", GATEWAY_NEEDS_AUTH, counts={"passed": 1}),
    "three ports": Case("three-ports", THREE_PORTS, counts={"passed": 3}),
    "a service writes where official images do": Case("one-test", WRITES_TO_VAR_LIB, counts={"passed": 1}),
    "a scripted clock": Case("time-side-effect", counts={"passed": 1}),
    "a frozen clock": Case("frozen-session", reason="TestsFailed", counts={"passed": 1, "failed": 1}),
    "what we could use is mocked": Case(
        "patched-json", reason="TestsFailed", counts={"failed": 4},
        failures=tuple(f"{name}: this message must reach the report" for name in ("clock", "serializer", "pid", "plain")),
    ),
    "os.write is mocked": Case("os-write", {"timeouts": {"tests": "30s"}}, counts={"passed": 2}),
    "threads are counted": Case("thread-count", counts={"passed": 2}),
    "no thread and no object comes or goes": Case("heart", counts={"passed": 4}),
    "warnings are errors": Case("error-on-warnings", counts={"passed": 2}),
    "modules skip themselves": Case("module-skip", counts={"passed": 1, "skipped": 2}),
    "all is skipped": Case(
        "all-skipped", reason="AllTestsSkipped", counts={"skipped": 2}, says=("LIVE_SMOKE is not set", "test_needs_kafka.py")
    ),
    "all is skipped, and may be": Case(
        "all-skipped", {TESTS: {"allowAllSkipped": True}}, "AllTestsSkipped", {"skipped": 2}, ("LIVE_SMOKE is not set",)
    ),
    "no file has a name of a test": Case("no-ending", reason="NoTestsCollected", says=("python_files", "test-content")),
    "too many warnings": Case(
        "warnings", {TESTS: {"args": ["--max-warnings=1"]}}, "TestsFailed", {"passed": 2}, ("warnings",)
    ),
    "pytest.exit in a hook": Case(
        "exit-in-configure", reason="TestProcessDied", says=("LICENSE_SERVER is not set: see docs/testing.md",)
    ),
    "a thread keeps the process": Case(
        "thread-stays", {"timeouts": {"tests": "20s"}}, "TestTimeout", {"passed": 2}, ("2 passed", "grpc-poller")
    ),
    "a file can't be imported, another skips itself": Case(
        "collection", {TESTS: {"args": ["--continue-on-collection-errors"]}}, "CollectionError", ERROR_AND_SKIP,
        ("not_there",),
    ),
    "the same under xdist": Case(
        "collection", {TESTS: {"args": ["-n", "2", "--continue-on-collection-errors"]}}, "CollectionError",
        ERROR_AND_SKIP, ("not_there",),
    ),
    "published ports": Case("forwards", FORWARDS, counts={"passed": 4}),
    "the user has a name": Case("no-passwd-entry", {"services": {"postgres": {}}}, counts={"passed": 5}),
    "shared memory": Case("shm", {TESTS: {"sharedMemory": "256Mi"}}, counts={"passed": 3}),
    "shared memory is too small": Case("shm", reason="TestProcessDied", counts={"passed": 1}, says=("SIGBUS", "spec.tests.sharedMemory")),
    "the folder of artifacts is made again": Case(
        "clears-artifacts", {TESTS: {"artifacts": ["screenshots/**"]}}, counts={"passed": 1}
    ),
    "order and collations": Case("pg-collation", APP, counts={"passed": 5}),
    "settings of the server": Case(
        "pg-settings", {"services": {"postgres": {"databases": ["app"], "settings": SETTINGS}}}, counts={"passed": 7}
    ),
    "each worker has its own databases": Case("per-worker", PER_WORKER, counts={"passed": 21}),
    "services with options": Case("service-options", SERVICE_OPTIONS, counts={"passed": 3}),
    "a dump, then a seed": Case("pg-dump", APP, counts={"passed": 1}),
}  # fmt: skip


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.mark.parametrize("name", CASES)
async def test_suite(bench: Bench, name: str) -> None:
    case = CASES[name]
    spec = case.spec
    if (SUITES / case.suite / "sql").is_dir():
        await bench.config_map("init", files(SUITES / case.suite / "sql"))
        postgres = {**spec["services"]["postgres"], "initSQL": {"configMapRef": {"name": "init"}}}
        spec = {**spec, "services": {**spec["services"], "postgres": postgres}}

    run = await bench.start(spec, tests=files(SUITES / case.suite))
    status = await bench.verdict(run)

    counts = {name: count for name, count in (status.get("tests") or {}).items() if count and name != "total"}
    assert (status["reason"], counts) == (case.reason, case.counts), status["message"]
    assert [text for text in case.says if text not in status["message"]] == [], status["message"]
    messages = [failure["message"] for failure in status.get("failures", ())]
    assert [text for text, message in zip(case.failures, messages, strict=False) if text not in message] == []
    assert len(messages) >= len(case.failures)


async def test_times_are_real_when_the_suite_freezes_its_clock(bench: Bench) -> None:
    run = await bench.start({}, tests=files(SUITES / "frozen-session"))
    timeline = (await bench.verdict(run))["timeline"]
    moments = [timeline[key] for key in ("started", "firstTest", "lastTest", "verdict")]
    assert moments == sorted(moments)


async def test_what_a_suite_writes_beside_itself_is_collected(bench: Bench) -> None:
    tests = {
        "image": "seatrial/quickstart-tests:0.1.0",
        "workingDir": "/app",
        "args": ["--collect-only", "--junitxml=reports/junit.xml"],
    }
    run = await bench.start({"tests": tests})
    await bench.verdict(run)
    assert "artifacts/reports/junit.xml" in await bench.files(run)
