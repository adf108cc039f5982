"""Takes sealed sets into the history: each one as it comes, and at the start those that an earlier end left out.

What it reads was written beside the tests, so by anybody: amounts are bounded, and what makes no sense is left out. A
set that can't be taken now (the database is away) is retried, one that never can is logged and skipped: results
are in the store.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

from seatrial.archive.model.errors import NotFoundError, UnavailableError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.record import parse_record
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.text import bounded_id, clean
from seatrial.archive.server.reports.merge import of_events
from seatrial.archive.server.sets.store import Store
from seatrial.retry import Backoff
from seatrial_protocol.events import BAD_OUTCOMES
from seatrial_runner.lines import Lines
from seatrial_runner.report.cases import Case

log = logging.getLogger(__name__)

EVENTS = "events.jsonl"
MAX_TESTS = 200_000
"""Tests of one set that the history takes; all are in the files."""
_BATCH = 1_000
_MAX_TEXT = 64 * 1024  # characters of one text; the runner's own limit
_MAX_MESSAGE = 1_000
_MAX_FAILURES_OF_TEST = 256 * 1024
_MAX_FAILURES_OF_SET = 64 * 1024 * 1024
_MAX_MARKERS = 100
_PAUSES = (0.2, 15.0)  # seconds between two tries: the first and the longest

T = TypeVar("T")
Rows = tuple[list[dict[str, Any]], list[dict[str, Any]]]


class Ingest:
    """Takes sets one after the other, in the background."""

    def __init__(self, store: Store, history: History, pending: Callable[[int], object] = lambda sets: None) -> None:
        """Begins nothing yet.

        Args:
            store: where the sets are.
            history: where they go.
            pending: receives how many sets the history does not have yet.
        """
        self._store = store
        self._history = history
        self._waiting: asyncio.Queue[SetKey] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._compared = asyncio.Event()
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(1, "history")  # its own: uploads wait for no thread that works here
        self._report_pending = pending
        self._pending = 0

    async def start(self) -> None:
        """Makes the history ready if it can be reached, and begins.

        Raises:
            RuntimeError: a newer version made the history.
        """
        try:
            await asyncio.to_thread(self._history.migrate)
        except UnavailableError as error:
            log.warning("%s; going on without it until it can be reached", error)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends after the batch at hand; the next start goes on."""
        self._stopping.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await asyncio.to_thread(self._thread.shutdown)

    def sealed(self, key: SetKey) -> None:
        """A set is complete."""
        self._count(1)
        self._waiting.put_nowait(key)

    @property
    def settled(self) -> bool:
        """Whether the history has all that is in the store."""
        return self._compared.is_set() and not self._pending

    async def caught_up(self) -> None:
        """Returns when the history has all that was in the store at the start, and all that came since."""
        await self._compared.wait()
        await self._waiting.join()

    async def _run(self) -> None:
        await self._insist("the history can't be made ready", Exception, self._history.migrate)
        for key in await self._insist("the history can't be compared with the store", Exception, self._missing):
            self.sealed(key)
        self._compared.set()
        while True:
            key = await self._waiting.get()
            what = "a result waits for the history"
            try:
                await self._insist(
                    what, UnavailableError, ingest, self._store, self._history, key, self._stopping.is_set
                )
            except Exception:
                log.exception("a result can't be taken into the history; it is in the store", extra=asdict(key))
            self._count(-1)
            self._waiting.task_done()

    def _count(self, change: int) -> None:
        self._pending += change
        self._report_pending(self._pending)

    def _missing(self) -> list[SetKey]:
        known = self._history.intake.ingested()
        deleted = set(self._history.keeping.marked_deleted())
        uids = [uid for uid in self._store.uids() if uid not in deleted]
        return [key for uid in uids for key in self._store.sets(uid) if key not in known and self._store.is_sealed(key)]

    async def _insist(self, what: str, kind: type[Exception], work: Callable[..., T], *args: Any) -> T:
        """Does it in the thread, and retries while it fails with this kind of error."""
        backoff = Backoff(*_PAUSES)
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
            except kind as error:
                if not backoff.failures:
                    log.warning("%s: %s; trying again", what, error)
                await backoff.wait()


def ingest(store: Store, history: History, key: SetKey, stopped: Callable[[], bool] = lambda: False) -> None:
    """Takes one sealed set; a second time changes nothing. Leaves it unfinished when it is `stopped`.

    Raises:
        UnavailableError: the store or the database can't be reached.
        InvalidError: the set is not what its kind should be.
    """
    result = store.result(key)
    if result is None:
        return  # deleted since
    archived_at, size = datetime.fromtimestamp(result.archived_at, UTC), store.size(key)
    if key.shard is None:
        history.intake.restore_record(parse_record(result.summary, key.uid))
        history.intake.end_set(history.intake.begin_set(key, result.digest, archived_at, size, {}))
        return
    set_id = history.intake.begin_set(key, result.digest, archived_at, size, result.summary)
    lines = Lines()
    try:
        for tests, texts in rows(of_events(store.chunks(key, EVENTS), lines)):
            if stopped():
                return
            history.intake.add_tests(set_id, tests, texts)
    except NotFoundError:
        pass  # pytest never began
    if lines.bad:
        log.warning("%s", lines.note, extra=asdict(key))
    history.intake.end_set(set_id, [lines.note] if lines.bad else [])


def rows(found: Iterable[Case]) -> Iterator[Rows]:
    """Rows of the tables `tests` and `texts`, in batches."""
    tests: list[dict[str, Any]] = []
    texts: list[dict[str, Any]] = []
    room = _MAX_FAILURES_OF_SET
    for number, case in enumerate(found):
        if number == MAX_TESTS:
            log.warning("more than %d tests in one result: the history has no more of them", MAX_TESTS)
            break
        tests.append(_row(number, case))
        if case.failures and (failures := _failures(case, min(room, _MAX_FAILURES_OF_TEST))):
            room -= sum(len(json.dumps(failure)) for failure in failures)
            texts.append({"number": number, "failures": failures})
        if len(tests) == _BATCH:
            yield tests, texts
            tests, texts = [], []
    yield tests, texts


def _row(number: int, case: Case) -> dict[str, Any]:
    return {
        "number": number,
        "test_id": bounded_id(case.id),
        "catalogue_id": None if case.catalogue_id is None else clean(case.catalogue_id[:_MAX_MESSAGE]),
        "outcome": case.outcome[:32],
        "bad": case.outcome in BAD_OUTCOMES,
        "flaky": case.flaky,
        "seconds": case.seconds if 0 <= case.seconds < 1e9 else 0.0,
        "started_at": _moment(case.started),
        "ended_at": _moment(case.ended),
        "file": None if case.file is None else clean(case.file[:_MAX_MESSAGE]),
        "line": case.line if case.line is not None and abs(case.line) < 2**31 else None,
        "markers": [marker[:_MAX_MESSAGE] for marker in case.markers[:_MAX_MARKERS]],
        "reruns": min(abs(case.reruns), 2**31 - 1),
        "timed_out": case.timed_out,
        "message": clean(case.message[:_MAX_MESSAGE]),
    }


def _failures(case: Case, room: int) -> list[dict[str, Any]]:
    """The failures as far as they fit: the last ones first, since they show how it ended."""
    kept: list[dict[str, Any]] = []
    for failure in reversed(case.failures):
        cut = {name: value[:_MAX_TEXT] if isinstance(value, str) else value for name, value in asdict(failure).items()}
        room -= sum(len(value) for value in cut.values() if isinstance(value, str))
        if room < 0:
            break
        kept.insert(0, cut)
    return kept


def _moment(seconds: float | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
