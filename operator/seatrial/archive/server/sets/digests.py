"""SHA-256 of stored files."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from seatrial.archive.server.storage import Entry, Storage

_DIGESTS_REMEMBERED = 20_000


class Digests:
    """SHA-256 of stored files: cached from their upload, computed again after a restart."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, entry: Entry) -> str:
        """The file's SHA-256 (hex)."""
        with self._lock:
            known = self._known.get((entry.name, entry.version))
        if known is None:
            known = sha256_of(self._storage, entry)
            self.remember(entry.name, entry.version, known)
        return known

    def remember(self, name: str, version: str, sha256: str) -> None:
        """Keeps a digest that is known; the oldest are forgotten."""
        with self._lock:
            self._known[name, version] = sha256
            while len(self._known) > _DIGESTS_REMEMBERED:
                self._known.popitem(last=False)


def sha256_of(storage: Storage, entry: Entry) -> str:
    """Of the bytes that are stored now, in hex."""
    found = hashlib.sha256()
    for chunk in storage.chunks(entry.name, 0, entry.size):
        found.update(chunk)
    return found.hexdigest()
