"""What the archive gives up: runs that are too old, and the oldest ones while all together take too much.

The history decides what goes; the storage is touched for that alone. Once a day it is asked which runs it has, because
of those that the history does not know: their uploads ended early, and no record of their run came.

A run goes as a whole. It is marked in the history first, so it is shown nowhere from then on; then its files go, a
batch at a time; its row goes last. A crash in between is finished by the next pass.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from seatrial.archive.model.errors import UnavailableError
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.keeping import Kept
from seatrial.archive.server.metrics import Metrics
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.threads import in_thread

log = logging.getLogger(__name__)

YOUNG_SECONDS = 3_600.0
"""A run of which something came so lately stays: more may come."""
FORGOTTEN_SECONDS = 7 * 86_400.0
"""A run without a verdict that did not change for so long will get none: its operator is gone."""
LOOK_SECONDS = 86_400.0
"""So often the storage is asked which runs it has."""

_PASS_SECONDS = 600.0
_RUNS_AT_ONCE = 100
_FILES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; 0: no limit."""

    seconds: float
    size: int  # bytes of all runs


def choose(some: Iterable[Kept], limits: Limits, now: float, total: int) -> dict[str, str]:
    """The runs that go while all take `total` bytes, the oldest first, each with its limit: `age` or `size`."""
    chosen: dict[str, str] = {}
    for run in sorted(some, key=lambda run: (run.changed, run.uid)):
        age = now - run.changed
        if age < (FORGOTTEN_SECONDS if run.active else YOUNG_SECONDS):
            continue
        if limits.seconds and age > limits.seconds:
            chosen[run.uid] = "age"
        elif limits.size and total > limits.size and run.size:
            chosen[run.uid] = "size"
        else:
            continue
        total -= run.size
    return chosen


def changed_before(limits: Limits, now: float, total: int) -> float | None:
    """Only runs that changed last before this moment can go while all take `total` bytes; None: none."""
    if limits.size and total > limits.size:
        return now - YOUNG_SECONDS
    return now - max(YOUNG_SECONDS, limits.seconds) if limits.seconds else None


async def keep_holding(*passes: Callable[[], Awaitable[None]]) -> None:
    """Makes these passes in turn, over and over, until it is cancelled; one that fails keeps no other from its turn."""
    while True:
        for hold in passes:
            try:
                await hold()
            except (UnavailableError, OSError) as error:
                log.warning("nothing could be removed from the archive now: %s; trying again later", error)
            except Exception:
                log.exception("nothing could be removed from the archive; trying again later")
        await asyncio.sleep(_PASS_SECONDS)


class Retention:
    """Holds the archive's runs to their limits."""

    def __init__(
        self,
        store: Store,
        history: History,
        limits: Limits,
        metrics: Metrics,
        settled: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begins nothing yet.

        Args:
            store: where the files are.
            history: what is known of them.
            limits: what is kept.
            metrics: receive what is kept and what went.
            settled: whether the history has all that is in the store; else what it doesn't know may still come.
            clock: unix seconds.
        """
        self._store = store
        self._history = history
        self._limits = limits
        self._metrics = metrics
        self._settled = settled
        self._clock = clock
        self._looked_at = 0.0
        self._unknown_size = 0  # bytes of the runs that the history doesn't know, at the last look

    async def hold(self) -> None:
        """One pass: finishes what an earlier one began, then removes what breaks a limit.

        Raises:
            UnavailableError, OSError: the storage or the history can't be reached; what is done is done.
        """
        for uid in await in_thread(self._history.keeping.marked_deleted):
            await self._remove(uid, "interrupted")
        now = self._clock()
        _, known_size = await in_thread(self._history.keeping.total)
        if self._settled() and now - self._looked_at >= LOOK_SECONDS:
            unknown = await in_thread(self._unknown, now)
            size = sum(run.size for run in unknown)
            self._unknown_size = size - await self._remove_some(unknown, now, known_size + size)
            self._looked_at = now
        total, after = known_size + self._unknown_size, None
        while (before := changed_before(self._limits, now, total)) is not None:
            some = await in_thread(self._history.keeping.least_recent, before, _RUNS_AT_ONCE, after)
            if not some:
                break
            total -= await self._remove_some(some, now, total)
            after = some[-1]
        number, known_size = await in_thread(self._history.keeping.total)
        self._metrics.kept(number, known_size + self._unknown_size)

    def _unknown(self, now: float) -> list[Kept]:
        """The runs in the storage that the history doesn't know, except those that received something lately."""
        uids, found = self._store.uids(), []
        for at in range(0, len(uids), _RUNS_AT_ONCE):
            for uid in self._history.keeping.unknown(uids[at : at + _RUNS_AT_ONCE]):
                size, newest = self._store.usage(uid)
                if newest and now - newest >= YOUNG_SECONDS:  # without a file: the first one is about to come
                    found.append(Kept(uid, size, newest, active=False))
        return found

    async def _remove_some(self, some: list[Kept], now: float, total: int) -> int:
        """Removes those of these runs that break a limit while all take `total` bytes; returns how many bytes went."""
        chosen = choose(some, self._limits, now, total)
        await in_thread(self._history.keeping.mark_deleted, list(chosen))
        for uid, why in chosen.items():
            await self._remove(uid, why)
        return sum(run.size for run in some if run.uid in chosen)

    async def _remove(self, uid: str, why: str) -> None:
        while await in_thread(self._store.remove_some, uid, _FILES_AT_ONCE):
            pass
        await in_thread(self._history.keeping.forget, uid)
        self._metrics.deleted(why)
        log.info("removed a run from the archive", extra={"uid": uid, "limit": why})
