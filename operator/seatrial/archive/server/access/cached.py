"""Answers, cached for a while."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_DENIED_SECONDS = 10.0
_REMEMBERED = 10_000

K = TypeVar("K")
V = TypeVar("V")


class Cached(Generic[K, V]):
    """Answers, for a while; what several ask at the same time is asked once. Bounded: the oldest are forgotten."""

    def __init__(self, clock: Callable[[], float], allowed_seconds: float) -> None:
        """Keeps a yes for so long, a no for ten seconds at most."""
        self._clock = clock
        self._allowed_seconds = allowed_seconds
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._asked: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer, asked for if it is not known or too old."""
        until, answer = self._known.get(key, (0.0, None))
        if self._clock() < until:
            return answer  # type: ignore[return-value]
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._ask(key, ask))
        return await asyncio.shield(self._asked[key])  # who goes away takes the answer from nobody else

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        try:
            answer = await ask()
        finally:
            del self._asked[key]
        self._known[key] = (
            self._clock() + (self._allowed_seconds if answer else min(_DENIED_SECONDS, self._allowed_seconds)),
            answer,
        )
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return answer
