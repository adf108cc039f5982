"""Shares: a namespace whose share of the archive is full can't store more, all others can.

The history knows what each namespace takes. What was stored since it was asked is counted here, also what is still
coming. While the history is away nobody is refused for what it would say: results are worth more than the bound.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from seatrial.amounts import size as in_words
from seatrial.archive.model.errors import QuotaExceededError, UnavailableError
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.shares import Holder
from seatrial.archive.server.threads import in_thread

log = logging.getLogger(__name__)

FRESH_SECONDS = 60.0
"""So long counts what the history said; retention may have made room since."""
_FULL_SECONDS = 2.0
"""The same, for a share that is full."""
_PATIENCE_SECONDS = 2.0
"""So long an upload waits for the history."""
_REMEMBERED = 10_000


@dataclass
class _Share:
    """What one namespace takes, in bytes."""

    taken: int = 0
    """As the history said, and what was stored since."""
    since: int = 0
    """Stored since the history was asked."""
    coming: int = 0
    """Of uploads under way."""
    asked_at: float = -math.inf


class Room:
    """What one upload takes of a share."""

    def __init__(self, shares: Shares, holder: Holder | None) -> None:
        """Nothing yet."""
        self._shares = shares
        self._holder = holder
        self.size = 0

    def take(self, size: int) -> None:
        """Takes so many bytes.

        Raises:
            QuotaExceededError: the share has no room for them.
        """
        self._shares.check(self._holder, size)
        self._shares.coming(self._holder, size)
        self.size += size

    async def metered(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks of a body, as far as there is room for them.

        Raises:
            QuotaExceededError: there is none for the next one.
        """
        async for chunk in chunks:
            self.take(len(chunk))
            yield chunk


class Shares:
    """Counts what each namespace takes, and holds it to its share."""

    def __init__(self, history: History, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Asks nobody yet; `limit`: bytes of each namespace, 0: no limit, and nothing is counted."""
        self._history = history
        self._limit = limit
        self._clock = clock
        self._shares: OrderedDict[Holder, _Share] = OrderedDict()
        self._holders: OrderedDict[str, Holder] = OrderedDict()  # of runs
        self._unsaved: OrderedDict[str, int] = OrderedDict()  # bytes that the history does not know, by the run's uid
        self._asking: dict[Holder, asyncio.Task[None]] = {}
        self._saving = asyncio.Lock()

    async def holder(self, uid: str) -> Holder | None:
        """Whose run this is; None: not known yet, or nobody has a share."""
        if not self._limit:
            return None
        if uid not in self._holders:
            try:
                found = await in_thread(self._history.shares.holder, uid)
            except UnavailableError:
                return None
            if found is None:
                return None
            self._holders[uid] = found
            if len(self._holders) > _REMEMBERED:
                self._holders.popitem(last=False)
        return self._holders[uid]

    @asynccontextmanager
    async def room(self, holder: Holder | None, announced: int) -> AsyncIterator[Room]:
        """Room for one upload that says it has so many bytes, for as long as it comes.

        Raises:
            QuotaExceededError: there is none.
        """
        room = Room(self, holder if self._limit else None)
        if self._limit and holder is not None:
            await self._ask_in_time(holder, announced)
            self.check(holder, announced)
        try:
            yield room
        finally:
            self.coming(holder, -room.size)

    def check(self, holder: Holder | None, size: int) -> None:
        """Refuses so many bytes if there is no room for them.

        Raises:
            QuotaExceededError: there is none.
        """
        share = self._shares.get(holder) if holder else None
        if holder and share and share.taken + share.coming + size > self._limit:
            taken, limit = in_words(share.taken), in_words(self._limit)
            raise QuotaExceededError(
                f"namespace {holder.namespace} takes {taken} of the archive, of at most {limit}; {in_words(size)} more "
                "are too many",
                "wait until old runs have expired, let runs deliver less (spec.tests.artifacts), or ask for a larger "
                "archive.share",
            )

    def coming(self, holder: Holder | None, size: int) -> None:
        """So many bytes more (or less) are on their way."""
        if holder is not None and holder in self._shares:
            self._shares[holder].coming += size

    def stored(self, holder: Holder | None, size: int, uid: str = "") -> None:
        """So many bytes more are kept; `uid`: of their run, else the history knows them already."""
        if not self._limit:
            return
        if uid:
            self._note(uid, size)
        if holder is not None and holder in self._shares:
            share = self._shares[holder]
            share.taken += size
            share.since += size

    async def save(self, asked: _Share | None = None) -> None:
        """Writes down what was stored; the next start goes on from there.

        Args:
            asked: the share that the history is asked for next: it will know what was stored until now.

        Raises:
            UnavailableError: the history can't be reached; it is written down later.
        """
        async with self._saving:
            unsaved, self._unsaved = self._unsaved, OrderedDict()
            if asked is not None:
                asked.since = 0
            left = set(unsaved)
            try:
                left = await in_thread(self._history.shares.add, unsaved) if unsaved else set()
            finally:
                for uid in left:
                    self._note(uid, unsaved[uid])

    def _note(self, uid: str, size: int) -> None:
        self._unsaved[uid] = self._unsaved.get(uid, 0) + size
        if len(self._unsaved) > _REMEMBERED:
            self._unsaved.popitem(last=False)

    async def _ask_in_time(self, holder: Holder, announced: int) -> None:
        """Asks the history if what it said is too old, but waits for it not for long."""
        share = self._shares.setdefault(holder, _Share())
        self._shares.move_to_end(holder)
        self._forget_some()
        full = share.taken + share.coming + announced > self._limit
        if self._clock() - share.asked_at >= (_FULL_SECONDS if full else FRESH_SECONDS) and holder not in self._asking:
            share.asked_at = self._clock()
            self._asking[holder] = asyncio.create_task(self._ask(holder, share))
        patience = _PATIENCE_SECONDS - (self._clock() - share.asked_at)
        if holder in self._asking and patience > 0:
            await asyncio.wait([self._asking[holder]], timeout=patience)

    async def _ask(self, holder: Holder, share: _Share) -> None:
        try:
            await self.save(share)
            taken = await in_thread(self._history.shares.taken, holder)
            share.taken = taken + share.since
        except UnavailableError as error:
            log.warning("what namespace %s takes is not known: %s", holder.namespace, error)
        finally:
            del self._asking[holder]

    def _forget_some(self) -> None:
        if len(self._shares) > _REMEMBERED:
            idle = next((holder for holder, share in self._shares.items() if not share.coming), None)
            if idle is not None and idle not in self._asking:
                del self._shares[idle]
