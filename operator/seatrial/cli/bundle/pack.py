"""Writes a tree as one archive that is the same for the same tree, and computes its digest while it does."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from seatrial.amounts import size
from seatrial.cli.bundle.ignore import SEATRIAL_IGNORE
from seatrial.cli.bundle.tree import Entry, File, Link, Tree
from seatrial.cli.errors import CliError

_LEVEL = 2
"""Of compression: half the time of level 6 for 14 % more bytes, measured on Python sources."""
_GZIP = 31
"""What zlib calls a gzip stream; its header has neither a time nor a name."""
_BLOCK = 512
_READS = 3
"""How often a file is read that changes meanwhile."""
_CONTENT = 1024 * 1024

Progress = Callable[[int], None]
"""Called with the bytes of files that are done."""


@dataclass(frozen=True)
class Limits:
    """What a bundle may have at most."""

    packed: int = 64 * 1024 * 1024
    """Bytes of the archive."""
    unpacked: int = 1024 * 1024 * 1024
    """Bytes of all files."""
    entries: int = 100_000


@dataclass(frozen=True)
class Bundle:
    """An archive on this machine."""

    path: Path
    sha256: str
    size: int
    """Bytes of the archive."""
    files: int

    @property
    def digest(self) -> str:
        """Its address: `sha256:<hex>`."""
        return f"sha256:{self.sha256}"


def pack(root: Path, tree: Tree, target: Path, limits: Limits = Limits(), progress: Progress | None = None) -> Bundle:
    """Writes the archive.

    Raises:
        CliError: it is larger than the limits, a file can't be read, or the target can't be written.
    """
    if len(tree.entries) > limits.entries:
        raise CliError(
            f"{root} has {len(tree.entries)} files and folders, a bundle at most {limits.entries}",
            hint=_IGNORE,
        )
    if tree.size > limits.unpacked:
        raise _too_large(root, tree, f"{size(tree.size)} of files, at most {size(limits.unpacked)}")
    try:
        with target.open("wb") as file:
            stream = _Stream(file, limits.packed)
            files = done = 0
            for entry in tree.entries:
                files += _write(stream, root, entry)
                done += entry.size if isinstance(entry, File) else 0
                if progress:
                    progress(done)
            stream.end()
    except _LimitError:
        raise _too_large(root, tree, f"more than {size(limits.packed)} packed") from None
    except OSError as error:
        raise CliError(f"can't write {target}: {error.strerror}") from error
    return Bundle(target, stream.digest.hexdigest(), stream.size, files)


_IGNORE = f"name what the run doesn't need in .gitignore, or in {SEATRIAL_IGNORE} if Git tracks it"


def _too_large(root: Path, tree: Tree, amount: str) -> CliError:
    return CliError(
        f"the code in {root} is too large for a bundle: {amount}; the largest files:",
        details=[f"{size(file.size):>10}  {file.path}" for file in tree.largest],
        hint=_IGNORE,
    )


class _LimitError(Exception):
    """The archive is larger than allowed."""


class _Stream:
    """Compresses, writes and digests."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file, self._limit = file, limit
        self._compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._put(self._compressor.compress(data))

    def end(self) -> None:
        self.write(bytes(2 * _BLOCK))
        self._put(self._compressor.flush())

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limit:
            raise _LimitError
        self.digest.update(data)
        self._file.write(data)


def _write(stream: _Stream, root: Path, entry: Entry) -> int:
    """Writes one entry; returns how many files that were."""
    info = tarfile.TarInfo(entry.path)
    content = b""
    match entry:
        case File():
            read = _content(root / entry.path)
            if read is None:
                return 0  # it vanished
            content = read
            info.mode, info.size = (0o755 if entry.is_executable else 0o644), len(content)
        case Link():
            info.mode, info.type, info.linkname = 0o777, tarfile.SYMTYPE, entry.target
        case _:
            info.mode, info.type = 0o755, tarfile.DIRTYPE
    stream.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
    for start in range(0, len(content), _CONTENT):
        stream.write(content[start : start + _CONTENT])
    stream.write(bytes(-len(content) % _BLOCK))
    return int(isinstance(entry, File))


def _content(path: Path) -> bytes | None:
    """All bytes of a file as they were at one moment; None if it is gone, or is no file any more."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if path.is_symlink():
            return None
        raise CliError(f"can't read {path}: {error.strerror}", hint=_IGNORE) from error
    with open(opened, "rb", buffering=0) as file:
        for _ in range(_READS):
            before = os.fstat(opened)
            if not stat.S_ISREG(before.st_mode):
                return None
            os.lseek(opened, 0, os.SEEK_SET)
            content = file.readall()
            after = os.fstat(opened)
            if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, len(content)):
                return content
    raise CliError(f"{path} changes while it is packed", hint=f"try again, or leave it out: {_IGNORE}")
