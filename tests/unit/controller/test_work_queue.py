"""The work queue: once at a time for each key, again if asked meanwhile, later after failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from seatrial.controller.work_queue import WorkQueue


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not look():
            await asyncio.sleep(0)


async def test_nothing_is_done_before_the_start_and_nothing_is_lost() -> None:
    done: list[str] = []

    async def handle(key: str) -> None:
        done.append(key)

    queue = WorkQueue(handle)
    queue.add("a")
    await asyncio.sleep(0)
    assert done == []
    queue.start()
    await until(lambda: done == ["a"])
    await queue.stop()


async def test_a_key_that_is_worked_on_is_done_once_more_afterwards_not_at_the_same_time() -> None:
    begun, release, active, most = 0, asyncio.Event(), 0, 0

    async def handle(key: str) -> None:
        nonlocal begun, active, most
        begun, active = begun + 1, active + 1
        most = max(most, active)
        await release.wait()
        active -= 1

    queue = WorkQueue(handle)
    queue.start()
    queue.add("a")
    await until(lambda: begun == 1)
    for _ in range(5):
        queue.add("a")
    release.set()
    await until(lambda: begun == 2 and active == 0)
    assert most == 1
    await queue.stop()


async def test_other_keys_do_not_wait() -> None:
    seen: set[str] = set()
    blocked = asyncio.Event()

    async def handle(key: str) -> None:
        seen.add(key)
        await blocked.wait()

    queue = WorkQueue(handle)
    queue.start()
    for key in "abc":
        queue.add(key)
    await until(lambda: seen == set("abc"))
    await queue.stop()


async def test_what_the_handler_asks_for_is_done_later() -> None:
    calls = 0

    async def handle(key: str) -> float | None:
        nonlocal calls
        calls += 1
        return 0.0 if calls < 3 else None

    queue = WorkQueue(handle)
    queue.start()
    queue.add("a")
    await until(lambda: calls == 3)
    await queue.stop()


async def test_a_failure_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.controller.work_queue.FIRST_RETRY", 0.0)
    calls = 0

    async def handle(key: str) -> None:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise RuntimeError("not yet")

    queue = WorkQueue(handle)
    queue.start()
    queue.add("a")
    await until(lambda: calls == 4)
    await queue.stop()
