"""Counts and durations as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.amounts import duration

_ORDER = ("passed", "failed", "errors", "skipped", "flaky", "xfailed", "xpassed")


def counts_text(counts: Mapping[str, Any]) -> str:
    """`11 passed, 1 failed`; what is 0 is left out."""
    found = [(name, counts[name]) for name in _ORDER if counts.get(name)]
    parts = [f"{count} {'error' if (name, count) == ('errors', 1) else name}" for name, count in found]
    return ", ".join(parts) or "none"


def plural(count: int, thing: str) -> str:
    """`1 test`, `2 tests`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def seconds(value: object) -> str:
    """A duration from outside; empty if it is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9:
        return duration(value)
    return ""
