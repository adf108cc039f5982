"""The collector from the files of a run to what the archive has of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from seatrial_protocol.events import parse_event
from seatrial_protocol.termination import Code, TerminationMessage
from seatrial_runner import live as live_events
from seatrial_runner.collect import collect
from seatrial_runner.follow import ResultsFollower
from seatrial_runner.live import Live, live_form
from seatrial_runner.record_key import record_key
from seatrial_runner.settings import Settings
from seatrial_runner.upload import Uploader
from tests.unit.runner.support import (
    RUNNER,
    TOKEN,
    UID,
    Event,
    FakeArchive,
    collected,
    ended,
    failure,
    finish,
    lines,
    record,
    serving,
    session,
    sha256,
    start,
    whole,
)

GATES: list[Event] = [
    {"t": 90.0, "event": "waiting", "name": "postgres"},
    {"t": 91.0, "event": "ready", "name": "postgres", "seconds": 1.0},
    {"t": 91.0, "event": "open", "seconds": 1.0},
]
EVENTS = [session(), collected(2), *whole("t.py::test_a"), *whole("t.py::test_b", "failed"), finish(1)]
ALWAYS = ["ctrf.json", "junit.xml", "summary.json"]


@pytest.fixture
def archive() -> Iterator[FakeArchive]:
    with serving(FakeArchive()) as archive:
        yield archive


class Pod:
    """The folders that the collector shares with the tests' container, and its environment."""

    def __init__(self, root: Path, url: str) -> None:
        self.results, self.artifacts, self.termination = root / "results", root / "artifacts", root / "termination-log"
        tokens = root / "tokens"
        own = root / "own"
        for folder in (self.results, self.artifacts, tokens, own):
            folder.mkdir()
        (tokens / "shard-0").write_text(TOKEN + "\n")
        self.env = {
            "SEATRIAL_RUN": "pr-1234",
            "SEATRIAL_RUN_NAMESPACE": "team-a",
            "SEATRIAL_RUN_UID": UID,
            "SEATRIAL_ATTEMPT": "1",
            "JOB_COMPLETION_INDEX": "0",
            "SEATRIAL_ARCHIVE_URL": url,
            "SEATRIAL_TOKEN_DIR": str(tokens),
            "SEATRIAL_RESULTS": str(self.results),
            "SEATRIAL_ARTIFACTS_DIR": str(self.artifacts),
            "SEATRIAL_TERMINATION_LOG": str(self.termination),
            "SEATRIAL_OWN_DIR": str(own),
        }

    def append(self, name: str, data: bytes | list[Event]) -> None:
        with (self.results / name).open("ab") as file:
            file.write(data if isinstance(data, bytes) else lines(data))

    def end(self, exit_record: Event) -> None:
        self.leave(json.dumps(exit_record).encode())

    def leave(self, exit_record: bytes) -> None:
        """As the launcher writes its record."""
        passing = self.results / ".exit.json"
        passing.write_bytes(record_key(TOKEN).encode() + b"\n" + exit_record)
        passing.rename(self.results / "exit.json")

    def finished(self, events: list[Event] = EVENTS, code: int = 1, output: bytes = b"output\n") -> None:
        """As a run leaves it."""
        self.append("gates.jsonl", GATES)
        self.append("events.jsonl", events)
        self.append("output.log", output)
        self.end(record(code))

    def collect(self, *steps: Callable[[], bool | None], stop: bool = False) -> tuple[int, TerminationMessage]:
        """Run the collector. At each look at the files the first step is taken until it doesn't say False.

        After the last step the collector gets a signal to end if ``stop``.
        """
        left = list(steps)
        deadline = time.monotonic() + 60

        def pause(seconds: float) -> bool:
            assert time.monotonic() < deadline, f"still waiting for {left}"
            if left and left[0]() is not False:
                left.pop(0)
            if not left and stop:
                return True
            time.sleep(min(seconds, 0.005))
            return False

        return collect(self.env, pause)


@pytest.fixture
def pod(tmp_path: Path, archive: FakeArchive) -> Pod:
    return Pod(tmp_path, archive.url)


def test_a_finished_run_arrives_whole(pod: Pod, archive: FakeArchive) -> None:
    pod.finished()
    status, message = pod.collect()
    assert status == 0
    assert archive.manifest is not None
    assert message == TerminationMessage(Code.DELIVERED, digest=f"sha256:{sha256(archive.manifest)}")
    manifest = json.loads(archive.manifest)
    assert (manifest["schema"], manifest["run"]) == (1, {"uid": UID, "name": "pr-1234", "namespace": "team-a"})
    paths = [file["path"] for file in manifest["files"]]
    assert paths == sorted([*ALWAYS, "events.jsonl", "exit.json", "gates.jsonl", "output.log"])
    assert archive.files["events.jsonl"] == lines(EVENTS)
    assert archive.requests[-1] == ("PUT", "manifest")
    summary = archive.summary
    assert (summary["outcome"], summary["complete"], summary["exitCode"]) == ("failed", True, 1)
    assert summary["tests"]["total"] == 2
    assert summary["gatesOpenAt"] == 91.0
    assert ElementTree.fromstring(archive.files["junit.xml"]).get("name") == "pr-1234"
    assert json.loads(archive.files["ctrf.json"])["results"]["summary"]["failed"] == 1


def test_uploads_share_one_connection(pod: Pod, archive: FakeArchive) -> None:
    pod.finished()
    pod.collect()
    assert archive.connections == 2  # the other one tells live


def test_collecting_again_sends_the_same(pod: Pod, archive: FakeArchive) -> None:
    """A sidecar that the kubelet starts again must not spoil what it has brought to the archive."""
    pod.finished()
    first = pod.collect()
    assert pod.collect() == first
    assert first[0] == 0


def test_artifacts_are_collected_and_what_is_left_out_is_reported(pod: Pod, archive: FakeArchive) -> None:
    (pod.artifacts / "logs").mkdir()
    (pod.artifacts / "logs" / "app.log").write_bytes(b"log")
    (pod.artifacts / "logs" / "large").write_bytes(b"x" * 100)
    (pod.artifacts / "logs" / "refused").write_bytes(b"x")
    pod.env |= {"SEATRIAL_ARTIFACTS": '["logs/**"]', "SEATRIAL_ARTIFACTS_LIMIT": "50"}
    archive.fault = lambda method, path: 413 if path.endswith("refused") else None
    pod.finished()
    assert pod.collect()[0] == 0
    assert [path for path in archive.files if path.startswith("artifacts/")] == ["artifacts/logs/app.log"]
    omitted = archive.summary["artifactsOmitted"]
    assert (omitted["files"], omitted["bytes"]) == (2, 101)
    assert {each["path"] for each in omitted["examples"]} == {"logs/large", "logs/refused"}


def test_what_the_tests_wrote_is_collected_unasked(pod: Pod, archive: FakeArchive) -> None:
    (pod.artifacts / "reports").mkdir()
    (pod.artifacts / "reports" / "junit.xml").write_bytes(b"<xml/>")
    (pod.artifacts / "__pycache__").mkdir()
    (pod.artifacts / "__pycache__" / "test_it.pyc").write_bytes(b"x")
    (pod.artifacts / "test_it.py").write_bytes(b"")
    os.utime(pod.artifacts / "test_it.py", (90, 90))  # the process started at 99
    (pod.artifacts / "link").symlink_to("reports/junit.xml")
    pod.finished()
    assert pod.collect()[0] == 0
    assert [path for path in archive.files if path.startswith("artifacts/")] == ["artifacts/reports/junit.xml"]


def test_the_working_directory_may_be_a_folder_of_the_volume(pod: Pod, archive: FakeArchive) -> None:
    (pod.artifacts / "tests" / "logs").mkdir(parents=True)
    (pod.artifacts / "tests" / "logs" / "app.log").write_bytes(b"log")
    (pod.artifacts / "tests" / "report.html").write_bytes(b"<html>")
    (pod.artifacts / "tests" / "up.txt").symlink_to("../of-the-project.txt")
    (pod.artifacts / "of-the-project.txt").write_bytes(b"x")
    pod.env |= {"SEATRIAL_ARTIFACTS": '["logs", "up.txt"]', "SEATRIAL_ARTIFACTS_BELOW": "tests"}
    pod.finished()
    assert pod.collect()[0] == 0
    found = [path for path in archive.files if path.startswith("artifacts/")]
    assert found == ["artifacts/logs/app.log", "artifacts/report.html"]


def test_a_working_directory_that_became_a_link_is_not_followed(pod: Pod, archive: FakeArchive) -> None:
    (pod.artifacts / "tests").symlink_to(pod.env["SEATRIAL_TOKEN_DIR"])
    pod.env |= {"SEATRIAL_ARTIFACTS": '["**"]', "SEATRIAL_ARTIFACTS_BELOW": "tests"}
    pod.finished()
    assert pod.collect()[0] == 0
    assert not [path for path in archive.files if path.startswith("artifacts/")]
    (omitted,) = archive.summary["artifactsOmitted"]["examples"]
    assert omitted == {"path": "tests", "reason": "the working directory is a symbolic link"}


def test_coverage_arrives_with_the_results(pod: Pod, archive: FakeArchive) -> None:
    folder = pod.results / "coverage"
    (folder / "html").mkdir(parents=True)
    (folder / "coverage.xml").write_text("<coverage/>")
    (folder / "html" / "index.html").write_text("<html>")
    (folder / "elsewhere").symlink_to(pod.env["SEATRIAL_TOKEN_DIR"])
    pod.finished([*EVENTS[:-1], {"t": 199.0, "event": "coverage", "lines": 8, "covered": 7}, EVENTS[-1]])
    assert pod.collect()[0] == 0
    assert [name for name in archive.files if name.startswith("coverage/")] == [
        "coverage/coverage.xml",
        "coverage/html/index.html",
    ]
    assert archive.summary["coverage"] == {"lineRate": 0.875}


def test_a_coverage_folder_that_leads_elsewhere_is_not_followed(pod: Pod, archive: FakeArchive) -> None:
    (pod.results / "coverage").symlink_to(pod.env["SEATRIAL_TOKEN_DIR"])
    pod.finished()
    assert pod.collect()[0] == 0
    assert not any(TOKEN.encode() in body or "shard-0" in name for name, body in archive.files.items())
    assert "coverage" not in archive.summary


def test_reports_are_sent_while_pytest_s_process_still_ends(pod: Pod, archive: FakeArchive) -> None:
    pod.append("gates.jsonl", GATES)
    pod.append("events.jsonl", EVENTS)

    def reports_are_there() -> bool:
        return {"events.jsonl", "junit.xml", "ctrf.json", "gates.jsonl"} <= archive.files.keys()

    status, _ = pod.collect(reports_are_there, lambda: pod.append("output.log", b"end\n"), lambda: pod.end(record(1)))
    assert status == 0
    assert archive.files["output.log"] == b"end\n"


def test_what_happens_is_reported_live_in_order(pod: Pod, archive: FakeArchive) -> None:
    def received(kind: str) -> Callable[[], bool]:
        return lambda: kind in [event["event"] for event in archive.live]

    status, _ = pod.collect(
        lambda: pod.append("gates.jsonl", GATES),
        received("open"),
        lambda: pod.append("events.jsonl", [session(), collected(1), start("t.py::test_a")]),
        received("start"),
        lambda: pod.append("events.jsonl", [{"t": 101.2, "event": "newer"}, *whole("t.py::test_a")[1:], finish(0)]),
        received("finish"),
        lambda: pod.end(record(0)),
    )
    assert status == 0
    kinds = [event["event"] for event in archive.live]
    assert kinds == ["waiting", "ready", "open", "session", "collected", "start", "end", "finish"]
    posts = archive.requests.index(("PUT", "manifest"))
    assert ("POST", "live") not in archive.requests[posts:]


def test_live_events_are_reported_before_the_result(pod: Pod, archive: FakeArchive) -> None:
    pod.finished()
    pod.collect()
    assert [event["event"] for event in archive.live][-1] == "finish"


def test_a_run_that_died_keeps_its_tests_and_the_running_one(pod: Pod, archive: FakeArchive) -> None:
    pod.append("events.jsonl", [session(), collected(3), *whole("t.py::test_a"), start("t.py::test_b")])
    pod.append("events.jsonl", b'{"t": 103, "event": "phase", "id": "t.py::te')  # killed while it wrote
    pod.append("output.log", b"Fatal Python error: Segmentation fault\n")
    pod.end(record(None, signal="SIGSEGV"))
    status = pod.collect()[0]
    assert status == 0
    summary = archive.summary
    assert (summary["outcome"], summary["running"], summary["complete"]) == ("died", "t.py::test_b", False)
    assert (summary["tests"]["passed"], summary["tests"]["total"]) == (1, 3)
    assert "Segmentation fault" in summary["outputTail"]
    assert summary["notes"] == []
    junit = ElementTree.fromstring(archive.files["junit.xml"])
    assert [(case.get("name"), [child.tag for child in case]) for case in junit.iter("testcase")] == [
        ("test_a", []),
        ("test_b", ["error"]),
    ]


def test_a_container_that_was_killed_leaves_no_record(pod: Pod, archive: FakeArchive) -> None:
    pod.append("events.jsonl", [session(), collected(1), start("t.py::test_a")])
    status = pod.collect(lambda: None, stop=True)[0]
    assert status == 0
    assert archive.summary["outcome"] == "no-exit-record"
    assert "exit.json" not in archive.files


def test_what_came_last_is_read_after_a_signal_to_end(pod: Pod, archive: FakeArchive) -> None:
    status = pod.collect(pod.finished, stop=True)[0]
    assert (status, archive.summary["outcome"]) == (0, "failed")


def test_no_pytest(pod: Pod, archive: FakeArchive) -> None:
    pod.append("output.log", b"/usr/bin/python: No module named pytest\n")
    pod.end(record(1))
    pod.collect()
    assert archive.summary["outcome"] == "no-pytest"
    assert sorted(archive.files) == sorted([*ALWAYS, "exit.json", "output.log"])


def test_gates_that_stayed_shut(pod: Pod, archive: FakeArchive) -> None:
    not_ready = [{"name": "controller", "error": "HTTP 503"}]
    pod.append("gates.jsonl", [{"t": 90.0, "event": "waiting", "name": "controller"}])
    pod.append("gates.jsonl", [{"t": 99.0, "event": "timeout", "notReady": not_ready}])
    pod.end({"exitCode": None, "gateTimeout": True, "notReady": not_ready, "startedAt": 90.0, "endedAt": 99.0})
    pod.collect()
    summary = archive.summary
    assert (summary["outcome"], summary["notReady"], summary["gateTimeout"]) == ("gate-timeout", not_ready, True)


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("events.jsonl", b"garbage\n" + lines(EVENTS), "event: no JSON: Expecting value"),
        ("events.jsonl", lines([{"t": 1.0, "event": "end"}, *EVENTS]), "end event: id: missing"),
        (
            "events.jsonl",
            lines([{"t": "x", "event": "start"}, *EVENTS]),
            "start event: t: expected a number, found text",
        ),
        ("gates.jsonl", lines([{"event": "open"}]), "open event: t: missing"),
    ],
)
def test_files_with_nonsense_lose_nothing_else(
    pod: Pod, archive: FakeArchive, name: str, content: bytes, note: str
) -> None:
    pod.finished()
    (pod.results / name).write_bytes(content)
    status = pod.collect()[0]
    assert status == 0
    assert f"1 lines of events could not be read, the first: {note}" in archive.summary["notes"][0]
    assert archive.summary["outcome"] == "failed"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "exit record: no JSON"),
        (b"[]", "exit record: expected an object, found a list"),
        (json.dumps(record(0, lost=["x"])).encode(), "exit record: lost[0]: expected an object, found text"),
        (json.dumps(record(0, endedAt="soon")).encode(), "exit record: endedAt: expected a number, found text"),
        (json.dumps(record(0, error="x" * 70_000)).encode(), "exit record: larger than 65536 bytes"),
        (b"[" * 60_000, "exit record: more than 10000 entries"),
    ],
)
def test_an_exit_record_that_can_not_be_read_is_a_result_with_a_name(
    pod: Pod, archive: FakeArchive, content: bytes, problem: str
) -> None:
    pod.finished([session(), collected(1), *whole("t.py::test_a"), finish(0)], code=0)
    pod.leave(content)
    assert pod.collect()[0] == 0
    assert archive.summary["outcome"] == "inconsistent"
    assert problem in archive.summary["error"]
    assert archive.summary["complete"] is False


def test_a_test_that_deletes_the_results_does_not_hide_what_was_seen(pod: Pod, archive: FakeArchive) -> None:
    def delete() -> None:
        for file in pod.results.iterdir():
            file.unlink()

    pod.append("events.jsonl", EVENTS[:-1])
    pod.collect(lambda: bool(archive.live), delete, lambda: pod.end(record(0)))
    assert archive.files["events.jsonl"] == lines(EVENTS[:-1])
    assert archive.summary["outcome"] == "died"


def failing(times: int, status: int, *paths: str) -> Callable[[str, str], int | None]:
    """Answers with this status so many times for each of these paths."""
    left = dict.fromkeys(paths, times)

    def fault(_method: str, path: str) -> int | None:
        if left.get(path, 0) > 0:
            left[path] -= 1
            return status
        return None

    return fault


@pytest.mark.parametrize("status", [500, 503, 429, 422])
@pytest.mark.parametrize("path", ["files/events.jsonl", "files/summary.json", "manifest"])
def test_passing_failures_are_retried(pod: Pod, archive: FakeArchive, status: int, path: str) -> None:
    archive.fault = failing(2, status, path)
    pod.finished()
    assert pod.collect()[0] == 0
    assert archive.manifest is not None


def test_a_file_that_the_archive_lost_is_sent_again(pod: Pod, archive: FakeArchive) -> None:
    lost: list[bytes] = []

    def fault(_method: str, path: str) -> int | None:
        if path == "manifest" and not lost:
            lost.append(archive.files.pop("junit.xml"))
        return None

    archive.fault = fault
    pod.finished()
    assert pod.collect()[0] == 0
    assert archive.files["junit.xml"] == lost[0]


@pytest.mark.parametrize(
    ("status", "expected"),
    [(401, "the archive refused the results"), (403, "the archive refused"), (409, "the archive refused")],
)
def test_a_refusal_is_final_and_reported(pod: Pod, archive: FakeArchive, status: int, expected: str) -> None:
    archive.fault = lambda method, path: status
    pod.finished()
    code, message = pod.collect()
    assert code == 1
    assert message.code == Code.RESULTS_REFUSED
    assert expected in message.message
    assert f"HTTP {status}" in message.message
    assert len([path for _, path in archive.requests if path != "live"]) <= 2


def test_a_full_share_is_final_and_has_a_code_of_its_own(pod: Pod, archive: FakeArchive) -> None:
    archive.fault = lambda method, path: 507
    archive.code = "archive-quota-exceeded"
    pod.finished()
    code, message = pod.collect()
    assert (code, message.code) == (1, Code.ARCHIVE_QUOTA_EXCEEDED)
    assert "told to answer 507 (a test does this)" in message.message
    assert len([path for _, path in archive.requests if path != "live"]) <= 2


def test_an_archive_that_stays_away_is_reported(pod: Pod, archive: FakeArchive) -> None:
    pod.env["SEATRIAL_ARCHIVE_PATIENCE"] = "1"
    archive.fault = lambda method, path: 503
    pod.finished()
    code, message = pod.collect()
    assert code == 1
    assert message.code == Code.ARCHIVE_UNAVAILABLE
    assert message.message.startswith("archive unavailable: 127.0.0.1:")
    assert TerminationMessage.parse(pod.termination.read_bytes()) == message


def test_failures_of_live_events_do_not_touch_results(pod: Pod, archive: FakeArchive) -> None:
    archive.fault = lambda method, path: 400 if path == "live" else None
    pod.finished()
    assert pod.collect()[0] == 0
    assert archive.live == []


def test_live_backlog_is_bounded_and_the_gap_is_reported(archive: FakeArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_events, "BACKLOG", 10_000)
    away = True
    archive.fault = lambda method, path: 503 if away else None
    live = Live(Uploader(archive.url, TOKEN, UID, 1, 0))
    for number in range(1000):
        live.offer(parse_event(start(f"t.py::test_{number}")))
    away = False
    deadline = time.monotonic() + 60
    while "dropped" not in [event["event"] for event in archive.live]:
        assert time.monotonic() < deadline
        live.offer(parse_event(session()))
        time.sleep(0.01)
    live.close(60)
    kinds = [event["event"] for event in archive.live]
    kept = kinds.count("start")
    assert len(lines(archive.live[:kept])) <= 10_000 * 1.2  # json.dumps here puts spaces
    assert kinds[: kept + 2] == ["start"] * kept + ["dropped", "session"]
    assert archive.live[kept]["count"] >= 1000 - kept


def test_a_hundred_thousand_events_take_no_memory(tmp_path: Path) -> None:
    tests, newer = 12_500, lines([{"t": 101.0, "event": "newer"}]) * 6
    with (tmp_path / "events.jsonl").open("wb") as file:
        file.write(lines([session(), collected(tests)]))
        for number in range(tests):
            nodeid = f"tests/integration/test_many.py::test_number[{number}]"
            failed = [failure(nodeid, text="x" * 2000)] if number % 100 == 0 else []
            outcome = "failed" if failed else "passed"
            file.write(lines([start(nodeid), *failed]) + newer + lines([ended(nodeid, outcome)]))
        file.write(lines([finish(1)]))
    received = 0

    def offer(_event: Event) -> None:
        nonlocal received
        received += 1

    tracemalloc.start()
    follower = ResultsFollower(str(tmp_path), str(tmp_path), "many", offer)
    follower.poll()
    follower.end()
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    follower.close()
    assert (follower.facts.tests["passed"], follower.facts.tests["failed"]) == (12_375, 125)
    assert received == 8 * tests + 125 + 3
    assert peak < 8 * 1024 * 1024
    assert left < 512 * 1024  # 40 bytes a test
    count = sum(1 for _, element in ElementTree.iterparse(tmp_path / "junit.xml") if element.tag == "testcase")
    assert count == tests
    assert len(json.loads((tmp_path / "ctrf.json").read_bytes())["results"]["tests"]) == tests


def test_large_output_arrives_whole_and_only_its_end_is_kept(pod: Pod, archive: FakeArchive) -> None:
    output = b"x" * 10_000_000 + "é the end\n".encode()
    pod.finished(output=output)
    pod.collect()
    assert archive.files["output.log"] == output
    assert archive.summary["outputTail"].endswith("é the end\n")
    assert len(archive.summary["outputTail"]) == 2000


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        ({"t": 1.0, "event": "newer"}, None),
        ({"t": 1.0, "event": "phase", "id": "a", "when": "call", "outcome": "passed"}, None),
        (
            failure("a", stdout="o", stderr="e", log="l", text="x" * 9000),
            {name: value for name, value in failure("a", text="x" * 4096).items()
             if name not in ("stdout", "stderr", "log")},
        ),
        (
            {"t": 1.0, "event": "collected", "count": 0, "errors": [{"id": "a", "message": "m", "text": "t"}] * 9},
            {"t": 1.0, "event": "collected", "count": 0, "deselected": 0, "errorCount": 0,
             "errors": [{"id": "a", "message": "m"}] * 5},
        ),
    ],
)  # fmt: skip
def test_live_form(event: Event, sent: Event | None) -> None:
    assert live_form(parse_event(event)) == sent


def run_as_process(pod: Pod) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "seatrial_runner.collect"]
    return subprocess.Popen(program, env={**os.environ, **pod.env, "PYTHONPATH": RUNNER}, stderr=subprocess.PIPE)


def test_the_process_writes_its_message_and_ends_well(pod: Pod, archive: FakeArchive) -> None:
    pod.finished()
    process = run_as_process(pod)
    _, expected = process.communicate(timeout=60)
    assert process.returncode == 0, expected
    message = json.loads(pod.termination.read_text())
    assert archive.manifest is not None
    assert message["digest"] == f"sha256:{sha256(archive.manifest)}"


def test_the_process_ends_well_at_a_signal(pod: Pod, archive: FakeArchive) -> None:
    pod.append("events.jsonl", [session(), collected(1), start("t.py::test_a")])
    process = run_as_process(pod)
    deadline = time.monotonic() + 60
    while not archive.live:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, expected = process.communicate(timeout=60)
    assert process.returncode == 0, expected
    assert archive.summary["outcome"] == "no-exit-record"


def test_the_process_shows_what_is_wrong_with_its_settings(pod: Pod, archive: FakeArchive) -> None:
    del pod.env["SEATRIAL_RUN_UID"]
    process = run_as_process(pod)
    _, expected = process.communicate(timeout=60)
    assert process.returncode == 1
    assert TerminationMessage.parse(pod.termination.read_bytes()) == TerminationMessage(
        Code.SETTINGS_WRONG, "the environment variable SEATRIAL_RUN_UID is not set"
    )
    assert b"SEATRIAL_RUN_UID is not set" in expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SEATRIAL_RUN", "", "SEATRIAL_RUN is not set"),
        ("SEATRIAL_ATTEMPT", "one", "SEATRIAL_ATTEMPT must be a whole number, not 'one'"),
        ("SEATRIAL_ARTIFACTS", "logs/**", "SEATRIAL_ARTIFACTS must be a JSON list"),
        ("SEATRIAL_ARTIFACTS", "[1]", "SEATRIAL_ARTIFACTS must be a JSON list"),
        ("SEATRIAL_ARTIFACTS_LIMIT", "1Gi", "SEATRIAL_ARTIFACTS_LIMIT must be a whole number"),
        ("JOB_COMPLETION_INDEX", "7", "shard-7 can't be read"),
    ],
)
def test_settings_that_are_wrong(pod: Pod, name: str, value: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Settings.from_env({**pod.env, name: value})
