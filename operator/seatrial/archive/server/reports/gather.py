"""What the reports are made of: the history and the stored files of a run. Blocks: call it in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from typing import Protocol

from seatrial.archive.model.errors import ArchiveRuleError, NotFoundError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.questions import TestFilter, TestOrder
from seatrial.archive.model.report import Report
from seatrial.archive.model.runs import Attempt, RunDetail
from seatrial.archive.model.summaries import parse_summary
from seatrial.archive.model.tests import TestPage, TestRow
from seatrial.archive.server.history.counts import counts_of
from seatrial.archive.server.history.history import History
from seatrial.archive.server.reports.coverage import Coverage
from seatrial.archive.server.reports.merge import Part
from seatrial.archive.server.sets.results import CompleteSet
from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.hints import Hint, parse_hints

EVENTS = "events.jsonl"
HINTS = "hints.json"
COVERAGE = "coverage/coverage.xml"
_RATES_REMEMBERED = 1_000
FAILED, FLAKY, SLOWEST = 20, 10, 5
"""Tests that are listed, at most."""


class Chunks(Protocol):
    """The stored files, read in a stream."""

    def chunks(self, key: SetKey, path: str) -> Iterator[bytes]:
        """A file, piece by piece.

        Raises:
            NotFoundError: it does not exist.
        """
        ...


class Files(Chunks, Protocol):
    """What is asked of the store."""

    def results(self, uid: str) -> list[CompleteSet]:
        """The complete shards of a run."""
        ...

    def read(self, key: SetKey, path: str) -> bytes:
        """A small file.

        Raises:
            NotFoundError: it does not exist.
        """
        ...


def report(history: History, files: Files, run: RunDetail, attempt: int | None = None) -> Report:
    """The essence of a run; its tests are those of an attempt, of the last one if none is given: it judges."""
    attempt = attempt if attempt is not None or run.last is None else run.last.attempt

    def those(limit: int, order: TestOrder, outcome: str) -> TestPage:
        return history.tests.page(run.uid, TestFilter(outcome=outcome, attempt=attempt), limit, order=order)

    def whole(page: TestPage) -> tuple[TestRow, ...]:
        return tuple(history.tests.get(run.uid, row.attempt, row.id, row.shard) or row for row in page.tests)

    bad = those(FAILED, "bad-first", "bad")
    flaky = those(FLAKY, "id", "flaky")
    return Report(
        run=run,
        hints=hints(files, run),
        failed=whole(bad),
        failed_total=bad.total,
        flaky=whole(flaky),
        slowest=history.tests.slowest(run.uid, attempt, SLOWEST),
        line_rate=line_rate(files, run.uid, run.last),
    )


def as_of(run: RunDetail, number: int) -> RunDetail:
    """The run as if this attempt were all of it.

    Raises:
        NotFoundError: it has no such attempt.
    """
    attempt = next((attempt for attempt in run.attempts if attempt.attempt == number), None)
    if attempt is None:
        raise NotFoundError(f"the run has no attempt {number}", "its page lists its attempts")
    return replace(
        run,
        attempt=number,
        attempts=(attempt,),
        verdict=attempt.verdict,
        reason=attempt.reason,
        message=attempt.message,
        ended_at=attempt.timeline.verdict,
        tests=counts_of(shard.facts for shard in attempt.shards),
    )


def hints(files: Files, run: RunDetail) -> tuple[Hint, ...]:
    """What the evidence of the last attempt says."""
    if run.last is None:
        return ()
    try:
        return parse_hints(files.read(SetKey(run.uid, run.last.attempt, None), HINTS))
    except (NotFoundError, ProtocolError):
        return ()


def measured(attempt: Attempt | None) -> dict[int, float]:
    """Of each shard of an attempt that measured coverage: the part of the lines that ran, 0 to 1."""
    shards = attempt.shards if attempt else ()
    return {shard.shard: shard.facts.coverage.line_rate for shard in shards if shard.facts and shard.facts.coverage}


def line_rate(files: Chunks, uid: str, attempt: Attempt | None) -> float | None:
    """The part of the lines that ran in any shard of the attempt, 0 to 1; None if it is not known."""
    rates = measured(attempt)
    if attempt is None or len(rates) < 2:
        return next(iter(rates.values()), None)
    try:
        keys = tuple(SetKey(uid, attempt.attempt, shard) for shard in sorted(rates))
        return _merged_rate(files, keys)  # type: ignore[arg-type]  # no protocol says that it can be hashed
    except ArchiveRuleError:
        return None  # a request for the report itself answers why


@lru_cache(_RATES_REMEMBERED)
def _merged_rate(files: Chunks, keys: tuple[SetKey, ...]) -> float | None:
    """Of shards that are complete: nothing of them changes."""
    return coverage(files, keys).line_rate


def coverage(files: Chunks, keys: Iterable[SetKey]) -> Coverage:
    """What these shards covered together.

    Raises:
        InvalidError, NotFoundError, TooLargeError: one of their reports can't be read.
    """
    together = Coverage()
    for key in keys:
        together.add(files.chunks(key, COVERAGE))
    return together


def parts(files: Files, uid: str, attempt: int | None = None) -> list[Part]:
    """The results of all shards of an attempt; None: of all attempts."""
    found = files.results(uid)
    return [
        Part(
            result.key.attempt, result.key.shard, parse_summary(result.summary)[0], partial(_events, files, result.key)
        )
        for result in found
        if result.key.shard is not None and attempt in (None, result.key.attempt)
    ]


def _events(files: Files, key: SetKey) -> Iterator[bytes]:
    try:
        yield from files.chunks(key, EVENTS)
    except NotFoundError:
        return  # its pytest never began
