"""The facts that every report of a run shows. Pure; every text of tests and logs in it may be hostile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from itertools import pairwise
from typing import Any

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from seatrial.archive.model.runs import PHASES, Attempt, RunDetail
from seatrial.archive.model.tests import TestRow
from seatrial_protocol.hints import Hint
from seatrial_protocol.text import without_colours
from seatrial_protocol.times import parse_time

_CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True)

_POINTS = (*((to_camel(name), what) for name, what in PHASES), ("cleanedUp", ""))
"""What goes on from each point of a timeline."""


@dataclass(frozen=True, config=_CONFIG)
class Report:
    """The essence of a run."""

    run: RunDetail
    hints: tuple[Hint, ...]
    """The most likely cause first."""
    failed: tuple[TestRow, ...]
    """The first that went wrong, with the texts of their failures."""
    failed_total: int
    flaky: tuple[TestRow, ...]
    slowest: tuple[TestRow, ...]
    line_rate: float | None = None
    """Coverage: the part of the lines that ran, 0 to 1; None if none was measured."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the runner noticed besides, each once."""
        return notes(self.run.last)


@plain_dataclass(frozen=True)
class Span:
    """A part of a run's time."""

    name: str
    seconds: float


def notes(attempt: Attempt | None) -> tuple[str, ...]:
    """What the runner noticed in the shards of an attempt besides how the tests ended, and what could not be read of
    their results, each once.
    """
    shards = attempt.shards if attempt else ()
    noticed = (note for shard in shards for note in ((*shard.facts.notes,) if shard.facts else ()) + shard.problems)
    return tuple(dict.fromkeys(noticed))


def instant(value: object) -> float | None:
    """An RFC 3339 time as unix seconds; None for what is none."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return parse_time(value).timestamp()
    except ValueError:
        return None


def spans(timeline: Mapping[str, Any]) -> list[Span]:
    """Where the time went: from each point of a run's timeline (as its status has it) that is known to the next one."""
    return [Span(name, max(0.0, at - before)) for (name, before), (_, at) in pairwise(_known(timeline))]


def took(timeline: Mapping[str, Any]) -> float | None:
    """Seconds from the run's beginning to its verdict."""
    known, end = _known(timeline), instant(timeline.get("verdict"))
    return max(0.0, end - known[0][1]) if known and end is not None else None


def _known(timeline: Mapping[str, Any]) -> list[tuple[str, float]]:
    known = [(name, at) for point, name in _POINTS if (at := instant(timeline.get(point))) is not None]
    # The API server notes creation in whole seconds, so a shorter wait looks like none.
    queued, started = instant(timeline.get("queued")), instant(timeline.get("started"))
    if queued is not None and started is not None and started - queued < 1:
        del known[0]
    return known


def excerpt(text: str, lines: int) -> list[str]:
    """The lines of a traceback to show first: what was raised (`E   ...`) with the code before it, and the end."""
    whole = [line.rstrip() for line in without_colours(text).strip("\n").splitlines()]
    raised = [number for number, line in enumerate(whole) if line.startswith("E ")]
    start = max(0, raised[0] - 3) if raised else 0
    if len(whole) - start <= lines:
        return whole[start:]
    end = [whole[-1]]
    if raised and raised[-1] > start + lines:
        end.insert(0, whole[_first_of_last(raised)])
    return [*whole[start : start + lines - len(end) - 1], "...", *end]


def _first_of_last(raised: list[int]) -> int:
    """Of lines that stand together the first, of the last such group."""
    first = raised[-1]
    while first - 1 in raised:
        first -= 1
    return first
