"""Where bundles lie: write-once, each under its digest, apart for each namespace.

A namespace is meant by its uid: one that is made anew sees nothing of its predecessor.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from weakref import WeakValueDictionary

from seatrial.archive.model.bundles import BundleKey
from seatrial.archive.model.errors import NotFoundError, UnavailableError
from seatrial.archive.server.history.bundles import BundleUse
from seatrial.archive.server.sets.results import Stored
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.storage import Entry
from seatrial.archive.server.threads import in_thread

log = logging.getLogger(__name__)

FOLDER = "bundles"
_SUFFIX = ".tar.gz"
_NOTED_SECONDS = 3_600.0  # the uses of a bundle within it are one
_REMEMBERED = 10_000
# What all answers under way hold of their bundles is bounded: the more there are, the smaller are the pieces. A
# thousand readers that stop reading hold less than 100 MiB.
_HELD_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_SMALLEST_PIECE_BYTES = 16 * 1024


def path_of(key: BundleKey) -> str:
    """Where the bundle lies in the storage."""
    return f"{FOLDER}/{key.namespace_uid}/{key.sha256}{_SUFFIX}"


def key_at(path: str) -> BundleKey | None:
    """The bundle that lies there; None: nothing of ours."""
    parts = path.split("/")
    if len(parts) != 3 or not parts[2].endswith(_SUFFIX):
        return None
    return BundleKey(parts[1], parts[2].removesuffix(_SUFFIX))


class Bundles:
    """Bundles in the storage of the sets, and in the history when each was used last."""

    def __init__(self, store: Store, use: BundleUse, max_bytes: int, clock: Callable[[], float] = time.time) -> None:
        """Nothing is read yet.

        Args:
            store: holds their bytes.
            use: knows when they were used.
            max_bytes: of one bundle.
            clock: unix seconds.
        """
        self._store = store
        self._use = use
        self._max_bytes = max_bytes
        self._clock = clock
        self._used: OrderedDict[BundleKey, float] = OrderedDict()  # when; written down not each time
        self._locks: WeakValueDictionary[BundleKey, asyncio.Lock] = WeakValueDictionary()
        self._writing: set[asyncio.Task[None]] = set()
        self.readers = 0
        """Answers under way."""
        self._counting = threading.Lock()

    async def put(self, key: BundleKey, chunks: AsyncIterator[bytes]) -> Stored:
        """Stores a bundle, or finds that it is stored already; that is a use of it.

        Raises:
            TooLargeError: it is larger than a bundle may be.
            WrongDigestError: the body hasn't the bundle's digest.
            VolumeFullError: no space is left.
            UnavailableError: the bucket doesn't answer.
        """
        setting = "SEATRIAL_ARCHIVE_MAX_BUNDLE"
        receiving = self._store.receive(chunks, key.sha256, str(key), self._max_bytes, setting)
        async with receiving as incoming, self._lock(key):
            created = await self._store.place(path_of(key), incoming)
            self._note_use(key, incoming.size, anew=created)
            return Stored(created, incoming.size)

    async def find(self, key: BundleKey) -> Entry:
        """What is known of the stored bundle; that is a use of it.

        Raises:
            NotFoundError: there is none in this namespace.
            UnavailableError: the bucket doesn't answer.
        """
        async with self._lock(key):
            found = await in_thread(self._store.storage.find, path_of(key))
            if found is None:
                raise NotFoundError(
                    f"{key} is not in this namespace", "upload it: `seatrial run` does, if its files are here"
                )
            self._note_use(key, found.size)
            return found

    async def remove_unused(self, key: BundleKey, since: float) -> bool:
        """Removes the bundle unless it was used since this moment, in unix seconds; returns whether it did.

        Raises:
            UnavailableError: bucket or history don't answer.
        """
        async with self._lock(key):
            if self._used.get(key, 0.0) >= since:
                return False
            await in_thread(self._store.storage.remove, [path_of(key)])
            await in_thread(self._use.forget, key)
            return True

    def stored(self) -> dict[BundleKey, int]:
        """All bundles that lie in the storage, with their bytes. Blocking."""
        found = ((key_at(entry.name), entry.size) for entry in self._store.storage.entries(FOLDER))
        return {key: size for key, size in found if key is not None}

    async def close(self) -> None:
        """Returns when all uses are written down."""
        await asyncio.gather(*self._writing)

    def content(self, entry: Entry, start: int, end: int) -> Iterator[bytes]:
        """The bundle's bytes from `start` to before `end`, piece by piece. Blocking."""
        with self._counting:
            self.readers += 1
        try:
            while start < end:
                piece = max(_SMALLEST_PIECE_BYTES, min(_PIECE_BYTES, _HELD_BYTES // self.readers))
                stop = min(start + piece, end)
                yield b"".join(self._store.storage.chunks(entry.name, start, stop))
                start = stop
        finally:
            with self._counting:
                self.readers -= 1

    def _note_use(self, key: BundleKey, size: int, anew: bool = False) -> None:
        """Writes it down, once in a while, beside what waits for an answer."""
        now, before = self._clock(), self._used.get(key)
        if before is not None and now - before < _NOTED_SECONDS and not anew:
            return
        self._used[key] = now
        self._used.move_to_end(key)
        while len(self._used) > _REMEMBERED:
            self._used.popitem(last=False)
        task = asyncio.create_task(self._write_use(key, size, now))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_use(self, key: BundleKey, size: int, at: float) -> None:
        try:
            await in_thread(self._use.used, key, size, at)
        except UnavailableError as error:
            self._used.pop(key, None)  # its next use is written down
            log.warning("the use of a bundle can't be written down: %s", error)

    def _lock(self, key: BundleKey) -> asyncio.Lock:
        """Held while the bundle comes, is found or goes."""
        return self._locks.setdefault(key, asyncio.Lock())
