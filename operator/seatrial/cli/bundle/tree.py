"""What a bundle is made of: files, links and the folders that they need. Pure."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LARGEST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder."""

    path: str
    """Below the tree, with `/` between the names; so for all entries."""


@dataclass(frozen=True, slots=True)
class File:
    """A regular file."""

    path: str
    size: int
    """In bytes, when it was listed."""
    is_executable: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link that stays inside the tree."""

    path: str
    target: str


Entry = Folder | File | Link


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of the tree that no bundle can hold."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Tree:
    """The entries of a bundle in their order, and what was left out."""

    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def files(self) -> list[File]:
        """Its files alone."""
        return [entry for entry in self.entries if isinstance(entry, File)]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def largest(self) -> list[File]:
        """The files that a bundle is large by, the largest first."""
        return sorted(self.files, key=lambda file: (-file.size, file.path))[:LARGEST_NAMED]


def tree_of(entries: Iterable[Entry], left_out: Iterable[LeftOut] = ()) -> Tree:
    """The tree of these entries: with the folders that they need, each before what is in it, in the order of names."""
    by_path = {entry.path: entry for entry in entries}
    for path in list(by_path):
        for folder in parents(path):
            by_path.setdefault(folder, Folder(folder))
    ordered = sorted(by_path.values(), key=lambda entry: os.fsencode(entry.path))
    return Tree(tuple(ordered), tuple(sorted(left_out, key=lambda each: each.path)))


def parents(path: str) -> Iterator[str]:
    """The folders that a path lies in, the innermost first, without the tree itself."""
    while path := posixpath.dirname(path):
        yield path


def stays_inside(path: str, target: str) -> bool:
    """Whether a link at this path with this target points into its tree, read as text."""
    if posixpath.isabs(target):
        return False
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return found != ".." and not found.startswith("../")
