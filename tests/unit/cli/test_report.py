"""How a run ended, on a screen of 80 columns; and what moves on a terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from seatrial.api.status import IntegrationRunStatus
from seatrial.archive.model.report import Span, spans, took
from seatrial.cli.errors import Exit, exit_of
from seatrial.cli.output import ASCII, UNICODE, Glyphs, Out
from seatrial.cli.progress import Mark, ProgressLine, RunProgress
from seatrial.cli.report import headline, show
from seatrial.cli.run import Run
from seatrial.cli.runs import age, table
from seatrial.cli.version import tag
from seatrial.cli.view import PlainView, display
from seatrial_protocol.events import parse_event

TIMELINE = {
    "queued": "2026-01-01T00:00:00Z",
    "started": "2026-01-01T00:00:00.120Z",
    "environmentReady": "2026-01-01T00:00:02.200Z",
    "firstTest": "2026-01-01T00:00:02.700Z",
    "lastTest": "2026-01-01T00:00:05.900Z",
    "verdict": "2026-01-01T00:00:06.400Z",
}
LONG_TEST = (
    "tests/integration/orders/test_everything.py::TestOrders::"
    "test_that_an_order_of_many_things_goes_through[all-of-them]"
)


def failed_run() -> dict[str, Any]:
    return {
        "metadata": {"name": "pr-1", "namespace": "default"},
        "status": {
            "phase": "CleaningUp", "verdict": "Failed", "reason": "TestsFailed", "message": "1 of 3 tests failed",
            "tests": {"total": 3, "passed": 1, "failed": 1, "errors": 0, "skipped": 1},
            "testsSummary": "1/3",
            "failures": [{"id": LONG_TEST, "catalogueId": "INT-020",
                          "message": "AssertionError: " + "very long " * 20}],
            "slowest": [{"id": LONG_TEST, "seconds": "1.250"}],
            "results": {"digest": "sha256:1"},
            "timeline": TIMELINE,
        },
    }  # fmt: skip


def printed(
    run: dict[str, Any], encoding: str = "utf-8", command: str = "seatrial results pr-1 -o DIR", **options: bool
) -> str:
    buffer = io.BytesIO()
    out = Out(io.TextIOWrapper(buffer, encoding=encoding, write_through=True))
    show(out, Run.of(run), command, **options)
    return buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("verdict", "reason", "code"),
    [
        ("Passed", "TestsPassed", 0),
        ("Failed", "TestsFailed", 1),
        ("Failed", "CollectionError", 1),
        ("Failed", "TestTimeout", 1),
        ("Cancelled", "Cancelled", 2),
        ("Errored", "ServiceNotReady", 3),
        ("Errored", "ArchiveUnavailable", 3),
        ("Errored", "a reason of a later version", 3),
        ("Errored", "InvalidSpec", 4),
        ("Failed", "UsageError", 4),
        ("Errored", "UsageError", 4),
        ("Failed", "NoTestsCollected", 5),
        ("Errored", "NoTestsCollected", 5),
    ],
)
def test_exit_status(verdict: str, reason: str, code: int) -> None:
    assert exit_of(verdict, reason) == Exit(code)


def test_a_failed_run() -> None:
    text = printed(failed_run())
    assert text.splitlines()[0] == "✗ Failed 1/3  1 failed, 1 skipped  pr-1, 6.3 s"
    assert f"{LONG_TEST} (INT-020)" in text  # an id is never cut: people copy it
    assert "  Results  seatrial results pr-1 -o DIR" in text
    assert "1 of 3 tests failed" not in text  # said by the first line already


def test_the_verdict_may_be_the_last_word() -> None:
    lines = printed(failed_run(), command="", verdict_last=True).splitlines()
    assert lines[-2:] == ["", "✗ Failed 1/3  1 failed, 1 skipped  pr-1, 6.3 s"]
    assert lines[0] == "  Failed tests"
    assert [line for line in lines if "Results" in line] == []


def test_all_but_names_fits_80_columns() -> None:
    too_long = [line for line in printed(failed_run()).splitlines() if len(line) > 80 and LONG_TEST not in line]
    assert too_long == []


def test_no_line_ends_with_spaces() -> None:
    assert [line for line in printed(failed_run()).splitlines() if line != line.rstrip()] == []


def test_a_terminal_without_utf_8() -> None:
    run = failed_run()
    run["status"]["failures"][0]["message"] = "expected “ü”"
    text = printed(run, "ascii")
    assert text.startswith("x Failed 1/3")
    assert "expected ?" in text


def test_an_errored_run_says_why_and_what_to_do() -> None:
    run = failed_run()
    message = "controller did not get ready within 5m: http://controller:8000/health answered 503; see its log"
    run["status"] |= {"verdict": "Errored", "reason": "AppNotReady", "message": message, "tests": None, "failures": []}
    text = printed(run)
    assert text.splitlines()[0].startswith("! Errored AppNotReady")
    assert " ".join(text.split()).find(message) > 0


@pytest.mark.parametrize(
    ("phase", "conditions", "shown"),
    [
        ("Failed", [], True),
        ("CleaningUp", [], False),
        ("Failed", [{"type": "CleanedUp", "status": "True"}], False),
    ],
)
def test_an_environment_that_is_kept_is_reported(phase: str, conditions: list[dict[str, str]], shown: bool) -> None:
    run = failed_run()
    whole = [{"reason": "R", "lastTransitionTime": "2026-01-01T00:00:00Z"} | condition for condition in conditions]
    run["status"] |= {"phase": phase, "conditions": whole, "namespace": "st-pr-1-abcde"}
    assert ("kubectl get all -n st-pr-1-abcde" in printed(run)) is shown


def test_a_run_that_goes_on() -> None:
    run = failed_run()
    run["status"] = {"phase": "Testing", "message": "", "tests": {"total": 3, "passed": 1}}
    assert printed(run).splitlines() == ["· Testing 1/3  pr-1"]


def test_a_run_that_nobody_has_seen() -> None:
    run = {"metadata": {"name": "pr-1", "namespace": "default"}}
    assert printed(run).splitlines() == ["· not accepted yet  pr-1"]


def test_more_failures_than_are_listed() -> None:
    run = failed_run()
    run["status"]["tests"] |= {"failed": 30, "errors": 2}
    assert "and 31 more; the results have all" in printed(run)


def test_where_the_time_went() -> None:
    parts = spans(TIMELINE)
    assert [part.name for part in parts] == [
        "environment", "pytest: start and collection", "tests", "results and verdict",
    ]  # fmt: skip
    assert sum(part.seconds for part in parts) == pytest.approx(took(TIMELINE))


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ({}, []),
        ({"queued": "2026-01-01T00:00:00Z"}, []),
        (
            {"queued": "2026-01-01T00:00:00Z", "verdict": "2026-01-01T00:00:05Z"},
            [Span("waiting for the operator", 5.0)],
        ),
        (
            {"queued": "2026-01-01T00:00:00Z", "started": "2026-01-01T00:00:01.5Z", "verdict": "2026-01-01T00:00:03Z"},
            [Span("waiting for the operator", 1.5), Span("environment", 1.5)],
        ),
        ({"started": "2026-01-01T00:00:05Z", "verdict": "2026-01-01T00:00:04Z"}, [Span("environment", 0.0)]),
        ({"queued": "yesterday", "started": None, "verdict": "2026-01-01T00:00:04Z"}, []),
    ],
)
def test_a_timeline_with_gaps(timeline: dict[str, Any], expected: list[Span]) -> None:
    assert spans(timeline) == expected


def test_headline_without_tests_is_the_reason() -> None:
    assert headline(IntegrationRunStatus(reason="MigrationFailed")) == "MigrationFailed"


def test_the_table_of_runs() -> None:
    runs = [
        failed_run(),
        {"metadata": {"name": "newer", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}},
    ]
    runs[0]["metadata"]["creationTimestamp"] = "2025-12-30T00:00:00Z"
    out = io.StringIO()
    console = Console(file=out, width=80)
    console.print(table([Run.of(run) for run in runs], datetime(2026, 1, 1, 0, 5, tzinfo=UTC), everywhere=True))
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert rows == [
        ["NAMESPACE", "NAME", "STATE", "TESTS", "REASON", "AGE"],
        ["default", "newer", "-", "-", "-", "5m"],
        ["default", "pr-1", "Failed", "1/3", "TestsFailed", "2d"],
    ]


@pytest.mark.parametrize(("seconds", "text"), [(-3, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (90000, "1d")])
def test_age(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("seatrial/operator:0.1.0", "0.1.0"),
        ("reg.example:5000/seatrial/operator:0.1.0@sha256:ab", "0.1.0"),
        ("reg.example:5000/seatrial/operator", "latest"),
        ("seatrial/operator@sha256:ab", "sha256:ab"),
    ],
)
def test_tag_of_an_image(image: str, expected: str) -> None:
    assert tag(image) == expected


@pytest.mark.parametrize(
    ("mark", "follow", "expected"),
    [
        (Mark.READY, False, "[+1.5s] ✓ it\n"),
        (Mark.BAD, False, "[+1.5s] ✗ it\n"),
        (Mark.HINT, False, "[+1.5s] ! it\n"),
        (Mark.PASSED, False, ""),
        (Mark.PASSED, True, "[+1.5s] ✓ it\n"),
        (Mark.SKIPPED, True, "[+1.5s] - it\n"),
        (Mark.COUNT, False, "[+1.5s] · it\n"),
        (Mark.COUNT, True, ""),  # each test is shown anyway
    ],
)
def test_plain_lines(mark: Mark, follow: bool, expected: str) -> None:
    buffer = io.BytesIO()
    out = Out(io.TextIOWrapper(buffer, encoding="utf-8", write_through=True))
    PlainView(out, follow=follow).progress(ProgressLine(mark, "it"), 1.5)
    assert buffer.getvalue().decode() == expected


def screen(progress: RunProgress, width: int, glyphs: Glyphs, at: float = 5.0) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(display(progress, "pr-1 in default", at, glyphs, width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def half_way() -> RunProgress:
    spec = {"services": {"postgres": {}, "minio": {}}, "apps": {"web": {"port": 1}}}
    run = Run.of({"metadata": {"name": "pr-1", "namespace": "default"}, "spec": spec, "status": {"phase": "Testing"}})
    progress = RunProgress.of(run)
    progress.status(run, 1.0)
    for event in (
        {"event": "ready", "name": "postgres", "seconds": 0.61},
        {"event": "collected", "count": 4},
        {"event": "end", "id": "t.py::a", "outcome": "passed"},
        {"event": "end", "id": "t.py::b", "outcome": "failed"},
        {"event": "start", "id": LONG_TEST},
    ):
        progress.live(parse_event({"t": 1.0, **event}), 1, 0, 4.0)
    return progress


def test_the_display() -> None:
    first, parts, bar, running = screen(half_way(), 80, UNICODE)
    assert first.split() == ["pr-1", "in", "default", "Testing", "5", "s"]
    assert parts.split() == ["✓", "postgres", "610", "ms", "✓", "minio", "✓", "web"]
    assert bar == "  " + "━" * 16 + "─" * 16 + "  2/4  1 passed, 1 failed"
    assert running.endswith("goes_through[all-of-them]  1 s")  # the end of an id says more than its beginning


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_the_display_fits_every_width(width: int) -> None:
    assert max(map(len, screen(half_way(), width, ASCII))) <= width


def test_the_display_without_utf_8_is_ascii() -> None:
    assert "".join(screen(half_way(), 80, ASCII)).isascii()
