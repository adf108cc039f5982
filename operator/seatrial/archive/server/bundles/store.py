"""Where bundles lie: write-once, each under its digest, apart for each namespace.

A namespace is meant by its uid: one that is made anew sees nothing of its predecessor.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from seatrial.archive.model.errors import NotFoundError
from seatrial.archive.server.sets.results import Stored
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.storage import Entry

FOLDER = "bundles"
_SUFFIX = ".tar.gz"
# What all answers under way hold of their bundles is bounded: the more there are, the smaller are the pieces. A
# thousand readers that stop reading hold less than 100 MiB.
_HELD_BYTES = 16 * 1024 * 1024
_PIECE_BYTES = 1024 * 1024
_SMALLEST_PIECE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class BundleKey:
    """One bundle of one namespace."""

    namespace_uid: str
    sha256: str
    """64 hex digits, of the stored bytes."""

    @property
    def path(self) -> str:
        """Where it lies in the storage."""
        return f"{FOLDER}/{self.namespace_uid}/{self.sha256}{_SUFFIX}"

    @classmethod
    def at(cls, path: str) -> BundleKey:
        """The bundle that lies there."""
        _, namespace_uid, name = path.split("/")
        return cls(namespace_uid, name.removesuffix(_SUFFIX))

    def __str__(self) -> str:
        return f"bundle sha256:{self.sha256}"


class Bundles:
    """Bundles in the storage of the sets."""

    def __init__(self, store: Store, max_bytes: int) -> None:
        """Bundles may have so many bytes."""
        self._store = store
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._readers = 0

    async def put(self, key: BundleKey, chunks: AsyncIterator[bytes]) -> Stored:
        """Stores a bundle, or finds that it is stored already.

        Raises:
            TooLargeError: it is larger than a bundle may be.
            WrongDigestError: the body hasn't the bundle's digest.
            VolumeFullError: no space is left.
            UnavailableError: the bucket doesn't answer.
        """
        return await self._store.put_blob(
            key.path, str(key), chunks, key.sha256, self._max_bytes, "SEATRIAL_ARCHIVE_MAX_BUNDLE"
        )

    def find(self, key: BundleKey) -> Entry:
        """What is known of the stored bundle. Blocking.

        Raises:
            NotFoundError: there is none in this namespace.
        """
        found = self._store.storage.find(key.path)
        if found is None:
            raise NotFoundError(
                f"{key} is not in this namespace", "upload it: `seatrial run` does, if its files are here"
            )
        return found

    def content(self, entry: Entry, start: int, end: int) -> Iterator[bytes]:
        """The bundle's bytes from `start` to before `end`, piece by piece. Blocking."""
        with self._lock:
            self._readers += 1
        try:
            while start < end:
                piece = max(_SMALLEST_PIECE_BYTES, min(_PIECE_BYTES, _HELD_BYTES // self._readers))
                stop = min(start + piece, end)
                yield b"".join(self._store.storage.chunks(entry.name, start, stop))
                start = stop
        finally:
            with self._lock:
                self._readers -= 1
