"""Which run is looked at when: one run at a time each, many runs side by side, failures later and later again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from seatrial.retry import pause_after, varied

K = TypeVar("K", bound=Hashable)
logger = logging.getLogger(__name__)

FIRST_RETRY = 0.25
LONGEST_RETRY = 60.0
LONGEST_UNANSWERED = 4.0
"""While the server can't be reached: with the jitter less than 5 s."""


class WorkQueue(Generic[K]):
    """Calls a handler for keys that are added: never twice at once for the same key, and once more if it was added
    meanwhile. The handler returns in how many seconds it wants to be called again (None: when something happens).

    Keys that failed because nobody answered are tried again within seconds, and at once when there is an answer.
    """

    def __init__(
        self,
        handler: Callable[[K], Awaitable[float | None]],
        is_unanswered: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        self._handler, self._is_unanswered = handler, is_unanswered
        self._unanswered: set[K] = set()
        self._running: set[K] = set()
        self._added_meanwhile: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = False

    def start(self) -> None:
        """Begins to work; what was added before is done now. Calling it again changes nothing."""
        if self._open:
            return
        self._open = True
        waiting, self._added_meanwhile = self._added_meanwhile, set()
        for key in waiting:
            self.add(key)

    async def stop(self) -> None:
        """Stops: what is running is cancelled, nothing begins any more."""
        self._open = False
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, key: K) -> None:
        """The key wants attention now."""
        if not self._open or key in self._running:
            self._added_meanwhile.add(key)
            return
        self._cancel_timer(key)
        self._running.add(key)
        task = asyncio.create_task(self._work(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def add_after(self, key: K, seconds: float) -> None:
        """The key wants attention in so many seconds; replaces what was asked for before."""
        self._cancel_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_later(max(0.0, seconds), self.add, key)

    def _note_answer(self, key: K) -> None:
        """A key that waited for an answer got one: the others need not wait any longer."""
        if key in self._unanswered:
            self._unanswered.discard(key)
            self.answered()

    def answered(self) -> None:
        """The server has answered: what waits for that is done now."""
        waiting, self._unanswered = self._unanswered, set()
        for key in waiting:
            self.add(key)

    def _cancel_timer(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()

    async def _work(self, key: K) -> None:
        try:
            due = await self._handler(key)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (logged, counted by the handler, tried again)
            due = self._failed(key, error)
        else:
            self._failures.pop(key, None)
            self._note_answer(key)
        finally:
            self._running.discard(key)
        if key in self._added_meanwhile:
            self._added_meanwhile.discard(key)
            self.add(key)
        elif due is not None and self._open:
            self.add_after(key, due)

    def _failed(self, key: K, error: Exception) -> float:
        """Notes a failure; returns in how many seconds the key is tried again."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        unanswered = self._is_unanswered(error)
        if unanswered:
            self._unanswered.add(key)
        else:
            self._note_answer(key)
        retry_after = getattr(error, "retry_after", 0.0)
        longest = LONGEST_UNANSWERED if unanswered else LONGEST_RETRY
        due = varied(pause_after(failures, FIRST_RETRY, longest, retry_after))
        expected = hasattr(error, "retry_after")
        logger.warning("%s: failed (%s), again in %.1f s", key, error, due, exc_info=None if expected else error)
        return due
