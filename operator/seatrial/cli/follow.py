"""Follows a run until its verdict, from two sources: the run's status, and the archive's live stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass

from seatrial.archive.client.errors import ArchiveError, ArchiveRefusedError
from seatrial.archive.client.live import LiveEvent
from seatrial.cli.connect import Session, explain
from seatrial.cli.progress import Mark, ProgressLine, RunProgress
from seatrial.cli.run import Run
from seatrial.cli.terminal import one_line
from seatrial.cli.view import View
from seatrial.kube.errors import GoneError, NotFoundError, UnavailableError
from seatrial.kube.kinds import RUN
from seatrial.retry import Backoff
from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.events import Event, parse_event

SILENCE_SECONDS = 60.0
"""A watch without an event for so long is opened anew: its connection may be dead without an error."""
_PAUSES = (1.0, 10.0)
RESULT = "result"
"""Name of the event that ends a shard's stream."""
_LIVE_PAUSE = 5.0
_LIVE_PATIENCE = 5.0


class WaitedTooLongError(Exception):
    """The verdict did not come within the time that the user gave."""


class RunDeletedError(Exception):
    """The run was deleted before it had a verdict."""


@dataclass(frozen=True)
class _Status:
    run: Run


@dataclass(frozen=True)
class _Failed:
    error: Exception


@dataclass(frozen=True)
class _Deleted:
    pass


@dataclass(frozen=True)
class _Event:
    event: Event
    attempt: int
    shard: int


_Item = _Status | _Failed | _Deleted | _Event | ProgressLine


class RunFollower:
    """Follows one run."""

    def __init__(
        self, session: Session, run: Run, view: View, *, age: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Begins nothing yet.

        Args:
            session: cluster and archive.
            run: the run as it was when it was created or read.
            view: where to show it.
            age: seconds since the run was created.
            clock: monotonic seconds.
        """
        self._session, self._view, self._clock = session, view, clock
        self._name, self._namespace, self._uid = run.name, run.namespace, run.uid
        self._run, self._began = run, clock() - age
        self._items: asyncio.Queue[_Item] = asyncio.Queue()
        self._unreadable = False
        self.progress = RunProgress.of(run)

    async def until_verdict(self, limit: float | None = None) -> Run:
        """Shows what happens, and returns the run once it has its verdict.

        Args:
            limit: seconds to wait at most.

        Raises:
            WaitedTooLongError: there was no verdict in this time.
            RunDeletedError: the run is gone.
            ClusterError: the run can't be watched.
        """
        sources = [asyncio.create_task(self._guard(source())) for source in (self._watch, self._listen)]
        try:
            async with asyncio.timeout(limit):
                return await self._consume()
        except TimeoutError as error:
            raise WaitedTooLongError from error
        finally:
            for source in sources:
                source.cancel()
            await asyncio.gather(*sources, return_exceptions=True)
            self._view.close()

    async def _consume(self) -> Run:
        while True:
            item: _Item | None = None
            with suppress(TimeoutError):
                async with asyncio.timeout(self._view.refresh_seconds):
                    item = await self._items.get()
            at = max(0.0, self._clock() - self._began)
            lines: list[ProgressLine] = []
            match item:
                case ProgressLine():
                    lines = [item]
                case _Event():
                    lines = self.progress.live(item.event, item.attempt, item.shard, at)
                case _Failed():
                    raise item.error
                case _Deleted():
                    raise RunDeletedError
                case _Status():
                    lines = self.progress.status(item.run, at)
            for line in [*lines, *self.progress.tick(at)]:
                self._view.progress(line, at)
            if isinstance(item, _Status) and self.progress.verdict:
                return item.run
            self._view.refresh(self.progress, at)

    async def _guard(self, source: Awaitable[None]) -> None:
        try:
            await source
        except Exception as error:  # noqa: BLE001 (raised where the run is followed)
            self._items.put_nowait(_Failed(error))

    async def _watch(self) -> None:
        backoff = Backoff(*_PAUSES)
        while True:
            try:
                await self._watch_once()
                backoff.reset()
            except GoneError:
                continue
            except UnavailableError as error:
                if not backoff.failures:
                    self._items.put_nowait(ProgressLine(Mark.HINT, f"{error.message}; still trying"))
                await backoff.wait(error.retry_after)
            except NotFoundError:
                self._items.put_nowait(_Deleted())
                return

    async def _watch_once(self) -> None:
        watching = self._session.cluster.watch(RUN, self._namespace, fields=f"metadata.name={self._name}")
        there = False
        try:
            async with aclosing(watching) as changes, asyncio.timeout(SILENCE_SECONDS) as silence:
                async for change, body in changes:
                    silence.reschedule(asyncio.get_running_loop().time() + SILENCE_SECONDS)
                    if change != "LISTED":
                        there = True
                        self._seen(change, Run.of(body))
                    elif not there:
                        self._items.put_nowait(_Deleted())
        except TimeoutError:
            return

    def _seen(self, change: str, run: Run) -> None:
        other = run.uid != self._uid
        gone = other or (change == "DELETED" and not run.verdict)  # what a deleted run had last may be its verdict
        self._items.put_nowait(_Deleted() if gone else _Status(run))

    def _put_event(self, event: LiveEvent) -> None:
        """Queues a shard's events; an invalid one is reported once."""
        if event.name == RESULT:
            return
        try:
            self._items.put_nowait(_Event(parse_event(event.event), event.attempt, event.shard))
        except ProtocolError as error:
            if not self._unreadable:
                self._unreadable = True
                text = f"a live event of shard {event.shard} can't be read: {one_line(str(error))}"
                self._items.put_nowait(ProgressLine(Mark.HINT, text))

    async def _listen(self) -> None:
        reported = False
        while True:
            try:
                async with aclosing(self._session.archive.live(self._uid, _LIVE_PATIENCE)) as events:
                    async for event in events:
                        self._put_event(event)
                        reported = False
                return
            except ArchiveRefusedError as error:
                self._items.put_nowait(_no_live(error))
                return
            except ArchiveError as error:
                if not reported:
                    reported = True
                    self._items.put_nowait(_no_live(error))
                await asyncio.sleep(_LIVE_PAUSE)


def _no_live(error: ArchiveError) -> ProgressLine:
    return ProgressLine(Mark.HINT, f"no live progress, only the run's status: {explain(error)}")
