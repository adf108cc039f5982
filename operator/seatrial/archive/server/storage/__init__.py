"""Where the archive's bytes lie: a folder on a volume (`folder`), or a bucket of S3, GCS or Azure (`bucket`).

Names are relative paths with `/` between their parts. What is stored under a name never changes; it can only be
removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that is stored."""

    name: str
    size: int  # bytes
    modified: float  # unix seconds
    version: str  # differs when other bytes lie under this name


class Storage(Protocol):
    """Keeps files. Methods block, are thread-safe, and raise UnavailableError when a bucket doesn't answer."""

    def open(self) -> int:
        """Makes ready, removes what a crash left half-way, and returns how many such files there were.

        Raises:
            OSError: the folder can't be written.
        """
        ...

    def add(self, name: str, source: Path) -> str | None:
        """Stores the local file's bytes under this name, lasting and whole or not at all; `source` may be gone
        afterwards.

        Returns:
            Their version; None if the name is taken: what lies there stays. Of many at once one succeeds.

        Raises:
            FileExistsError, IsADirectoryError, NotADirectoryError: the name, or a part of it, is a folder's or a
            file's.
            InvalidError: the name is too long for a bucket.
            VolumeFullError: no space is left.
        """
        ...

    def find(self, name: str) -> Entry | None:
        """The file with this name; None if there is none."""
        ...

    def chunks(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """The file's bytes from `start` to before `end`, in pieces that are small enough to hold many of.

        Raises:
            FileNotFoundError: there is no such file.
        """
        ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """All files below this folder, at any depth, in no order; none if there is no such folder."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly below this one, the last changed first where that is known."""
        ...

    def remove(self, names: Sequence[str]) -> None:
        """Removes these files, and folders that are empty then; one that isn't there is passed over."""
        ...
