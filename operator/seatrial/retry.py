"""Pauses between tries, the one place that works them out."""

from __future__ import annotations

import asyncio
import random

_JITTER = 0.25
"""Part by which a pause may be longer, so that many who wait don't come back in one moment."""


def pause_after(failures: int, first: float, longest: float, at_least: float = 0.0) -> float:
    """Seconds after the n-th failure in a row: from the first pause on twice as long each time, up to the longest.

    Args:
        failures: counted from 1.
        first: the first pause.
        longest: the longest one.
        at_least: what the server asked for.
    """
    return max(at_least, min(longest, first * 2.0 ** min(failures - 1, 32)))


def varied(seconds: float) -> float:
    """A pause that is somewhat longer."""
    return seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311 - no secret


class Backoff:
    """Pauses that grow while what is tried keeps failing."""

    def __init__(self, first: float, longest: float) -> None:
        """The first and the longest pause, in seconds."""
        self._first, self._longest = first, longest
        self.failures = 0
        """In a row, so far."""

    def reset(self) -> None:
        """It worked: the next pause is the first one."""
        self.failures = 0

    async def wait(self, at_least: float = 0.0) -> None:
        """Counts a failure and pauses."""
        self.failures += 1
        await asyncio.sleep(varied(pause_after(self.failures, self._first, self._longest, at_least)))
