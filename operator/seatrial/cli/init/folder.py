"""Reads the files of a project: bounded, regular files only, nothing outside of its repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from seatrial.cli.init.places import ReadError

FILE_BYTES = 256 * 1024
"""Larger files are not read: a compose file or a Dockerfile is a few kilobytes."""
FILES_LISTED = 2_000
FOLDERS_LISTED = 500
_LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv", "env", "site-packages", "dist", "build"})
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class Folder:
    """The project's folder. Paths are relative to it, with `/`; `..` may lead up to the top of its repository."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.top = next((p for p in (self.root, *self.root.parents) if (p / ".git").exists()), self.root)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.root.name

    def _path(self, path: str) -> Path | None:
        """The real path, or None if it leaves the repository or can't be one."""
        try:
            real = (self.root / path).resolve()
        except (OSError, ValueError, RuntimeError):
            return None
        return real if real.is_relative_to(self.top) else None

    def is_file(self, path: str) -> bool:
        """Whether it is a regular file inside."""
        real = self._path(path)
        return real is not None and real.is_file()

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder inside."""
        real = self._path(path)
        return real is not None and real.is_dir()

    def text(self, path: str) -> str | None:
        """The text of a file; None if there is none.

        Raises:
            ReadError: it is outside of the repository, too large, no regular file, or not UTF-8 text.
        """
        real = self._path(path)
        if real is None:
            raise ReadError(path, f"is outside of {self.top}; it is not read")
        try:
            descriptor = os.open(real, _READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ReadError(path, f"can't be read: {error.strerror}") from error
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ReadError(path, "is no regular file")
            data = file.read(FILE_BYTES + 1)
        if len(data) > FILE_BYTES:
            raise ReadError(path, f"is larger than {FILE_BYTES // 1024} KiB; it is not read")
        try:
            return data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise ReadError(path, "is not UTF-8 text") from error

    def names(self, path: str = ".") -> list[str]:
        """The names in a folder, sorted; none if there is no such folder."""
        real = self._path(path)
        try:
            return sorted(os.listdir(real))[:FILES_LISTED] if real is not None else []
        except OSError:
            return []

    def walk(self, endings: tuple[str, ...]) -> Iterator[str]:
        """The project's files whose names end so, by folder; not those of hidden, installed or built folders."""
        waiting, folders, files = [""], 0, 0
        while waiting and folders < FOLDERS_LISTED:
            folders += 1
            here = waiting.pop(0)
            for name in self.names(here or "."):
                path = f"{here}/{name}" if here else name
                if name.startswith(".") or name in _LEFT_OUT or (self.root / path).is_symlink():
                    continue
                if self.is_folder(path):
                    waiting.append(path)
                elif name.endswith(endings) and self.is_file(path):
                    files += 1
                    if files > FILES_LISTED:
                        return
                    yield path


def joined(folder: str, path: str) -> str:
    """A path as seen from another folder, without `.` and without `..` where a name stands before it."""
    parts: list[str] = []
    for part in (*PurePosixPath(folder).parts, *PurePosixPath(path).parts):
        if part == ".":
            continue
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        elif part == "/":
            parts = ["/"]
        else:
            parts.append(part)
    if parts[:1] == ["/"]:
        return "/" + "/".join(parts[1:])
    return "/".join(parts) or "."
