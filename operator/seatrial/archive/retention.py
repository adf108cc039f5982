"""What the archive gives up: runs that are too old, and the oldest ones while all together take too much.

A run goes as a whole. It is marked in the history first, so it is shown nowhere from then on; then its files go, a batch at a time;
its row goes last. A crash in between is finished by the next pass.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .history.queries import History
from .metrics import Metrics
from .model import Unavailable
from .store import Store, in_thread

log = logging.getLogger(__name__)

YOUNG_SECONDS = 3_600.0
"""A run of which something came so lately stays: more may come."""
FORGOTTEN_SECONDS = 7 * 86_400.0
"""A run without a verdict of which nothing was heard for so long will get none: its operator is gone."""

_PASS_SECONDS = 600.0
_RUNS_AT_ONCE = 100
_FILES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A run in the archive."""

    uid: str
    size: int  # bytes
    heard: float  # when the last of it came, unix seconds
    active: bool  # it has no verdict yet


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; 0: no limit."""

    seconds: float
    size: int  # bytes of all runs


def choose(kept: Iterable[Kept], limits: Limits, now: float) -> dict[str, str]:
    """The runs that go, the oldest first, each with the limit that it breaks: `age` or `size`."""
    runs = sorted(kept, key=lambda run: (run.heard, run.uid))
    total = sum(run.size for run in runs)
    chosen: dict[str, str] = {}
    for run in runs:
        age = now - run.heard
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


class Retention:
    """Holds the archive to its limits, in the background."""

    def __init__(
        self,
        store: Store,
        history: History,
        limits: Limits,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._history = history
        self._limits = limits
        self._metrics = metrics
        self._clock = clock

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            try:
                await self.hold()
            except (Unavailable, OSError) as error:
                log.warning("nothing could be removed from the archive now: %s; trying again later", error)
            except Exception:
                log.exception("old runs could not be removed from the archive; trying again later")
            await asyncio.sleep(_PASS_SECONDS)

    async def hold(self) -> None:
        """One pass: finishes what an earlier one began, then removes what breaks a limit.

        Raises:
            Unavailable, OSError: the storage or the history can't be reached; what is done is done.
        """
        for uid in await in_thread(self._history.marked_deleted):
            await self._remove(uid, "interrupted")
        kept = await in_thread(self._kept)
        chosen = list(choose(kept, self._limits, self._clock()).items())
        for some in (chosen[at : at + _RUNS_AT_ONCE] for at in range(0, len(chosen), _RUNS_AT_ONCE)):
            await in_thread(self._history.mark_deleted, [uid for uid, _ in some])
            for uid, why in some:
                await self._remove(uid, why)
        gone = dict(chosen)
        left = [run for run in kept if run.uid not in gone and run.size]
        self._metrics.kept(len(left), sum(run.size for run in left))

    def _kept(self) -> list[Kept]:
        """What the storage holds and what the history knows of, which may be more or less."""
        known = {row.uid: row for row in self._history.retention_rows()}
        used = {usage.uid: usage for usage in self._store.usage()}
        kept = []
        for uid in known.keys() | used.keys():
            row, usage = known.get(uid), used.get(uid)
            heard = max(row.heard if row else 0.0, usage.newest if usage else 0.0)
            kept.append(Kept(uid, usage.size if usage else 0, heard, row is not None and row.active))
        return kept

    async def _remove(self, uid: str, why: str) -> None:
        while await in_thread(self._store.remove_some, uid, _FILES_AT_ONCE):
            pass
        await in_thread(self._history.forget, uid)
        self._metrics.deleted(why)
        log.info("removed a run from the archive", extra={"uid": uid, "limit": why})
