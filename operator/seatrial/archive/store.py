"""Results and evidence in a folder: write-once, digests checked, a set whole or not there.

Layout: `runs/<uid>/<attempt>/<part>/files/...` and, next to `files`, `manifest.json`. A set is complete when its
manifest is there: it is written last, after every file that it names was found with the digest that it names, and from then on
nothing of the set changes. Bytes arrive in `incoming/` and are renamed to their place once they are on disk, so a crash leaves
nothing but files in `incoming/`, which the next start removes.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

from .model import (
    EVIDENCE,
    Conflict,
    Incomplete,
    Manifest,
    NotThere,
    SetKey,
    TooLarge,
    VolumeFull,
    WrongDigest,
    check_path,
    check_uid,
    digest_of,
    parse_manifest,
    parse_object,
    parse_vital,
)

# What is held of one upload before it goes to disk: bounds memory (200 uploads at once: 50 MiB) and the number of thread hops.
_BATCH_BYTES = 256 * 1024
_HASH_BYTES = 1024 * 1024
_DIGESTS_REMEMBERED = 20_000
_LOCKS = 64
_PROBLEMS_NAMED = 20

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an upload."""

    created: bool  # False: the same bytes were already there
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Result:
    """A complete set."""

    key: SetKey
    digest: str  # of the manifest's bytes: sha256:<hex>
    summary: dict[str, Any]  # what its vital file says: a shard's summary, or the record of the run
    archived_at: float  # unix seconds


@dataclass(frozen=True, slots=True)
class Sealed:
    """What became of a manifest."""

    created: bool  # False: the same manifest was already there
    result: Result


class Store:
    """The folder. One process at a time may use it; `open` sees to that."""

    def __init__(self, folder: Path, max_file_bytes: int) -> None:
        self._folder = folder
        self._runs = folder / "runs"
        self._incoming = folder / "incoming"
        self._max_file_bytes = max_file_bytes
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._digests = _Digests()
        self._lock_file: BinaryIO | None = None

    def open(self) -> int:
        """Takes the folder for this process, removes what a crash left, and returns how many such files there were.

        Raises:
            OSError: the folder can't be written.
            RuntimeError: another process uses it.
        """
        self._runs.mkdir(parents=True, exist_ok=True)
        lock_file = (self._folder / ".lock").open("wb")
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock_file.close()
            raise RuntimeError(f"another archive uses {self._folder}; it must end first") from error
        self._lock_file = lock_file
        self._incoming.mkdir(exist_ok=True)
        _sync_folder(self._folder)
        leftovers = list(self._incoming.iterdir())
        for leftover in leftovers:
            leftover.unlink()
        return len(leftovers)

    def close(self) -> None:
        """Gives the folder free."""
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    # Writing

    async def put_file(self, key: SetKey, path: str, chunks: AsyncIterator[bytes], sha256: str) -> Stored:
        """Stores one file, or finds that the same bytes are stored already.

        Raises:
            Invalid: the name may not be used.
            TooLarge: the body is larger than a file may be.
            WrongDigest: the body hasn't the digest `sha256` (hex).
            Conflict: other bytes are there under this name, or the set is sealed.
            VolumeFull: no space is left.
        """
        target = self._set(key) / "files" / check_path(path)
        incoming = _Incoming(self._incoming / secrets.token_hex(16), self._max_file_bytes)
        try:
            batch = bytearray()
            async for chunk in chunks:
                batch += chunk
                if len(batch) >= _BATCH_BYTES:
                    await _in_thread(incoming.write, bytes(batch))
                    batch.clear()
            return await _in_thread(self._place_file, key, target, incoming, bytes(batch), sha256)
        finally:
            await _in_thread(incoming.discard)

    def _place_file(self, key: SetKey, target: Path, incoming: _Incoming, rest: bytes, sha256: str) -> Stored:
        incoming.write(rest)
        found = incoming.finish()
        name = target.relative_to(self._set(key) / "files").as_posix()
        if found != sha256:
            raise WrongDigest(
                f"{name} of {key}: {incoming.size} bytes arrived with SHA-256 {found}, announced was {sha256}",
                "the file changed while it was sent, or the transfer was damaged; send it again",
            )
        with self._lock(key):
            present = self._digests.find(target)
            if present == sha256:
                return Stored(created=False, size=incoming.size)
            if present is not None:
                raise Conflict(
                    f"{name} of {key} is stored with other bytes", "results are write-once: use another name"
                )
            if self._manifest_path(key).exists():
                raise Conflict(f"{key} is sealed: its manifest is stored", "upload every file before the manifest")
            try:
                with _full_volume_said():
                    _make_folder(target.parent, self._folder)
                    incoming.move(target)
            except (NotADirectoryError, FileExistsError, IsADirectoryError) as error:
                raise Conflict(f"{name} of {key} can't be both a file and a folder", "use another name") from error
            self._digests.remember(target, found)
        return Stored(created=True, size=incoming.size)

    async def put_manifest(self, key: SetKey, body: bytes) -> Sealed:
        """Seals the set if every file that the manifest names is there; from then on nothing of it changes.

        Raises:
            Invalid: this is no manifest of this set, or its vital file belongs to another one.
            Incomplete: files that it names are missing or have other bytes.
            Conflict: another manifest is stored.
            VolumeFull: no space is left.
        """
        return await _in_thread(self._seal, key, body)

    def _seal(self, key: SetKey, body: bytes) -> Sealed:
        manifest = parse_manifest(body, key)
        # Files never change once they are there, so this needs no lock.
        self._check_files(key, manifest)
        summary = parse_vital((self._set(key) / "files" / key.vital).read_bytes(), key)
        path = self._manifest_path(key)
        with self._lock(key):
            present = path.read_bytes() if path.exists() else None
            if present is not None and present != body:
                raise Conflict(f"{key} is sealed with another manifest", "results are write-once: the first one stays")
            if present is None:
                incoming = _Incoming(self._incoming / secrets.token_hex(16), len(body))
                try:
                    incoming.write(body)
                    incoming.finish()
                    # Other sets may have made the common folders, and not have brought them to the disk yet.
                    for folder in (self._runs, *reversed(path.parents[:3])):
                        _sync_folder(folder)
                    with _full_volume_said():
                        incoming.move(path)
                finally:
                    incoming.discard()
            result = Result(key, digest_of(body), summary, path.stat().st_mtime)
        return Sealed(created=present is None, result=result)

    def _check_files(self, key: SetKey, manifest: Manifest) -> None:
        problems = []
        for file in manifest.files:
            path = self._set(key) / "files" / file.path
            found = self._digests.find(path)
            if found is None:
                problems.append(f"{file.path} is missing")
            elif path.stat().st_size != file.size:
                problems.append(f"{file.path} has {path.stat().st_size} bytes, not {file.size}")
            elif found != file.sha256:
                problems.append(f"{file.path} has other bytes")
        if problems:
            more = f" and {len(problems) - _PROBLEMS_NAMED} more" if len(problems) > _PROBLEMS_NAMED else ""
            raise Incomplete(
                f"{key} is not complete: {'; '.join(problems[:_PROBLEMS_NAMED])}{more}",
                "upload these files, then the manifest again",
            )

    # Reading

    def is_sealed(self, key: SetKey) -> bool:
        """Whether the set's manifest is stored."""
        return self._manifest_path(key).exists()

    def uids(self) -> list[str]:
        """The uids of all runs that anything is kept of, the newest first."""
        with os.scandir(self._runs) as entries:
            found = [(entry.stat().st_mtime, entry.name) for entry in entries if entry.is_dir()]
        return [name for _, name in sorted(found, reverse=True)]

    def sets(self, uid: str) -> list[SetKey]:
        """All sets of the run that anything is kept of: by attempt, the shards by number and then the evidence."""
        folder = self._runs / check_uid(uid)
        keys = [
            SetKey(uid, int(found.parent.name), None if found.name == EVIDENCE else int(found.name))
            for found in folder.glob("*/*")
            if found.is_dir()
        ]
        return sorted(keys, key=lambda key: (key.attempt, key.shard is None, key.shard or 0))

    def result(self, key: SetKey) -> Result | None:
        """The set's result if it is complete."""
        path = self._manifest_path(key)
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            return None
        summary = parse_object((self._set(key) / "files" / key.vital).read_bytes(), key.vital)
        return Result(key, digest_of(body), summary, path.stat().st_mtime)

    def results(self, uid: str) -> list[Result]:
        """The results of all complete shards of the run."""
        shards = (key for key in self.sets(uid) if key.shard is not None)
        return [result for key in shards if (result := self.result(key)) is not None]

    def manifest(self, key: SetKey) -> bytes:
        """The manifest's bytes.

        Raises:
            NotThere: the set is not complete.
        """
        try:
            return self._manifest_path(key).read_bytes()
        except FileNotFoundError as error:
            raise NotThere(f"{key} has no manifest", "its upload has not ended, or never began") from error

    def file(self, key: SetKey, path: str) -> Path:
        """Where the bytes of this file are.

        Raises:
            Invalid: the name can't be the name of a file.
            NotThere: there is no such file.
        """
        found = self._set(key) / "files" / check_path(path)
        if not found.is_file():
            raise NotThere(f"{key} has no file {path}", "the manifest lists the files")
        return found

    def chunks(self, key: SetKey, path: str) -> Iterator[bytes]:
        """The file's bytes, in pieces.

        Raises:
            Invalid: the name can't be the name of a file.
            NotThere: there is no such file.
        """
        with self.file(key, path).open("rb") as file:
            while piece := file.read(_HASH_BYTES):
                yield piece

    def space(self) -> tuple[int, int]:
        """Free and total bytes of the volume.

        Raises:
            OSError: the folder can't be reached.
        """
        usage = shutil.disk_usage(self._runs)
        return usage.free, usage.total

    # Places

    def _set(self, key: SetKey) -> Path:
        return self._runs / key.uid / str(key.attempt) / key.part

    def _manifest_path(self, key: SetKey) -> Path:
        return self._set(key) / "manifest.json"

    def _lock(self, key: SetKey) -> threading.Lock:
        return self._locks[hash(key) % _LOCKS]


class _Incoming:
    """One body on its way to the disk, under a name that nobody asks for."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._max_bytes:
            raise TooLarge(
                f"the file is larger than {self._max_bytes} bytes",
                "make it smaller, or raise SEATRIAL_ARCHIVE_MAX_FILE",
            )
        self._hash.update(data)
        with _full_volume_said():
            if self._file is None:
                self._file = self._path.open("xb", buffering=0)
            view = memoryview(data)
            while view:  # a nearly full volume takes a part of the bytes, and refuses with the next write
                view = view[self._file.write(view) :]

    def finish(self) -> str:
        """Brings the bytes to the disk and returns their SHA-256 (hex)."""
        assert self._file is not None
        with _full_volume_said():
            os.fsync(self._file.fileno())
            self._file.close()
        return self._hash.hexdigest()

    def move(self, target: Path) -> None:
        """Gives the file its name, for good."""
        self._path.rename(target)
        _sync_folder(target.parent)

    def discard(self) -> None:
        """Removes what is left under the passing name; nothing after `move`."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


class _Digests:
    """SHA-256 of stored files: remembered from their upload, computed anew after a restart."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int, int], str] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, path: Path) -> str | None:
        """The file's SHA-256 (hex); None if there is no such file."""
        if not path.is_file():
            return None
        identity = self._identity(path)
        with self._lock:
            known = self._known.get(identity)
        if known is None:
            with path.open("rb", buffering=0) as file:
                known = hashlib.file_digest(file, "sha256").hexdigest()
            self.remember(path, known)
        return known

    def remember(self, path: Path, sha256: str) -> None:
        with self._lock:
            self._known[self._identity(path)] = sha256
            while len(self._known) > _DIGESTS_REMEMBERED:
                self._known.popitem(last=False)

    @staticmethod
    def _identity(path: Path) -> tuple[int, int, int]:
        stat = path.stat()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns


@contextmanager
def _full_volume_said() -> Iterator[None]:
    """Turns the operating system's ways to say that no space is left into VolumeFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise VolumeFull(
            "the archive's volume is full",
            "delete old runs or enlarge the volume of the archive, then send this again",
        ) from error


def _make_folder(folder: Path, base: Path) -> None:
    """Makes the folder and its parents below `base`, each of them lasting."""
    if folder.is_dir() or folder == base:
        return
    _make_folder(folder.parent, base)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like asyncio.to_thread, but a cancelled caller waits for the thread: nobody closes a file under its feet."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
