"""The work queue: once at a time for each key, again if asked meanwhile, later after failures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from seatrial.controller.work_queue import FIRST_RETRY, LONGEST_UNANSWERED, WorkQueue
from seatrial.retry import pause_after, varied


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


class AwayError(Exception):
    """Nobody answers."""

    retry_after = 0.0


async def test_the_first_answer_wakes_all_that_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.controller.work_queue.FIRST_RETRY", 3600.0)
    monkeypatch.setattr("seatrial.controller.work_queue.LONGEST_UNANSWERED", 3600.0)
    away, done, failed = True, set(), set()

    async def handle(key: str) -> None:
        if away:
            failed.add(key)
            raise AwayError
        done.add(key)

    queue = WorkQueue(handle, lambda error: isinstance(error, AwayError))
    queue.start()
    for key in "abc":
        queue.add(key)
    await until(lambda: failed == set("abc") and not queue._running)
    away = False
    queue.add("a")  # something happens to it; the others would sleep for an hour
    await until(lambda: done == set("abc"))
    await queue.stop()


async def test_another_failure_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.controller.work_queue.FIRST_RETRY", 3600.0)
    monkeypatch.setattr("seatrial.controller.work_queue.LONGEST_UNANSWERED", 3600.0)
    error: Exception = AwayError()
    tries: list[str] = []

    async def handle(key: str) -> None:
        tries.append(key)
        raise error

    queue = WorkQueue(handle, lambda error: isinstance(error, AwayError))
    queue.start()
    queue.add("a")
    queue.add("b")
    await until(lambda: sorted(tries) == ["a", "b"] and not queue._running)
    error = RuntimeError("refused")
    queue.add("a")
    await until(lambda: sorted(tries) == ["a", "a", "b", "b"])
    await queue.stop()


def test_nobody_waits_longer_than_five_seconds_for_an_answer() -> None:
    assert max(varied(pause_after(n, FIRST_RETRY, LONGEST_UNANSWERED)) for n in range(1, 200)) <= 5.0
