"""How long the event loop was held up, and by what."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from seatrial.controller.stalls import measure

HELD_SECONDS = 0.1


def works() -> None:
    until = time.thread_time() + HELD_SECONDS
    while time.thread_time() < until:
        pass


def waits() -> None:
    time.sleep(HELD_SECONDS)


@pytest.mark.parametrize(("hold", "part"), [(works, 0), (waits, 1)], ids=["work", "wait"])
async def test_what_holds_the_loop_up_is_seen_with_its_cause(hold: Callable[[], None], part: int) -> None:
    seen: asyncio.Queue[tuple[float, float]] = asyncio.Queue()
    measuring = asyncio.create_task(measure(lambda *found: seen.put_nowait(found), look_seconds=0.01))
    try:
        await seen.get()
        hold()
        while (await seen.get())[part] < HELD_SECONDS / 2:
            pass
    finally:
        measuring.cancel()
