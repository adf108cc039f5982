"""Results and evidence: write-once, digests checked, a set whole or not there, wherever the bytes lie.

A set is complete when its manifest is there: it is written last, after every file that it names was found with the
digest that it names, and from then on nothing of the set changes. Bytes arrive in `incoming/` of a local folder and go
to the storage once all are there and have the digest that was announced, so a crash leaves nothing but passing files,
which the next start removes.
"""

from __future__ import annotations

import asyncio
import fcntl
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from seatrial.archive.model.errors import (
    ConflictError,
    IncompleteError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from seatrial.archive.model.keys import SetKey, check_path, check_uid, is_uid, set_key
from seatrial.archive.model.manifest import digest_of, parse_manifest, parse_object, parse_vital
from seatrial.archive.server.sets.digests import Digests, sha256_of
from seatrial.archive.server.sets.incoming import Incoming, received
from seatrial.archive.server.sets.layout import file_path, files_folder, manifest_path
from seatrial.archive.server.sets.results import CompleteSet, Sealed, Stored
from seatrial.archive.server.storage import Entry, Storage
from seatrial.archive.server.threads import in_pool
from seatrial_protocol.manifest import Manifest

# Files on their way to the storage at once: bounds memory, each may be held whole, and what a slow bucket can take of
# other work.
_TRANSFERS = 4
_PROBLEMS_NAMED = 20


class Store:
    """Sets in a storage. One process at a time may use the folder; `open` sees to that."""

    def __init__(self, folder: Path, storage: Storage, max_file_bytes: int) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self.storage = storage
        self._max_file_bytes = max_file_bytes
        self._locks: WeakValueDictionary[SetKey, asyncio.Lock] = WeakValueDictionary()
        self._transfers = ThreadPoolExecutor(_TRANSFERS, thread_name_prefix="transfer")
        self._digests = Digests(storage)
        self._lock_file: BinaryIO | None = None

    def open(self) -> int:
        """Takes the folder for this process, removes what a crash left, and returns how many such files there were.

        Raises:
            OSError: the folder can't be written.
            RuntimeError: another process uses it.
            UnavailableError: the bucket can't be used.
        """
        self._incoming.mkdir(parents=True, exist_ok=True)
        lock_file = (self._folder / ".lock").open("wb")
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock_file.close()
            raise RuntimeError(f"another archive uses {self._folder}; it must end first") from error
        self._lock_file = lock_file
        leftovers = list(self._incoming.iterdir())
        for leftover in leftovers:
            leftover.unlink()
        return len(leftovers) + self.storage.open()

    def close(self) -> None:
        """Gives the folder free."""
        self._transfers.shutdown()
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    async def put_file(self, key: SetKey, path: str, chunks: AsyncIterator[bytes], sha256: str) -> Stored:
        """Stores one file, or finds that the same bytes are stored already.

        Raises:
            InvalidError: the name may not be used.
            TooLargeError: the body is larger than a file may be.
            WrongDigestError: the body hasn't the digest `sha256` (hex).
            ConflictError: other bytes are there under this name, or the set is sealed.
            VolumeFullError: no space is left.
            UnavailableError: the bucket doesn't answer.
        """
        check_path(path)
        what, setting = f"{path} of {key}", "SEATRIAL_ARCHIVE_MAX_FILE"
        receiving = self.receive(chunks, sha256, what, self._max_file_bytes, setting)
        async with receiving as incoming, self._lock(key):
            return await in_pool(self._transfers, self._place_file, key, path, incoming, sha256)

    def receive(
        self, chunks: AsyncIterator[bytes], sha256: str, what: str, max_bytes: int, setting: str
    ) -> AbstractAsyncContextManager[Incoming]:
        """A body that is to be stored under a name of its own, see `received` and `place`."""
        return received(self._incoming, chunks, sha256, what, max_bytes, setting)

    async def place(self, name: str, incoming: Incoming) -> bool:
        """Stores what came under this name, which follows from its digest; False: it is there already.

        Raises:
            VolumeFullError: no space is left.
            UnavailableError: the bucket doesn't answer.
        """
        return await in_pool(self._transfers, self.storage.add, name, incoming.path) is not None

    def _place_file(self, key: SetKey, path: str, incoming: Incoming, sha256: str) -> Stored:
        name = file_path(key, path)
        sealed = self.is_sealed(key)
        try:
            version = None if sealed else self.storage.add(name, incoming.path)
        except (NotADirectoryError, FileExistsError, IsADirectoryError) as error:
            raise ConflictError(f"{path} of {key} can't be both a file and a folder", "use another name") from error
        if version is not None:
            self._digests.remember(name, version, sha256)
            return Stored(created=True, size=incoming.size)
        present = self.storage.find(name)
        if present is not None and self._digests.of(present) == sha256:
            return Stored(created=False, size=incoming.size)
        if present is not None:
            raise ConflictError(
                f"{path} of {key} is stored with other bytes", "results are write-once: use another name"
            )
        if sealed:
            raise ConflictError(f"{key} is sealed: its manifest is stored", "upload every file before the manifest")
        raise UnavailableError(f"{path} of {key} was taken by another upload that has not ended", "send it again")

    def stored(self, key: SetKey, path: str, sha256: str) -> Stored | None:
        """The file if it is stored with this digest (hex). Blocking."""
        found = self.storage.find(file_path(key, check_path(path)))
        return Stored(created=False, size=found.size) if found and self._digests.of(found) == sha256 else None

    async def put_manifest(self, key: SetKey, body: bytes) -> Sealed:
        """Seals the set if every file that the manifest names is there; from then on nothing of it changes.

        Raises:
            InvalidError: this is no manifest of this set, or its vital file belongs to another one.
            IncompleteError: files that it names are missing or have other bytes.
            ConflictError: another manifest is stored.
            VolumeFullError: no space is left.
            UnavailableError: the bucket doesn't answer.
        """
        async with self._lock(key):
            return await in_pool(self._transfers, self._seal, key, body)

    def _seal(self, key: SetKey, body: bytes) -> Sealed:
        manifest = parse_manifest(body, key)
        self._check_files(key, manifest)
        summary = parse_vital(self.read(key, key.vital), key)
        incoming = Incoming(self._incoming / secrets.token_hex(16), len(body))
        try:
            incoming.finish(body)
            created = self.storage.add(manifest_path(key), incoming.path) is not None
        finally:
            incoming.discard()
        if not created and self.manifest(key) != body:
            raise ConflictError(f"{key} is sealed with another manifest", "results are write-once: the first one stays")
        return Sealed(created, CompleteSet(key, digest_of(body), summary, self._sealed_at(key)))

    def _check_files(self, key: SetKey, manifest: Manifest) -> None:
        stored = {entry.name: entry for entry in self.storage.entries(files_folder(key))}
        problems = []
        for file in manifest.files:
            entry = stored.get(file_path(key, file.path))
            if entry is None:
                problems.append(f"{file.path} is missing")
            elif entry.size != file.size:
                problems.append(f"{file.path} has {entry.size} bytes, not {file.size}")
            elif self._digests.of(entry) != file.sha256:
                problems.append(f"{file.path} has other bytes")
        if problems:
            more = f" and {len(problems) - _PROBLEMS_NAMED} more" if len(problems) > _PROBLEMS_NAMED else ""
            raise IncompleteError(
                f"{key} is not complete: {'; '.join(problems[:_PROBLEMS_NAMED])}{more}",
                "upload these files, then the manifest again",
            )

    def is_sealed(self, key: SetKey) -> bool:
        """Whether the set's manifest is stored."""
        return self.storage.find(manifest_path(key)) is not None

    def uids(self) -> list[str]:
        """The uids of all runs that anything is kept of; on a volume the newest first."""
        return [name for name in self.storage.folders("runs") if is_uid(name)]

    def sets(self, uid: str) -> list[SetKey]:
        """All sets of the run that anything is kept of: by attempt, the shards by number and then the evidence."""
        run = f"runs/{check_uid(uid)}"
        keys = []
        for attempt in self.storage.folders(run):
            for part in self.storage.folders(f"{run}/{attempt}"):
                with suppress(InvalidError):  # not ours
                    keys.append(set_key(uid, attempt, part))
        return sorted(keys, key=lambda key: (key.attempt, key.shard is None, key.shard or 0))

    def result(self, key: SetKey) -> CompleteSet | None:
        """The set if it is complete."""
        try:
            body = self.manifest(key)
            return CompleteSet(
                key, digest_of(body), parse_object(self.read(key, key.vital), key.vital), self._sealed_at(key)
            )
        except NotFoundError:
            return None

    def results(self, uid: str) -> list[CompleteSet]:
        """The results of all complete shards of the run."""
        shards = (key for key in self.sets(uid) if key.shard is not None)
        return [result for key in shards if (result := self.result(key)) is not None]

    def size(self, key: SetKey) -> int:
        """What a complete set takes, in bytes.

        Raises:
            NotFoundError: the set is not complete.
        """
        body = self.manifest(key)
        return len(body) + sum(file.size for file in parse_manifest(body, key).files)

    def manifest(self, key: SetKey) -> bytes:
        """The manifest's bytes.

        Raises:
            NotFoundError: the set is not complete.
        """
        entry = self.storage.find(manifest_path(key))
        if entry is None:
            raise NotFoundError(f"{key} has no manifest", "its upload has not ended, or never began")
        return b"".join(self.storage.chunks(entry.name, 0, entry.size))

    def file(self, key: SetKey, path: str) -> Entry:
        """What is known of this file.

        Raises:
            InvalidError: the name can't be the name of a file.
            NotFoundError: there is no such file.
        """
        found = self.storage.find(file_path(key, check_path(path)))
        if found is None:
            raise NotFoundError(f"{key} has no file {path}", "the manifest lists the files")
        return found

    def chunks(self, key: SetKey, path: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The file's bytes from `start` to before `end` (None: its end), piece by piece.

        Raises:
            InvalidError, NotFoundError: see `file`.
        """
        entry = self.file(key, path)
        return self.content(entry, start, entry.size if end is None else end)

    def content(self, entry: Entry, start: int, end: int) -> Iterator[bytes]:
        """Like `chunks`, of a file that was found."""
        return self.storage.chunks(entry.name, start, end)

    def read(self, key: SetKey, path: str) -> bytes:
        """The bytes of a file that is small enough to hold.

        Raises:
            InvalidError, NotFoundError: see `file`.
        """
        return b"".join(self.chunks(key, path))

    def verify(self, key: SetKey) -> list[str]:
        """Reads all bytes of a complete set again, and tells what is not as the manifest says; nothing: all is well.

        Raises:
            NotFoundError: the set is not complete.
        """
        try:
            manifest = parse_manifest(self.manifest(key), key)
        except InvalidError as error:
            return [error.error]
        problems = []
        for file in manifest.files:
            entry = self.storage.find(file_path(key, file.path))
            if entry is None:
                problems.append(f"{file.path} is missing")
            elif entry.size != file.size:
                problems.append(f"{file.path} has {entry.size} bytes, not {file.size}")
            elif sha256_of(self.storage, entry) != file.sha256:
                problems.append(f"{file.path} has other bytes")
        return problems

    def space(self) -> tuple[int, int]:
        """Free and total bytes of the volume.

        Raises:
            OSError: the folder can't be reached.
        """
        usage = shutil.disk_usage(self._incoming)
        return usage.free, usage.total

    def usage(self, uid: str) -> tuple[int, float]:
        """Bytes of all files of a run, and the last one's time in unix seconds; 0 and 0 without files."""
        size, newest = 0, 0.0
        for entry in self.storage.entries(f"runs/{check_uid(uid)}"):
            size, newest = size + entry.size, max(newest, entry.modified)
        return size, newest

    def remove_some(self, uid: str, limit: int) -> int:
        """Removes at most about `limit` files of a run and returns how many it removed: none are left when that is 0.

        The manifests go first, all of them: what is only half removed is not taken for complete.
        """
        manifests = [manifest_path(key) for key in self.sets(uid) if self.is_sealed(key)]
        names = manifests or [entry.name for entry in islice(self.storage.entries(f"runs/{uid}"), limit)]
        self.storage.remove(names)
        return len(names)

    def _sealed_at(self, key: SetKey) -> float:
        entry = self.storage.find(manifest_path(key))
        if entry is None:
            raise NotFoundError(f"{key} has no manifest", "it was removed a moment ago")
        return entry.modified

    def _lock(self, key: SetKey) -> asyncio.Lock:
        """Held while something of the set is placed: of a file and the manifest that come at once, one is first."""
        return self._locks.setdefault(key, asyncio.Lock())
