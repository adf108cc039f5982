"""`seatrial run --wait` and `seatrial wait`: progress, verdict, exit status."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.archive.client.live import LiveEvent
from seatrial.cli import follow
from seatrial.cli.follow import RunFollower
from seatrial.cli.run import Run
from tests.unit.cli.conftest import RUN, Command
from tests.unit.cli.servers import Servers, interrupts, shows

File = Callable[..., str]
STARTING = {"phase": "Starting", "namespace": "st-pr-1-abcde"}
EVENTS = (
    {"event": "a kind of a later version"},
    {"event": "ready", "name": "postgres", "seconds": 0.61},
    {"event": "open", "seconds": 0.7},
    {"event": "collected", "count": 2},
    {"event": "start", "id": "t.py::a"},
    {"event": "end", "id": "t.py::a", "outcome": "passed", "seconds": 0.1},
    {"event": "phase", "id": "t.py::b", "when": "call", "outcome": "failed", "message": "assert 1 == 2"},
    {"event": "end", "id": "t.py::b", "outcome": "failed", "seconds": 0.1},
    {"event": "finish", "exitStatus": 1},
)


def ended(verdict: str = "Passed", reason: str = "TestsPassed", **more: Any) -> dict[str, Any]:
    return {"phase": "CleaningUp", "verdict": verdict, "reason": reason, "message": f"it is {verdict}", **more}


def notes(out: str) -> list[str]:
    """The lines of progress without their times."""
    return [line.split("] ", 1)[1] for line in out.splitlines() if line.startswith("[+")]


def test_wait_shows_what_happens_and_ends_with_the_verdict(seatrial: Command, servers: Servers, file: File) -> None:
    failure = {"id": "t.py::b", "message": "assert 1 == 2"}
    tests = {"total": 2, "passed": 1, "failed": 1}
    servers.play(
        STARTING, shows("is starting"), servers.publishes(*EVENTS), shows("tests ended"),
        ended("Failed", "TestsFailed", tests=tests, failures=[failure]),
    )  # fmt: skip
    assert seatrial("run", file(), "--wait") == 1
    assert notes(seatrial.out) == [
        "· environment st-pr-1-abcde is starting",
        "✓ postgres ready (610 ms)",
        "· everything is ready (700 ms), pytest starts",
        "· 2 tests collected",
        "✗ t.py::b (100 ms): assert 1 == 2",
        "· tests ended: 1 passed, 1 failed",
    ]
    assert seatrial.out.endswith("\n✗ Failed 1/2  1 failed  pr-1\n  results and evidence:  seatrial results pr-1\n")


def test_follow_shows_every_test(seatrial: Command, servers: Servers, file: File) -> None:
    servers.play(servers.publishes(*EVENTS), shows("tests ended"), ended("Failed", "TestsFailed"))
    assert seatrial("run", file(), "--follow") == 1
    assert "✓ t.py::a (100 ms)" in notes(seatrial.out)


@pytest.mark.parametrize(
    ("verdict", "reason", "code"),
    [
        ("Passed", "TestsPassed", 0),
        ("Failed", "TestsFailed", 1),
        ("Cancelled", "Cancelled", 2),
        ("Errored", "MigrationFailed", 3),
        ("Errored", "InvalidSpec", 4),
        ("Failed", "NoTestsCollected", 5),
    ],
)
def test_exit_status_of_waiting(
    seatrial: Command, servers: Servers, file: File, verdict: str, reason: str, code: int
) -> None:
    servers.play(STARTING, ended(verdict, reason))
    assert seatrial("run", file(), "--wait") == code


def test_wait_for_a_run_that_is_there(seatrial: Command, servers: Servers) -> None:
    servers.run(**ended())
    assert seatrial("wait", "pr-1") == 0
    assert "✓ Passed" in seatrial.out


@pytest.mark.parametrize(
    ("status", "message"), [(403, "you may not read the archive"), (503, "the archive did not answer")]
)
def test_without_the_archive_the_status_is_shown(
    seatrial: Command, servers: Servers, file: File, monkeypatch: pytest.MonkeyPatch, status: int, message: str
) -> None:
    monkeypatch.setattr(follow, "_LIVE_PATIENCE", 0.0)
    servers.close_archive(status)
    servers.play(shows("no live progress"), STARTING, shows("is starting"), ended())
    assert seatrial("run", file(), "--wait") == 0
    (note,) = [note for note in notes(seatrial.out) if "no live progress" in note]
    assert note.startswith(f"! no live progress, only the run's status: {message}")
    assert "· environment st-pr-1-abcde is starting" in notes(seatrial.out)


def test_a_run_deleted_while_waiting(seatrial: Command, servers: Servers, file: File) -> None:
    servers.play(STARTING, shows("is starting"), servers.deleted)
    assert seatrial("run", file(), "--wait") == 2
    assert "run pr-1 was deleted before it had a verdict" in seatrial.err


def test_waiting_has_a_limit_of_its_own(seatrial: Command, servers: Servers, file: File) -> None:
    servers.play(STARTING)
    assert seatrial("run", file(), "--wait", "--timeout", "10ms") == 124
    assert "the run continues" in seatrial.err
    assert "seatrial cancel pr-1" in seatrial.err
    assert servers.find("integrationruns", "pr-1")


def test_control_c_leaves_the_run_alone(seatrial: Command, servers: Servers, file: File) -> None:
    servers.play(STARTING, shows("is starting"), interrupts)
    # a shell that starts the tests in the background has them ignore Control-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert seatrial("run", file(), "--wait") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert "stopped waiting; the run continues" in seatrial.err
    assert "seatrial cancel pr-1" in seatrial.err
    assert servers.find("integrationruns", "pr-1")["spec"].get("cancel") is None


def test_output_that_nobody_reads_any_more_is_neither_passed_nor_failed(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    servers.play(ended())
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "seatrial.cli.main", "run", str(tmp_path / "run.yaml"), "--wait"],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_an_invalid_event_is_reported_once_and_stops_nothing() -> None:
    """The archive refuses such events; one of another version may not."""
    run = Run.of({"metadata": {"name": "orders", "namespace": "team-a", "uid": "u"}, "spec": {}, "status": {}})
    follower = RunFollower(None, run, None)  # type: ignore[arg-type]
    wrong = LiveEvent("1", "end", 1, 0, {"event": "end", "id": ["t.py::a"], "outcome": "passed", "t": 1.0})
    right = LiveEvent("2", "end", 1, 0, {"event": "end", "id": "t.py::a", "outcome": "passed", "t": 1.0})
    for event in (wrong, wrong, right):
        follower._put_event(event)
    shown = [follower._items.get_nowait() for _ in range(follower._items.qsize())]
    assert len(shown) == 2
    assert "a live event of shard 0 can't be read: end event: id: " in str(shown[0])


def test_what_a_test_writes_does_not_steer_the_terminal(seatrial: Command, servers: Servers, file: File) -> None:
    hostile = {"event": "end", "id": "t.py::\x1b]0;title\x07a\x9b2J", "outcome": "failed", "seconds": 0.1}
    servers.play(servers.publishes(hostile), shows("t.py::"), ended("Failed", "TestsFailed"))
    assert seatrial("run", file(), "--wait") == 1
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", seatrial.out) == []
