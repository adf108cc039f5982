"""From events to lines: the state of a run while it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.cli.phrases import counts_text, seconds
from seatrial.cli.progress import Mark, RunProgress
from seatrial.cli.run import Run
from seatrial_protocol.events import Event, parse_event

METADATA = {"name": "pr-1", "namespace": "default"}
CONDITION = {"reason": "R", "lastTransitionTime": "2026-01-01T00:00:00Z"}
RUN = Run.of({
    "metadata": METADATA,
    "spec": {
        "services": {"postgres": {}},
        "migrations": [{"name": "schema"}],
        "apps": {"web": {"port": 80}, "api": {"ports": {"grpc": 9}}, "worker": {}},
        "tests": {"image": "t"},
    }
})  # fmt: skip


def lines(progress: RunProgress, *events: dict[str, Any], shard: int = 0, attempt: int = 1) -> list[str]:
    return [line.text for event in events for line in progress.live(read(event), attempt, shard, 1.0)]


def read(event: dict[str, Any]) -> Event:
    return parse_event({"t": 1.0, **event})


def status(**fields: Any) -> Run:
    conditions = [CONDITION | condition for condition in fields.pop("conditions", ())]
    return Run.of({"metadata": METADATA, "status": {**fields, "conditions": conditions}})


def end(test: str, outcome: str = "passed", seconds: float = 0.2) -> dict[str, Any]:
    return {"event": "end", "id": test, "outcome": outcome, "seconds": seconds}


COLLECTED = {"event": "collected", "count": 2, "deselected": 0, "errors": []}
FAILED_PHASE = {"event": "phase", "id": "t.py::b", "when": "call", "outcome": "failed", "message": "assert 1 == 2"}


def test_what_the_tests_wait_for_is_known_from_the_spec() -> None:
    # nothing waits for an app without a port
    assert list(RunProgress.of(RUN).parts) == ["postgres", "migrations", "web", "api"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"event": "waiting", "name": "postgres"}, []),
        ({"event": "ready", "name": "postgres", "seconds": 0.61}, ["postgres ready (610 ms)"]),
        ({"event": "ready", "name": "postgres"}, ["postgres ready"]),
        ({"event": "open", "seconds": 1.24}, ["everything is ready (1.2 s), pytest starts"]),
        (
            {"event": "timeout", "notReady": [{"name": "web", "error": "http 503"}]},
            ["web is not ready: http 503"],
        ),
        (
            {"event": "collected", "count": 1, "deselected": 3, "errors": []},
            ["everything is ready, pytest starts", "1 test collected, 3 deselected"],
        ),
        (
            {"event": "collected", "count": 0, "errors": [{"id": "t.py", "message": "No module\nnamed x"}]},
            ["everything is ready, pytest starts", "0 tests collected", "t.py can't be collected: No module named x"],
        ),
        ({"event": "start", "id": "t.py::a"}, []),
        (end("t.py::a"), ["t.py::a (200 ms)"]),
        (end("t.py::a", "skipped", 0), ["t.py::a (0 ms) skipped"]),
        (end("t.py::a", "xfailed"), ["t.py::a (200 ms) xfailed"]),
        (end("t.py::\x1b[31ma", "failed"), ["t.py:: [31ma (200 ms)"]),
        ({"event": "finish", "exitStatus": 0}, ["pytest ended"]),
        ({"event": "newer"}, []),
        ({"event": "of a later version"}, []),
    ],
)
def test_events(event: dict[str, Any], expected: list[str]) -> None:
    assert lines(RunProgress.of(RUN), event) == expected


def test_a_failing_test_is_reported_with_its_reason() -> None:
    progress = RunProgress.of(RUN)
    notes = [note for event in (COLLECTED, FAILED_PHASE, end("t.py::b", "failed"))
             for note in progress.live(read(event), 1, 0, 1.0)]  # fmt: skip
    assert (notes[-1].mark, notes[-1].text) == (Mark.BAD, "t.py::b (200 ms): assert 1 == 2")
    assert (progress.ended, progress.failed, progress.of_total()) == (1, 1, "1/2")


def test_what_is_reported_twice_is_noted_once() -> None:
    progress = RunProgress.of(RUN)
    events: list[dict[str, Any]] = [
        {"event": "ready", "name": "postgres", "seconds": 0.6}, {"event": "open", "seconds": 1.0}, COLLECTED,
        {"event": "start", "id": "t.py::a"}, end("t.py::a"), {"event": "finish", "exitStatus": 0},
    ]  # fmt: skip
    assert len(lines(progress, *events)) == 5
    assert lines(progress, *events) == []
    assert progress.counts == {"passed": 1}
    assert progress.running == {}


def test_both_sources_may_tell_that_everything_is_ready() -> None:
    progress = RunProgress.of(RUN)
    ready = status(phase="Testing", conditions=[{"type": "EnvironmentReady", "status": "True"}])
    assert [note.text for note in progress.status(ready, 1.0)] == ["everything is ready, pytest starts"]
    assert lines(progress, {"event": "open", "seconds": 1.0}) == []
    assert all(part.ready for part in progress.parts.values())


def test_the_status_alone_is_enough() -> None:
    progress = RunProgress.of(RUN)
    printed_lines = [
        note.text
        for step in (
            status(phase="Pending"),
            status(phase="Starting", namespace="st-a-12345"),
            status(phase="Starting", namespace="st-a-12345", message="web: ErrImagePull"),
            status(phase="Testing", namespace="st-a-12345",
                   conditions=[{"type": "EnvironmentReady", "status": "True"}]),
            status(phase="Testing", tests={"total": 3, "passed": 1}),
            status(phase="Collecting", tests={"total": 3, "passed": 2, "failed": 1},
                   conditions=[{"type": "TestsFinished", "status": "True"}]),
            status(phase="Failed", verdict="Failed", message="1 of 3 tests failed"),
        )
        for note in progress.status(step, 1.0)
    ]  # fmt: skip
    assert printed_lines == [
        "environment st-a-12345 is starting",
        "web: ErrImagePull",
        "everything is ready, pytest starts",
        "tests ended: 2 passed, 1 failed",
    ]
    assert progress.verdict == "Failed"


def test_tests_are_not_counted_twice_by_two_sources() -> None:
    progress = RunProgress.of(RUN)
    progress.status(status(phase="Testing", tests={"total": 2, "passed": 1}), 1.0)
    lines(progress, COLLECTED, end("t.py::a"))
    assert progress.of_total() == "1/2"
    lines(progress, end("t.py::b"))
    assert progress.of_total() == "2/2"


def test_a_shard_that_finds_more_tests_later_says_so() -> None:
    progress = RunProgress.of(RUN)
    lines(progress, COLLECTED, end("t.py::a"))
    assert lines(progress, COLLECTED | {"count": 5}) == []
    assert progress.of_total() == "1/5"


def test_shards_add_up() -> None:
    progress = RunProgress.of(RUN)
    for shard in (0, 1):
        lines(progress, COLLECTED, end("t.py::a"), shard=shard)
    assert progress.of_total() == "2/4"
    assert lines(progress, {"event": "finish", "exitStatus": 0}, shard=0) == []
    assert lines(progress, {"event": "finish", "exitStatus": 0}, shard=1) == ["tests ended: 2 passed"]


def test_a_new_attempt_begins_anew_and_the_old_one_is_over() -> None:
    progress = RunProgress.of(RUN)
    lines(progress, {"event": "ready", "name": "postgres", "seconds": 0.6}, COLLECTED, end("t.py::a"))
    assert lines(progress, {"event": "waiting", "name": "postgres"}, attempt=2) == ["attempt 2, in a fresh environment"]
    assert (progress.ended, progress.total, progress.parts["postgres"].ready) == (0, None, False)
    assert lines(progress, end("t.py::b"), attempt=1) == []


def test_the_running_test_is_known() -> None:
    progress = RunProgress.of(RUN)
    progress.live(read({"event": "start", "id": "t.py::a"}), 1, 0, 3.5)
    assert progress.running == {"t.py::a": 3.5}


def test_counts_are_reported_now_and_then() -> None:
    progress = RunProgress.of(RUN)
    lines(progress, COLLECTED, end("t.py::a"))
    assert progress.tick(5.0) == []
    assert [note.text for note in progress.tick(10.0)] == ["1/2 tests: 1 passed"]
    assert progress.tick(30.0) == []  # nothing new


def test_an_operator_that_does_not_run_is_suspected_once() -> None:
    progress = RunProgress.of(RUN)
    assert progress.tick(9.0) == []
    assert "is it running?" in progress.tick(10.0)[0].text
    assert progress.tick(11.0) == []
    taken_up = RunProgress.of(RUN)
    taken_up.status(status(phase="Starting"), 0.1)
    assert taken_up.tick(60.0) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.61, "610 ms"), (125, "2 min 05 s"), (None, ""), (-1, ""), ("1", ""), (1e300, ""), (float("nan"), ""),
        (True, ""),
    ],
)  # fmt: skip
def test_times_for_people(value: object, text: str) -> None:
    assert seconds(value) == text


def test_counts_for_people() -> None:
    assert counts_text({"failed": 1, "passed": 2, "skipped": 0, "errors": 1}) == "2 passed, 1 failed, 1 error"
    assert counts_text({"errors": 2}) == "2 errors"
    assert counts_text({}) == "none"
