"""How a shard is said to have ended, for every way in which it can."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial_protocol.decode import dump
from seatrial_protocol.events import parse_event
from seatrial_protocol.exit_record import ExitRecord
from seatrial_protocol.identity import RunIdentity
from seatrial_protocol.summary import Summary
from seatrial_runner.report.assembly import Assembly
from seatrial_runner.report.facts import Facts
from seatrial_runner.report.outcome import classify
from seatrial_runner.report.summary import summarize
from tests.unit.runner.support import UID, Event, collected, ended, failure, finish, record, session, start, whole

RUN = RunIdentity(UID, "pr-1234", "team-a")


def facts(events: list[Event], exit_record: Event | None, output: str = "", gates: list[Event] | None = None) -> Facts:
    seen, assembly = Facts(), Assembly()
    for gate in gates or []:
        seen.add_gate_event(parse_event(gate))
    for each in events:
        event = parse_event(each)
        seen.add_event(event)
        for case in assembly.add(event):
            seen.add_case(case)
    seen.running = assembly.running
    seen.record = None if exit_record is None else ExitRecord.parse(exit_record)
    seen.output_tail = output
    return seen


def summary_of(seen: Facts, attempt: int = 1, shard: int = 0) -> dict[str, Any]:
    """The summary as JSON, which is read back as it was written."""
    summary = summarize(seen, RUN, attempt, shard)
    assert Summary.parse(dump(summary.to_json())) == summary
    return summary.to_json()


def passed(count: int = 2) -> list[Event]:
    return [session(), collected(count), *(e for n in range(count) for e in whole(f"t.py::test_{n}"))]


def interrupted(message: str, t: float = 150.0) -> Event:
    return {"t": t, "event": "interrupted", "kind": "KeyboardInterrupt", "message": message}


ONE_FAILED = [session(), collected(2), *whole("t.py::test_a"), *whole("t.py::test_b", "failed")]
ONE_ERROR = [session(), collected(2), *whole("t.py::test_a"), *whole("t.py::test_b", "error")]
RUNNING = [session(), collected(2), *whole("t.py::test_a"), start("t.py::test_b")]
BROKEN = [session(), collected(0, "t.py"), interrupted("1 error during collection")]
KILLED = record(None, signal="SIGKILL")

CASES: dict[str, tuple[Facts, str, str | None]] = {
    # pytest finished, and its process ended with the same status
    "all passed": (facts([*passed(), finish(0)], record(0)), "passed", None),
    "passed or skipped": (
        facts([session(), collected(2), *whole("a"), *whole("b", "skipped"), finish(0)], record(0)), "passed", None),
    "xfailed and xpassed": (
        facts([session(), collected(2), *whole("a", "xfailed"), *whole("b", "xpassed"), finish(0)], record(0)),
        "passed", None),
    "one failed": (facts([*ONE_FAILED, finish(1)], record(1)), "failed", None),
    "one error": (facts([*ONE_ERROR, finish(1)], record(1)), "failed", None),
    "failed, status made 0": (facts([*ONE_FAILED, finish(0)], record(0)), "failed", "although tests failed"),
    "status 1, none failed": (facts([*passed(), finish(1)], record(1)), "failed", "although no test failed"),
    "failed, own status": (facts([*ONE_FAILED, finish(77)], record(77)), "failed", "status 77"),
    "-x under xdist": (
        facts([*ONE_FAILED, interrupted("x"), finish(2, stopped="stopping after 1 failures")], record(2)), "failed",
        None),
    "Ctrl-C": (facts([*RUNNING, interrupted("KeyboardInterrupt"), finish(2)], record(2)), "interrupted", "before all"),
    "Ctrl-C after a failure": (
        facts([*ONE_FAILED, interrupted("KeyboardInterrupt"), finish(2)], record(2)), "interrupted", "before all"),
    "pytest.exit(0)": (facts([*RUNNING, interrupted("enough"), finish(0)], record(0)), "interrupted", "enough"),
    "pytest.exit(42)": (facts([*RUNNING, interrupted("enough"), finish(42)], record(42)), "interrupted", "42"),
    "tests were swallowed": (
        facts([session(), collected(3), *whole("a"), finish(0)], record(0)), "interrupted", "only 1 of 3"),
    "no tests": (facts([session(), collected(0), finish(5)], record(5)), "no-tests", "no tests were found"),
    "all deselected": (
        facts([session(), collected(0, deselected=4), finish(5)], record(5)), "no-tests",
        "all 4 tests were deselected"),
    "only collected": (facts([session(), collected(4), finish(0)], record(0)), "no-tests", "none was run"),
    "collection error": (facts([*BROKEN, finish(2)], record(2)), "collection-error", None),
    "collection error, tests ran on": (
        facts([session(), collected(1, "t.py"), *whole("a"), finish(1)], record(1)), "collection-error", None),
    "collection error, status made 0": (
        facts([session(), collected(1, "t.py"), *whole("a"), finish(0)], record(0)), "collection-error", None),
    "no such path": (facts([session(), collected(0), finish(4)], record(4)), "usage-error", None),
    "unknown option": (facts([], record(4), "ERROR: unrecognized arguments: --nope"), "usage-error", None),
    "internal error": (
        facts([*passed(), {"t": 1.0, "event": "internal-error", "message": "ValueError: x"}, finish(3)], record(3)),
        "internal-error", "ValueError: x"),
    "internal error before the session": (
        facts([session(), {"t": 1.0, "event": "internal-error", "message": "x"}], record(3)), "internal-error", "x"),
    # the process ended without pytest having finished
    "os._exit(0)": (facts(RUNNING, record(0)), "died", "ended with status 0 while t.py::test_b was running"),
    "os._exit(4)": (facts(RUNNING, record(4)), "died", "ended with status 4 while t.py::test_b was running"),
    "os._exit after all": (facts(passed(), record(0)), "died", "between tests"),
    "segmentation fault": (facts(RUNNING, record(None, signal="SIGSEGV")), "died", "killed by SIGSEGV while"),
    "out of memory": (facts(RUNNING, KILLED | {"oomKilled": True}), "died", "SIGKILL (out of memory) while"),
    "killed while collecting": (facts([session()], KILLED), "died", "before the first test"),
    "died while starting": (facts([], record(1), "ImportError"), "died", "before its session began"),
    "two running": (
        facts([session(), collected(2), start("a"), start("b")], KILLED), "died", "while a and 1 more was running"),
    "passed, then crashed": (
        facts([*passed(), finish(0)], record(None, signal="SIGSEGV")), "died", "status 0, then its process was killed"),
    "passed, then another status": (
        facts([*passed(), finish(0)], record(1)), "died", "status 0, then its process ended with status 1"),
    "--help": (facts([session()], record(0)), "died", "before the first test"),
    # the launcher ended it, or never began
    "run time-out": (facts(RUNNING, KILLED | {"timedOut": True}), "timeout", "while t.py::test_b was running"),
    "run time-out, process stuck": (
        facts([*passed(), finish(0)], KILLED | {"timedOut": True}), "timeout", "thread that is no daemon"),
    "run time-out, tidy": (
        facts([*RUNNING, interrupted("x"), finish(2)], record(2, timedOut=True)), "timeout", "while t.py::test_b"),
    "gates": (
        facts([], record(None, gateTimeout=True, notReady=[{"name": "controller", "error": "HTTP 503"}])),
        "gate-timeout", "not ready in time: controller (HTTP 503)"),
    "gates, told by their events": (
        facts([], record(None, gateTimeout=True),
              gates=[{"t": 1.0, "event": "timeout", "notReady": [{"name": "minio", "error": "refused"}]}]),
        "gate-timeout", "minio (refused)"),
    "no Python": (
        facts([], record(None, error="executable not found: python")), "no-pytest", "executable not found: python"),
    "no bundle": (
        facts([], record(None, error="the archive has no bundle") | {"code": "bundle-missing"}),
        "not-started", "no bundle",
    ),
    "no pytest": (facts([], record(1), "/usr/bin/python: No module named pytest\n"), "no-pytest", "has no pytest"),
    "a test says the same": (facts(RUNNING, record(1), "No module named pytest"), "died", "status 1 while"),
    # not even the launcher ended
    "container killed": (facts(RUNNING, None), "no-exit-record", "while t.py::test_b was running"),
    "container killed at the end": (facts([*passed(), finish(0)], None), "no-exit-record", "without an exit record"),
    "never began": (facts([], None), "no-exit-record", "without an exit record"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_outcome(name: str) -> None:
    seen, outcome, expected = CASES[name]
    found, error = classify(seen)
    assert found == outcome
    if expected is None:
        assert error is None
    else:
        assert expected in str(error)


@pytest.mark.parametrize("name", CASES)
def test_passed_means_complete_and_nothing_bad(name: str) -> None:
    summary = summary_of(CASES[name][0])
    if summary["outcome"] == "passed":
        assert summary["complete"]
        assert summary["exitCode"] == 0
        assert summary["running"] is None
        tests = summary["tests"]
        assert tests["failed"] == tests["errors"] == 0 < tests["total"]
    finished = CASES[name][0].finish
    assert summary["complete"] == (CASES[name][0].record is not None and finished == summary["exitCode"] is not None)


def test_summary_of_a_run() -> None:
    events = [
        session(),
        collected(30, deselected=3),
        *(event for n in range(22) for event in whole(f"t.py::test_{n}", "failed", seconds=n / 10, t=110.0 + n)),
        start("t.py::test_flaky"),
        failure("t.py::test_flaky", rerun=True),
        ended("t.py::test_flaky", reruns=1, t=140.0),
        start("t.py::test_slow"),
        failure("t.py::test_slow", "over its limit", timedOut=True),
        ended("t.py::test_slow", "failed", timedOut=True, seconds=9.0, t=150.0),
        start("t.py::test_last"),
    ]
    gates = [{"t": 90.5, "event": "waiting", "name": "postgres"}, {"t": 95.5, "event": "open", "seconds": 5.0}]
    exit_record = record(None, signal="SIGKILL", oomKilled=True, lost=[{"name": "postgres", "error": "refused"}])
    summary = summary_of(facts(events, exit_record, "x" * 5000 + "the end", gates), 2, 3)
    assert summary["run"] == RUN.to_json()
    assert (summary["schema"], summary["attempt"], summary["shard"]) == (1, 2, 3)
    assert (summary["complete"], summary["outcome"], summary["running"]) == (False, "died", "t.py::test_last")
    assert (summary["exitCode"], summary["signal"], summary["oomKilled"]) == (None, "SIGKILL", True)
    assert summary["lost"] == [{"name": "postgres", "error": "refused"}]
    assert summary["tests"] == {
        "total": 30, "passed": 1, "failed": 23, "errors": 0, "skipped": 0, "flaky": 1, "xfailed": 0, "xpassed": 0,
    }  # fmt: skip
    assert len(summary["failures"]) == 20
    assert summary["failures"][0] == {"id": "t.py::test_0", "catalogueId": None, "message": "assert 1 == 2"}
    assert [test["id"] for test in summary["slowest"]] == [
        "t.py::test_slow", "t.py::test_21", "t.py::test_20", "t.py::test_19", "t.py::test_18",
    ]  # fmt: skip
    assert (summary["testTimeouts"], summary["deselected"]) == (1, 3)
    times = ("startedAt", "gatesOpenAt", "firstTestAt", "lastTestEndedAt", "endedAt")
    assert [summary[name] for name in times] == [90.5, 95.5, 101.0, 150.0, 201.0]
    assert summary["outputTail"] == ("x" * 5000 + "the end")[-2000:]
    assert (summary["pytest"], summary["python"]) == ("8.4.1", "3.13.1")


def test_output_is_no_part_of_a_summary_of_passed_tests() -> None:
    assert "outputTail" not in summary_of(facts([*passed(), finish(0)], record(0), "secret"))


STACK = "Current thread 0x1 (most recent call first):\n  File test_h.py in test_hang\n" + "  File pluggy\n" * 500
FATAL = f"Fatal Python error: Segmentation fault\n\n{STACK}"


@pytest.mark.parametrize(
    ("events", "output", "begin"),
    [
        (RUNNING, "dots\n" * 900 + FATAL, "Fatal Python error: Segmentation fault\n\nCurrent thread"),
        (
            RUNNING,
            f"Thread 0x2:\n{'  File x' * 400}\n{STACK}",
            "Current thread 0x1 (most recent call first):\n  File test_h",
        ),
        (RUNNING, STACK + "later\n" * 900, "Current thread 0x1"),
        (RUNNING, "short", "short"),
        (RUNNING, "x" * 3000, "xxx"),
        ([*ONE_FAILED, finish(1)], STACK + "later\n" * 900, "r\nlater"),
    ],
)
def test_the_tail_of_a_process_that_died_shows_where_it_was(events: list[Event], output: str, begin: str) -> None:
    tail = summary_of(facts(events, record(1), output))["outputTail"]
    assert tail.startswith(begin)
    assert len(tail) == min(len(output), 2000)


def test_without_a_record_the_end_is_the_last_event() -> None:
    events = [*RUNNING, {"t": 177.0, "event": "newer"}]
    assert summary_of(facts(events, None))["endedAt"] == 177.0


def test_first_collection_errors_are_named() -> None:
    errors = [f"test_{n}.py" for n in range(9)]
    summary = summary_of(facts([session(), collected(0, *errors), finish(2)], record(2)))
    assert [error["id"] for error in summary["collectionErrors"]] == errors[:5]
    assert summary["collectionErrorCount"] == 9
