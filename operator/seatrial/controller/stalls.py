"""Measures how long the event loop is held up: every run waits for that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOK_SECONDS = 0.05
"""Between two looks; a stall is seen up to that much shorter than it is."""


async def measure(observe: Callable[[float, float], None], look_seconds: float = LOOK_SECONDS) -> None:
    """Looks for ever. Gives after each look how late it came, in seconds.

    Args:
        observe: takes the part for which the loop itself worked, and the part for which its thread waited: for the
            processor, for another thread, or in a call that blocks.
        look_seconds: between two looks.
    """
    while True:
        due, used = time.monotonic() + look_seconds, time.thread_time()
        await asyncio.sleep(look_seconds)
        late, worked = max(0.0, time.monotonic() - due), time.thread_time() - used
        work = min(late, worked)
        observe(work, late - work)
