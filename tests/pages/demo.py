"""Made-up runs: records, results and evidence in the shapes in which operator and collector send them."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from seatrial.archive.model.errors import NotFoundError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.manifest import digest_of
from seatrial.archive.model.record import parse_record
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.ingest import ingest
from seatrial.archive.server.sets.results import CompleteSet
from seatrial_protocol.events import parse_event
from seatrial_protocol.exit_record import ExitRecord
from seatrial_protocol.identity import RunIdentity
from seatrial_runner.report.assembly import Assembly
from seatrial_runner.report.facts import Facts
from seatrial_runner.report.summary import summarize

HOSTILE = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\"'><svg onload=window.pwned=1>"
SPEC = {
    "services": {"postgres": {"databases": ["orders"]}, "minio": {"buckets": ["invoices"]}},
    "migrations": [{"name": "schema", "image": "example/orders:1.4.2", "command": ["alembic", "upgrade", "head"]}],
    "apps": {"orders": {"image": "example/orders:1.4.2", "command": ["uvicorn", "orders.main:app"], "port": 8000}},
    "tests": {"image": "example/orders-tests:1.4.2", "paths": ["tests/integration"], "markers": "integration_p0"},
}
_TRACEBACK = '''\
orders = <orders.client.Client object at 0x7f2b1c0d5e10>

    def test_int_020_rejects_an_order_without_stock(orders):
        """INT-020: what is not in stock can't be ordered."""
        orders.stock("anchor", 0)
        answer = orders.place("anchor", 3)
>       assert answer.status_code == 409, answer.text
E       AssertionError: {"detail":"internal error"}
E       assert 500 == 409
E        +  where 500 = <Response [500 Internal Server Error]>.status_code

tests/integration/test_orders.py:48: AssertionError'''


def uid(number: int) -> str:
    return str(UUID(int=(0x5EA << 80) + number))


@dataclass
class Test:
    id: str
    outcome: str = "passed"
    seconds: float = 0.2
    message: str = ""
    text: str = ""
    stdout: str = ""
    stderr: str = ""
    log: str = ""
    catalogue: str | None = None
    reruns: int = 0

    __test__ = False


@dataclass
class Run:
    """One run, with what is stored of it."""

    uid: str
    record: dict[str, Any]
    sets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By part: files by path."""

    def key(self, part: str) -> SetKey:
        return SetKey(self.uid, self.record["attempt"], None if part == "evidence" else int(part))


def rfc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def log_of(began: datetime, lines: Mapping[float, str] | list[tuple[float, str]]) -> bytes:
    """A log as Kubernetes gives it: seconds after `began`, and what was said then."""
    pairs = sorted(lines.items()) if isinstance(lines, Mapping) else lines
    stamped = ((began + timedelta(seconds=after), text) for after, text in pairs)
    return "".join(f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')}123Z {text}\n" for at, text in stamped).encode()


def events_of(
    tests: list[Test], first: float, collected: Mapping[str, Any] = {}, finish: Mapping[str, Any] = {}
) -> Iterator[dict[str, Any]]:
    yield {"t": first - 0.4, "event": "session", "pytest": "8.4.2", "python": "3.12.7", "platform": "linux"}
    found = {"count": len(tests), "deselected": 3, "errors": [], "errorCount": 0}
    yield {"t": first - 0.1, "event": "collected", **found, **collected}
    at = first
    for test in tests:
        yield {"t": at, "event": "start", "id": test.id}
        phase = {"event": "phase", "id": test.id, "seconds": test.seconds}
        texts = {name: getattr(test, name) for name in ("message", "text", "stdout", "stderr", "log")}
        for _ in range(test.reruns):
            yield {"t": at, **phase, "when": "call", "outcome": "failed", "rerun": True, **texts}
        bad = test.outcome in ("failed", "error")
        at += test.seconds
        if bad:
            yield {
                "t": at,
                **phase,
                "when": "setup" if test.outcome == "error" else "call",
                "outcome": "failed",
                **texts,
            }
        elif test.outcome == "skipped":
            yield {"t": at, **phase, "when": "setup", "outcome": "skipped", "message": test.message}
        file = test.id.partition("::")[0]
        end = {"id": test.id, "outcome": test.outcome, "seconds": test.seconds, "catalogueId": test.catalogue}
        yield {
            "t": at,
            "event": "end",
            **end,
            "file": file,
            "line": 42,
            "markers": ["integration_p0"],
            "reruns": test.reruns,
        }
        at += 0.01
    status = int(any(test.outcome in ("failed", "error") for test in tests))
    yield {"t": at, "event": "finish", "exitStatus": status, **finish}


def results(
    run: dict[str, str],
    tests: list[Test],
    first: float,
    files: Mapping[str, bytes] = {},
    *,
    attempt: int = 1,
    shard: int = 0,
    collected: Mapping[str, Any] = {},
    finish: Mapping[str, Any] = {},
) -> dict[str, bytes]:
    """The files of a shard, the summary made by the collector's own code."""
    facts, assembly = Facts(), Assembly()
    events = list(events_of(tests, first, collected, finish))
    for event in events:
        typed = parse_event(event)
        facts.add_event(typed)
        for case in assembly.add(typed):
            facts.add_case(case)
    code = events[-1]["exitStatus"]
    facts.record = ExitRecord(events[-1]["t"] + 0.1, exit_code=code, started_at=first - 2)
    summary = summarize(facts, RunIdentity(**run), attempt, shard).to_json()
    output = "".join(f"{test.id} {test.outcome.upper()}\n" for test in tests)
    return {
        "summary.json": json.dumps(summary).encode(),
        "events.jsonl": b"".join(json.dumps(event).encode() + b"\n" for event in events),
        "output.log": output.encode(),
        "junit.xml": b"<testsuites/>",
        **files,
    }


def component(
    name: str, role: str, began: datetime, started: float, ready: float | None, **more: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "role": role,
        "container": name,
        "image": f"example/{name}:1.4.2",
        "imageId": f"registry.example/{name}@sha256:{hashlib.sha256(name.encode()).hexdigest()}",
        "createdAt": rfc(began + timedelta(seconds=0.35)),
        "startedAt": rfc(began + timedelta(seconds=started)),
        "readyAt": None if ready is None else rfc(began + timedelta(seconds=ready)),
        "endedAt": None,
        "exitCode": None,
        "restarts": 0,
        "ended": "",
        **more,
    }


def record(number: int, began: datetime, **more: Any) -> dict[str, Any]:
    return {
        "uid": uid(number),
        "name": f"pr-{1200 + number}",
        "namespace": "team-orders",
        "attempt": 1,
        "createdAt": rfc(began),
        "phase": "Passed",
        "verdict": "Passed",
        "reason": "TestsPassed",
        "message": "",
        "labels": {"branch": "main", "commit": "8f3c2d1"},
        "startedBy": {"by": "mira", "with": "seatrial", "link": ""},
        "environment": f"st-pr-{1200 + number}-k3x9q",
        "specHash": "sha256:" + "ab" * 32,
        "spec": SPEC,
        "timeline": {},
        "digest": "",
        "components": [],
        **more,
    }


def timeline(began: datetime, **seconds: float) -> dict[str, str]:
    return {name: rfc(began + timedelta(seconds=after)) for name, after in seconds.items()}


def parts(began: datetime, end: float) -> list[dict[str, Any]]:
    def after(seconds: float) -> str:
        return rfc(began + timedelta(seconds=seconds))

    return [
        component("postgres", "service", began, 1.1, 1.6),
        component("minio", "service", began, 1.0, 2.0),
        component("schema", "migrations", began, 1.4, None, endedAt=after(2.5), exitCode=0, ended="Completed"),
        component("orders", "app", began, 1.7, 3.4),
        component("tests", "tests", began, 1.6, None, endedAt=after(end), exitCode=0, ended="Completed"),
    ]


def names(count: int) -> list[str]:
    """Ids of tests as a project has them."""
    areas = ("orders", "invoices", "stock", "payments", "customers", "search")
    things = ("is_stored", "is_refused_twice", "shows_its_lines", "can_be_undone", "keeps_its_number", "is_found_again")
    return [
        f"tests/integration/test_{areas[n % 6]}.py::"
        f"{'TestNightly::' if n % 5 == 0 else ''}test_{areas[n % 6]}_{things[n // 6 % 6]}"
        + (f"[case-{n}]" if n >= 36 or n % 4 == 0 else "")
        for n in range(count)
    ]


def passed(number: int, began: datetime, slower: float = 1.0, flaky: bool = False) -> Run:
    rng = random.Random(number)
    tests = [Test(name, seconds=round(rng.lognormvariate(-1.6, 0.8) * slower, 3)) for name in names(41)]
    tests[7].outcome, tests[7].message = "skipped", "needs a GPU"
    if flaky:
        tests[3].reruns, tests[3].message = 1, "AssertionError: the mail was not there after 2 s"
    took = sum(test.seconds + 0.01 for test in tests)
    times = timeline(began, queued=0, started=0.3, environmentReady=3.5, firstTest=4.1, lastTest=4.1 + took,
                     verdict=4.6 + took, cleaned_up=10 + took)  # fmt: skip
    rec = record(number, began, timeline=times, components=parts(began, 4.4 + took))
    rec["message"] = "41 tests: 40 passed, 1 skipped"
    files = results({k: rec[k] for k in ("uid", "name", "namespace")}, tests, began.timestamp() + 4.1)
    return Run(rec["uid"], rec, {"0": files})


def failed(number: int, began: datetime) -> Run:
    """Two tests fail because the app answers 500: its log says why."""
    tests = [Test(name, seconds=0.15 + n % 7 / 20) for n, name in enumerate(names(42))]
    tests[20] = Test(
        "tests/integration/test_orders.py::test_int_020_rejects_an_order_without_stock", "failed", 0.61,
        'AssertionError: {"detail":"internal error"}', _TRACEBACK, "placing 3 x anchor\nanswer 500\n", "",
        "INFO     orders.client:client.py:31 POST /orders -> 500", "INT-020",
    )  # fmt: skip
    tests[21] = Test(
        "tests/integration/test_orders.py::TestNightly::test_an_order_can_be_undone[express]", "failed", 0.33,
        "httpx.HTTPStatusError: Server error '500 Internal Server Error'", _TRACEBACK.replace("409", "204"),
    )  # fmt: skip
    tests[5].outcome, tests[5].message = "skipped", "needs the nightly data"
    tests[9].reruns, tests[9].message, tests[9].text = (
        1,
        "TimeoutError: no answer in 2 s",
        "E   TimeoutError: no answer in 2 s",
    )
    starts = 4.1
    at = starts + sum(test.seconds + 0.01 for test in tests[:20])
    ends = list(itertools.accumulate(test.seconds + 0.01 for test in tests))
    took = ends[-1]
    times = timeline(began, queued=0, started=0.3, environmentReady=3.5, firstTest=4.1, lastTest=4.1 + took,
                     verdict=4.6 + took, cleaned_up=10 + took)  # fmt: skip
    rec = record(
        number, began, phase="Failed", verdict="Failed", reason="TestsFailed", timeline=times,
        components=parts(began, 4.4 + took),
        message="2 failed, 39 passed, 1 skipped; first: "
                "tests/integration/test_orders.py::test_int_020_rejects_an_order_without_stock: "
        'AssertionError: {"detail":"internal error"}',
        startedBy={"by": "ci@example.org", "with": "seatrial", "link": "https://ci.example.org/orders/1234"},
        labels={"branch": "stock-check", "commit": "41c07aa", "seatrial.dev/suite": "integration"},
    )  # fmt: skip
    error = 'psycopg.errors.UndefinedColumn: column "reserved" of relation "stock" does not exist'
    orders = [(3.3, "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)")]
    orders += [
        (starts + n * 0.31, f'INFO:     10.244.0.17:{40000 + n} - "POST /orders HTTP/1.1" 201 Created')
        for n in range(40)
    ]
    orders += [(at + 0.12, "ERROR:    Exception in ASGI application"),
               (at + 0.1201, "Traceback (most recent call last):"),
               (at + 0.1202, '  File "/app/orders/stock.py", line 71, in reserve'), (at + 0.1203, f"{error}"),
               (at + 0.13, 'INFO:     10.244.0.17:41000 - "POST /orders HTTP/1.1" 500 Internal Server Error'),
    ]  # fmt: skip
    postgres = [(1.5, "LOG:  database system is ready to accept connections"),
                (at + 0.118, 'ERROR:  column "reserved" of relation "stock" does not exist at character 48'),
                (at + 0.119, "STATEMENT:  UPDATE stock SET reserved = reserved + $1 WHERE sku = $2")]  # fmt: skip
    line = log_of(
        began, {at + 0.118: 'ERROR:  column "reserved" of relation "stock" does not exist at character 48'}
    ).decode()
    hints = [
        {"component": "postgres", "file": "logs/postgres.log", "line": line.strip(), "at": line.split(" ")[0],
         "cause": True, "title": "a column is missing: the schema is older than the app",
         "advice": "Look whether the migration that adds stock.reserved is in the image of schema."},
        {"component": "orders", "file": "logs/orders.log", "line": error, "at": None, "cause": False,
         "title": "orders answered with an error", "advice": "It follows from the missing column."},
    ]  # fmt: skip
    logs = {
        "orders": sorted(orders),
        "postgres": postgres,
        "minio": [(1.9, "API: http://10.244.0.12:9000"), (at + 0.2, "PutObject invoices/2026/000231.pdf 200 OK 3.1ms")],
        "schema": [(1.5, "INFO  [alembic.runtime.migration] Running upgrade -> 1a2b3c, orders"), (2.4, "done")],
        "tests": [
            (starts + after, f"{test.id} {test.outcome.upper()}") for after, test in zip(ends, tests, strict=True)
        ],
    }
    evidence = {f"logs/{name}.log": log_of(began, lines) for name, lines in logs.items()}
    evidence |= {"hints.json": json.dumps(hints).encode(), "run.json": json.dumps(rec).encode(),
                 "pods.json": b'{"items": []}', "events.json": b'{"items": []}'}  # fmt: skip
    artifacts = {
        "artifacts/logs/client.log": b"one\ntwo\n",
        "artifacts/report.html": b"<h1>report</h1>",
        "artifacts/page.png": _PNG,
    }
    files = results({k: rec[k] for k in ("uid", "name", "namespace")}, tests, began.timestamp() + starts, artifacts)
    return Run(rec["uid"], rec, {"0": files, "evidence": evidence})


def errored(number: int, began: datetime) -> Run:
    """Postgres ran out of memory; everything after that follows from it."""
    tests = [Test(name, seconds=0.3) for name in names(12)]
    tests[11] = Test(
        names(12)[11], "error", 0.4, "psycopg.OperationalError: connection refused", "E   connection refused"
    )
    rec = record(
        number, began, phase="Errored", verdict="Errored", reason="ServiceLost",
        message="postgres ended: out of memory (limit 128Mi, exit 137). "
                "Give it more: spec.services.postgres.resources.limits.memory",
        timeline=timeline(began, queued=0, started=0.2, environmentReady=3.4, firstTest=3.9, verdict=8.2,
                          cleaned_up=13.5),
        components=[
            component("postgres", "service", began, 1.1, 1.6, endedAt=rfc(began + timedelta(seconds=7.3)), exitCode=137,
                      ended="OOMKilled"),
            *parts(began, 8.0)[1:3],
            component("orders", "app", began, 1.7, 3.4, restarts=2, ended="Error", exitCode=1,
                      endedAt=rfc(began + timedelta(seconds=7.6))),
            parts(began, 8.1)[4],
        ],
        startedBy={"by": "", "with": "kubectl-client-side-apply", "link": ""},
    )  # fmt: skip
    refused = 'connection to server at "postgres" (10.96.14.3), port 5432 failed: Connection refused'
    hints = [
        {"component": "postgres", "file": "logs/postgres.log", "at": None, "cause": True, "line": "Killed",
         "title": "killed: it used more memory than its limit of 128Mi",
         "advice": "Raise spec.services.postgres.resources.limits.memory."},
        {"component": "orders", "file": "logs/orders.log", "at": rfc(began + timedelta(seconds=7.4)), "cause": False,
         "line": refused, "title": "could not reach postgres", "advice": "It follows from the loss of postgres."},
    ]  # fmt: skip
    evidence = {
        "hints.json": json.dumps(hints).encode(),
        "run.json": json.dumps(rec).encode(),
        "logs/postgres.log": log_of(began, {1.5: "LOG:  database system is ready to accept connections"}),
        "logs/orders.log": log_of(began, {3.4: "INFO: started", 7.4: f"ERROR: {refused}"}),
        "notes.json": b'["the log of minio: the node did not answer in time"]',
        "logs/orders.previous.log": log_of(began, {6.4: "FATAL: could not connect"}),
    }
    files = results({k: rec[k] for k in ("uid", "name", "namespace")}, tests, began.timestamp() + 3.9)
    return Run(rec["uid"], rec, {"0": files, "evidence": evidence})


def not_started(number: int, began: datetime) -> Run:
    """An image that is not there: no test ever began."""
    rec = record(
        number, began, phase="Errored", verdict="Errored", reason="ImagePullFailed",
        message="orders: the image example/orders:1.4.3 can't be pulled: not found. "
                "Push it, or correct spec.apps.orders.image",
        timeline=timeline(began, queued=0, started=0.2, verdict=6.1, cleaned_up=11.4),
        components=[*parts(began, 6.0)[:3],
                    component("orders", "app", began, 0, None) | {"startedAt": None, "imageId": ""}],
    )  # fmt: skip
    return Run(rec["uid"], rec)


def running(number: int, began: datetime) -> Run:
    rec = record(number, began, phase="Testing", verdict=None, reason="", components=parts(began, 9)[:4],
                 timeline=timeline(began, queued=0, started=0.3, environmentReady=3.5, firstTest=4.1))  # fmt: skip
    return Run(rec["uid"], rec)


def cancelled(number: int, began: datetime) -> Run:
    rec = record(number, began, phase="Cancelled", verdict="Cancelled", reason="Cancelled",
                 message="cancelled by spec.cancel", namespace="team-search",
                 timeline=timeline(began, queued=0, started=0.3, verdict=2.1, cleaned_up=7.5))  # fmt: skip
    return Run(rec["uid"], rec)


def internal_error(number: int, began: datetime) -> Run:
    """The operator fails on the run and sets it aside."""
    rec = record(
        number, began, phase="Errored", verdict="Errored", reason="InternalError", namespace="team-billing",
        message="the operator failed on this run 5 times: ValueError in pods.py, line 118; its log has the report: "
                "`kubectl -n seatrial-system logs deployment/seatrial-operator`",
        timeline=timeline(began, queued=0, started=0.3, verdict=31.2, cleaned_up=36.9), components=parts(began, 31)[:2],
    )  # fmt: skip
    return Run(rec["uid"], rec)


def no_tests(number: int, began: datetime) -> Run:
    """Each file skips itself."""
    skips = [{"id": f"tests/test_{name}.py", "message": "could not import 'grpc'"} for name in ("stock", "search")]
    rec = record(
        number, began, phase="Errored", verdict="Errored", reason="NoTestsCollected", namespace="team-billing",
        message="pytest found no test to run with paths=['tests/integration']: the files skip themselves "
                "(tests/test_stock.py: could not import 'grpc'; tests/test_search.py: could not import 'grpc')",
        timeline=timeline(began, queued=0, started=0.3, environmentReady=3.5, verdict=5.1, cleaned_up=10.6),
        components=parts(began, 4.9),
    )  # fmt: skip
    files = results(
        {k: rec[k] for k in ("uid", "name", "namespace")}, [], began.timestamp() + 4.1,
        collected={"count": 0, "deselected": 0, "skips": skips, "skipCount": 2}, finish={"exitStatus": 5},
    )  # fmt: skip
    return Run(rec["uid"], rec, {"0": files})


def sharded(number: int, began: datetime) -> list[Run]:
    """The first attempt loses its node; the second has two shards, and one of them stops at its first failure."""
    common = {"namespace": "team-billing", "createdAt": rfc(began)}
    lost = record(
        number, began, phase="Errored", verdict="Errored", reason="NodeLost", message="node worker-2 is gone",
        timeline=timeline(began, queued=0, started=0.3, verdict=20.4, cleaned_up=26), components=parts(began, 20)[:3],
        **common,
    )  # fmt: skip
    second = began + timedelta(seconds=27)
    why = "stopping after 1 failures"
    tests = [[Test(name) for name in names(30)[shard::2]] for shard in range(2)]
    tests[1][6] = Test(tests[1][6].id, "failed", 0.4, "assert 500 == 201", _TRACEBACK)
    pods = [component("tests", "tests", second, 1.6, None, shard=shard, endedAt=rfc(second + timedelta(seconds=8)),
                      exitCode=shard, ended="Error" if shard else "Completed") for shard in range(2)]  # fmt: skip
    judged = record(
        number, began, attempt=2, phase="Failed", verdict="Failed", reason="TestsFailed",
        message=f"1 failed, 21 passed; 8 of 30 never ran ({why}); first: {tests[1][6].id}: assert 500 == 201",
        timeline=timeline(second, queued=0, started=0.2, environmentReady=3.5, firstTest=4.1, lastTest=7.4,
                          verdict=8.3, cleaned_up=13.8),
        components=[*parts(second, 8)[:4], *pods], **common,
    )  # fmt: skip
    identity = {k: judged[k] for k in ("uid", "name", "namespace")}
    first = second.timestamp() + 4.1
    sets = {
        "0": results(identity, tests[0], first, attempt=2),
        "1": results(
            identity, tests[1][:7], first, attempt=2, shard=1, collected={"count": 15}, finish={"stopped": why}
        ),
    }
    return [Run(lost["uid"], lost), Run(judged["uid"], judged, sets)]


def hostile(number: int, began: datetime) -> Run:
    """Every text that somebody may choose is an attack."""
    run = failed(number, began)
    rec = run.record
    rec |= {"name": "pr-hostile", "message": HOSTILE, "labels": {"note": HOSTILE, "link": "javascript:window.pwned=1"},
            "startedBy": {"by": HOSTILE, "with": HOSTILE, "link": "javascript:window.pwned=1"},
            "reason": HOSTILE, "environment": HOSTILE, "spec": {"tests": {"markers": HOSTILE}}}  # fmt: skip
    for part in rec["components"]:
        part |= {"image": HOSTILE, "imageId": HOSTILE, "container": HOSTILE, "ended": HOSTILE}
    tests = [
        Test(
            f"tests/test_{HOSTILE}.py::test[{HOSTILE}]",
            "failed",
            0.5,
            HOSTILE,
            HOSTILE,
            HOSTILE,
            HOSTILE,
            HOSTILE,
            HOSTILE,
        ),
        Test(f"tests/x.py::test_skip[{HOSTILE}]", "skipped", 0.1, HOSTILE),
    ]
    page = f"<!doctype html><script>parent.pwned=1;window.pwned=1</script>{HOSTILE}".encode()
    name = HOSTILE.replace("/", "")
    artifacts = {f"artifacts/{name}.html": page, "artifacts/x.svg": f'<svg xmlns="http://www.w3.org/2000/svg">{HOSTILE}</svg>'.encode(),
                 "artifacts/evil.js": b"window.pwned=1"}  # fmt: skip
    run.sets["0"] = results(
        {k: rec[k] for k in ("uid", "name", "namespace")}, tests, began.timestamp() + 4.1, artifacts
    )
    evidence = run.sets["evidence"]
    evidence["logs/orders.log"] = log_of(began, [(4.2 + n / 10, HOSTILE) for n in range(3)])
    evidence[f"logs/{name}.log"] = log_of(began, {4.3: HOSTILE})
    hint = dict.fromkeys(("component", "file", "line", "title", "advice"), HOSTILE)
    evidence["hints.json"] = json.dumps([{**hint, "at": HOSTILE, "cause": True}]).encode()
    evidence["run.json"] = json.dumps(rec).encode()
    return run


def large(number: int, began: datetime, count: int = 20_000) -> Run:
    tests = [Test(name, seconds=0.05 + n % 13 / 100) for n, name in enumerate(names(count))]
    for test in tests[::500]:
        test.outcome, test.message, test.text = "failed", "assert 500 == 200", _TRACEBACK
    took = sum(test.seconds + 0.01 for test in tests)
    rec = record(number, began, name="nightly", phase="Failed", verdict="Failed", reason="TestsFailed",
                 message=f"{len(tests[::500])} of {count} tests failed", components=parts(began, took),
                 timeline=timeline(began, queued=0, started=0.3, environmentReady=3.5, firstTest=4.1,
                                   lastTest=4.1 + took, verdict=4.6 + took, cleaned_up=10 + took))  # fmt: skip
    lines = [(4 + n * took / 50_000, f'INFO: "GET /orders/{n} HTTP/1.1" 200 OK') for n in range(50_000)]
    evidence = {f"logs/{name}.log": log_of(began, lines) for name in ("orders", "postgres", "minio", "tests")}
    evidence["run.json"] = json.dumps(rec).encode()
    files = results({k: rec[k] for k in ("uid", "name", "namespace")}, tests, began.timestamp() + 4.1)
    return Run(rec["uid"], rec, {"0": files, "evidence": evidence})


def everything(now: datetime) -> list[Run]:
    """A week of a team's work."""
    runs = [passed(n, now - timedelta(hours=9 * (14 - n)), 1 + n / 10, flaky=n % 4 == 0) for n in range(1, 13)]
    return [
        *runs,
        no_tests(28, now - timedelta(hours=7)),
        internal_error(26, now - timedelta(hours=6)),
        cancelled(20, now - timedelta(hours=5)),
        not_started(21, now - timedelta(hours=3)),
        errored(22, now - timedelta(hours=2)),
        *sharded(27, now - timedelta(minutes=70)),
        failed(23, now - timedelta(minutes=25)),
        hostile(24, now - timedelta(minutes=14)),
        running(25, now - timedelta(seconds=8)),
    ]


def manifest(run: Run, part: str) -> bytes:
    entries = [
        {"path": path, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for path, body in run.sets[part].items()
    ]
    return json.dumps({"schema": 1, "run": {"uid": run.uid}, "files": entries}).encode()


class Memory:
    """The stored files of these runs, as the store gives them."""

    def __init__(self) -> None:
        self.sets: dict[SetKey, dict[str, bytes]] = {}
        self.manifests: dict[SetKey, bytes] = {}

    def add(self, run: Run) -> None:
        for part, files in run.sets.items():
            self.sets[run.key(part)] = files
            self.manifests[run.key(part)] = manifest(run, part)

    def manifest(self, key: SetKey) -> bytes:
        if key not in self.manifests:
            raise NotFoundError(f"{key} has no manifest")
        return self.manifests[key]

    def chunks(self, key: SetKey, path: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        if path not in self.sets.get(key, {}):
            raise NotFoundError(f"{key} has no file {path}")
        yield self.sets[key][path][start:end]

    def size(self, key: SetKey) -> int:
        return len(self.manifest(key)) + sum(map(len, self.sets[key].values()))

    def result(self, key: SetKey) -> CompleteSet:
        return CompleteSet(
            key, digest_of(self.manifests[key]), json.loads(self.sets[key][key.vital]), datetime.now(UTC).timestamp()
        )


def fill(history: History, files: Memory, runs: list[Run]) -> None:
    """Puts the runs where the pages look for them, in the ways of the archive itself."""
    for run in runs:
        files.add(run)
        for part in run.sets:
            ingest(files, history, run.key(part))  # type: ignore[arg-type]
        history.intake.put_record(parse_record(run.record, run.uid))


_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
