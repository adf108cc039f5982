"""One JUnit or CTRF report of an attempt: of all its shards, each file that was not run once.

Written from the shards' events by the same code as each shard's own reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from seatrial.archive.model.report import Report
from seatrial_protocol.events import BAD_OUTCOMES, Event, Finish
from seatrial_protocol.summary import Summary
from seatrial_runner.lines import Lines
from seatrial_runner.report.assembly import Assembly
from seatrial_runner.report.cases import Case, Failure
from seatrial_runner.report.ctrf import Ctrf
from seatrial_runner.report.junit import JUnit

T = TypeVar("T")
Form = Literal["junit", "xunit", "ctrf"]
"""`xunit`: JUnit with nothing but what the schema of Jenkins' xUnit plugin has."""

_HELD = 16 * 2**20  # characters of the tests that are running


@dataclass(frozen=True)
class Part:
    """The result of one shard."""

    attempt: int
    shard: int
    summary: Summary | None
    """summary.json; None if it can't be used."""
    events: Callable[[], Iterator[bytes]]
    """The chunks of events.jsonl; none if it is missing. May be asked for twice."""


def write(path: Path, form: Form, report: Report, parts: Sequence[Part]) -> None:
    """Writes the merged report of a run; what is held of it doesn't grow with the number of tests.

    A run that did not pass, although no test says so, has its diagnosis in it as a test that could not run: who reads
    only this file must not take it for a good one.

    Raises:
        OSError: the file can't be written.
    """
    junit = JUnit(str(path), strict=form == "xunit") if form != "ctrf" else None
    ctrf = Ctrf(str(path)) if form == "ctrf" else None
    writer: JUnit | Ctrf | None = junit or ctrf
    assert writer is not None
    bad = False
    for case in cases(parts):
        bad = bad or case.outcome in BAD_OUTCOMES
        writer.add(case)
    if (of_run := diagnosis(report, bad=bad)) is not None:
        writer.add(of_run)
    run = report.run
    summaries = [part.summary for part in parts if part.summary is not None]
    began = [at for at in (_first([of.first_test_at, of.started_at]) for of in summaries) if at is not None]
    ends = [at for at in (_first([of.ended_at, of.last_test_ended_at]) for of in summaries) if at is not None]
    started = min(began, default=run.created_at.timestamp())
    ended = max(ends, default=started)
    pytest = _first(of.pytest for of in summaries)
    about = {
        "run": run.name, "namespace": run.namespace, "uid": run.uid, "verdict": run.verdict or "", "reason": run.reason,
        "attempts": str(len(run.attempts)), "shards": str(len({part.shard for part in parts})),
        "pytest": pytest or "", "python": _first(of.python for of in summaries) or "",
    }  # fmt: skip
    properties = {name: value for name, value in about.items() if value}
    if junit is not None:
        junit.close(run.name, started, properties)
    if ctrf is not None:
        ctrf.close(started, ended, pytest, dict(properties))


def cases(parts: Iterable[Part]) -> Iterator[Case]:
    """Every test of an attempt as it ended, in the order of shards."""
    files: set[str] = set()
    for part in sorted(parts, key=lambda part: part.shard):
        for case in of_events(part.events()):
            if case.is_file:  # not collected, or skips itself: each shard that collects it says so
                if case.id in files:
                    continue
                files.add(case.id)
            yield case


def diagnosis(report: Report, *, bad: bool) -> Case | None:
    """What went wrong with the run itself, as a test; None if tests show it (`bad`: some do) or nothing did."""
    run = report.run
    if run.verdict in (None, "Passed") or (run.verdict == "Failed" and bad):
        return None
    cause = f"{run.reason}: {run.message}" if run.reason else run.message or run.verdict
    evidence = [f"{hint.file}: {hint.line}\n  {hint.title}; {hint.advice}" for hint in report.hints]
    failure = Failure("run", cause, "\n".join([cause, *evidence]))
    return Case(f"seatrial::{run.verdict}", None, "error", failures=[failure])


def of_events(chunks: Iterable[bytes], lines: Lines | None = None) -> Iterator[Case]:
    """The tests in a shard's events.jsonl, in the order in which they ended; at last those that never did.

    As the shard's own reports have them: what is written after the session's end counts for nothing. `lines` counts
    those that are no events.
    """
    lines, assembly = lines or Lines(), Assembly(_HELD)

    def events() -> Iterator[Event]:
        for chunk in chunks:
            yield from lines.feed(chunk)
        yield from lines.end()

    for event in events():
        yield from assembly.add(event)
        if isinstance(event, Finish):
            break
    yield from assembly.abandon()


def _first(values: Iterable[T | None]) -> T | None:
    return next((value for value in values if value), None)
