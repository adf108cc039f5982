"""The numbers on pages: how many tests did what, in words and as parts of a bar. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from seatrial.archive.model.runs import Counts
from seatrial.archive.model.tests import TestPage
from seatrial.archive.server.pages.timeline import WIDTH
from seatrial_protocol.summary import Summary


def number(count: int) -> str:
    """A number with thin spaces between its thousands."""
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@dataclass(frozen=True)
class Share:
    """A part of all tests."""

    outcome: str
    count: int
    x: float
    width: float


def shares(counts: Counts) -> tuple[Share, ...]:
    """What became of the tests, as parts of one bar; those that never ran are its empty end."""
    parts = [(name, getattr(counts, name)) for name in ("failed", "errors", "passed", "xpassed", "xfailed", "skipped")]
    whole = max(1, counts.total, sum(count for _, count in parts))
    found, x = list[Share](), 0.0
    for name, count in parts:
        if count:
            width = WIDTH * count / whole
            found.append(Share(name, count, round(x, 1), round(width, 1)))
            x += width
    return tuple(found)


def counts_in_words(counts: Counts) -> str:
    """The counts in words: `2 failed, 1 error, 40 passed, 1 skipped`."""
    names = {"failed": "failed", "errors": "error" if counts.errors == 1 else "errors", "passed": "passed",
             "xpassed": "passed unexpectedly", "xfailed": "failed as expected", "skipped": "skipped"}  # fmt: skip
    parts = [f"{number(count)} {word}" for name, word in names.items() if (count := getattr(counts, name))]
    if not parts:
        return "no test has ended" if counts.total else "no tests"
    ended = sum(getattr(counts, name) for name in names)
    missing = [f"{number(counts.total - ended)} never ran"] if counts.total > ended else []
    return ", ".join(parts + missing)


def left_out(summaries: Iterable[Summary | None]) -> tuple[str, ...]:
    """Which tests the shards left out, and why: `3 deselected`, `8 never ran: stopping after 1 failures`."""
    deselected, stops = 0, dict[str, int]()
    for summary in summaries:
        if summary is None:
            continue
        deselected += summary.deselected
        if summary.never_ran and summary.stopped:
            stops[summary.stopped] = stops.get(summary.stopped, 0) + summary.never_ran
    sentences = [f"{number(count)} never ran: {why}" for why, count in stops.items()]
    return (f"{number(deselected)} deselected", *sentences) if deselected else tuple(sentences)


_BAD = {
    "failed": ("failed test", "failed tests"),
    "collection-error": ("file not collected", "files not collected"),
    "unfinished": ("test did not finish", "tests did not finish"),
}


def bad_in_words(page: TestPage) -> str:
    """What went wrong, in words: `2 failed tests, 1 test did not finish`; `200 failed tests` if not all are shown."""
    outcomes = ["failed" if test.outcome not in _BAD else test.outcome for test in page.tests]
    counts = {what: outcomes.count(what) for what in _BAD} if page.total == len(outcomes) else {"failed": page.total}
    return ", ".join(f"{number(count)} {_BAD[what][count > 1]}" for what, count in counts.items() if count)
