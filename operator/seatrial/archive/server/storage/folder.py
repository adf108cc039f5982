"""Files in a folder on a volume."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from seatrial.archive.model.errors import VolumeFullError
from seatrial.archive.server.storage import Entry

_READ_BYTES = 256 * 1024
_LOCKS = 64
_FOLDERS_REMEMBERED = 10_000


class Folder:
    """A Storage whose files have their names as paths below `root`; `source` files must be on the same volume."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._lasting: set[Path] = set()  # folders that a loss of power would not take

    def open(self) -> int:
        """See Storage; a crash leaves nothing: files come by a rename."""
        self._root.mkdir(parents=True, exist_ok=True)
        _sync(self._root)
        return 0

    def add(self, name: str, source: Path) -> str | None:
        """See Storage."""
        target = self._root / name
        with full_volume_reported():
            _sync(source)
            with self._locks[hash(name) % _LOCKS]:
                if target.is_file():
                    return None
                self._make_folder(target.parent)
                source.rename(target)
            _sync(target.parent)
        return _version(target.stat())

    def find(self, name: str) -> Entry | None:
        """See Storage."""
        try:
            found = (self._root / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _entry(name, found) if stat.S_ISREG(found.st_mode) else None

    def chunks(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """See Storage."""
        with (self._root / name).open("rb", buffering=0) as file:
            file.seek(start)
            while start < end and (piece := file.read(min(_READ_BYTES, end - start))):
                start += len(piece)
                yield piece

    def entries(self, prefix: str) -> Iterator[Entry]:
        """See Storage."""
        try:
            with os.scandir(self._root / prefix) as found:
                inside = list(found)
        except (FileNotFoundError, NotADirectoryError):
            return
        for one in inside:
            name = f"{prefix}/{one.name}"
            if one.is_dir():
                yield from self.entries(name)
                continue
            with suppress(FileNotFoundError):  # it was removed a moment ago
                yield _entry(name, one.stat())

    def folders(self, prefix: str) -> list[str]:
        """See Storage."""
        try:
            with os.scandir(self._root / prefix) as found:
                changed = [(one.stat().st_mtime, one.name) for one in found if one.is_dir()]
        except FileNotFoundError:
            return []
        return [name for _, name in sorted(changed, reverse=True)]

    def remove(self, names: Sequence[str]) -> None:
        """See Storage."""
        emptied = set()
        for name in names:
            path = self._root / name
            path.unlink(missing_ok=True)
            emptied.add(path.parent)
        for folder in emptied:
            with suppress(OSError):  # not empty, or gone
                while folder != self._root:
                    self._lasting.discard(folder)
                    folder.rmdir()
                    folder = folder.parent

    def _make_folder(self, folder: Path) -> None:
        """Makes the folder and its parents below the root, each of them lasting, whoever made it a moment ago."""
        if folder == self._root or folder in self._lasting:
            return
        self._make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)
        if len(self._lasting) >= _FOLDERS_REMEMBERED:
            self._lasting.clear()
        self._lasting.add(folder)


@contextmanager
def full_volume_reported() -> Iterator[None]:
    """Turns the operating system's ways to say that no space is left into VolumeFullError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise VolumeFullError(
            "the archive's volume is full",
            "delete old runs or enlarge the volume of the archive, then send this again",
        ) from error


def _entry(name: str, found: os.stat_result) -> Entry:
    return Entry(name, found.st_size, found.st_mtime, _version(found))


def _version(found: os.stat_result) -> str:
    return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
