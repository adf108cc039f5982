"""Pauses between tries."""

from __future__ import annotations

import asyncio
import random

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0


class Pause:
    """Pauses that grow, and vary so that many clients don't come back in one moment."""

    def __init__(self) -> None:
        self._seconds = _FIRST_WAIT_SECONDS

    def reset(self) -> None:
        """The next pause is short again."""
        self._seconds = _FIRST_WAIT_SECONDS

    async def wait(self) -> None:
        """Waits; the next pause is twice as long, up to the longest."""
        await asyncio.sleep(self._seconds * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
        self._seconds = min(2 * self._seconds, _LONGEST_WAIT_SECONDS)
