"""Whether the machine is at rest: no measurement may include what the one before, or others, left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

WINDOW_SECONDS = 2.0
CALM = 0.35
"""Share of its CPU time that a machine at rest may use; an idle cluster needs some."""


def _reading() -> str:
    """/proc/stat, or nothing if absent."""
    stat = Path("/proc/stat")
    return stat.read_text() if stat.exists() else ""


def busy_share(before: str, after: str) -> float:
    """The share of CPU time that was used between two readings of /proc/stat; -1 without readings."""
    if not before or not after:
        return -1.0
    readings = [[int(word) for word in text.splitlines()[0].split()[1:9]] for text in (before, after)]
    spent = [b - a for a, b in zip(*readings, strict=True)]
    idle = spent[3] + spent[4]  # idle and waiting for I/O
    return 1 - idle / sum(spent) if sum(spent) else 0.0


async def wait_until_calm(patience_seconds: float, disturbed: Callable[[], Awaitable[bool]]) -> float:
    """Waits until the machine is at rest and nobody else disturbs, as long as patience lasts.

    Returns:
        The share of CPU time that was used in the last two seconds; -1 where that can't be known.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        before = _reading()
        await asyncio.sleep(WINDOW_SECONDS)  # the window that is looked at
        share = busy_share(before, _reading())
        if (share < CALM and not await disturbed()) or time.monotonic() > deadline:
            return share
