"""How long a test took in its last runs, as a drawing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.amounts import duration
from seatrial.archive.model.tests import TestHistory
from seatrial.archive.server.pages.timeline import WIDTH
from seatrial.archive.server.pages.words import stamp, tone

_TREND_HEIGHT = 100.0


@dataclass(frozen=True)
class TrendBar:
    """One run of a test in its trend."""

    x: float
    y: float
    width: float
    height: float
    css: str
    label: str
    uid: str
    attempt: int


@dataclass(frozen=True)
class Trend:
    """How long a test took in its last runs, the oldest first, drawn 1000 wide and 100 high."""

    bars: tuple[TrendBar, ...]
    top: float
    """Seconds at the upper edge."""
    median_y: float | None


def trend(history: TestHistory) -> Trend:
    """The drawing of a test's history."""
    points = tuple(reversed(history.points))
    top = max((point.seconds for point in points), default=0.0) or 1.0
    slot = WIDTH / max(12, len(points))
    bars = []
    for place, point in enumerate(points):
        height = max(2.0, _TREND_HEIGHT * point.seconds / top)
        shown = tone(point.outcome)
        word = "flaky" if point.flaky else shown.word
        label = f"{word} in {duration(point.seconds)}, {stamp(point.at)}, run {point.run}"
        css = "flaky" if point.flaky else shown.css
        bars.append(
            TrendBar(round(place * slot, 1), round(_TREND_HEIGHT - height, 1), round(slot * 0.8, 1), round(height, 1),
                     css, label, point.uid, point.attempt)
        )  # fmt: skip
    median = history.median_seconds
    return Trend(tuple(bars), top, None if median is None else round(_TREND_HEIGHT * (1 - min(1.0, median / top)), 1))
