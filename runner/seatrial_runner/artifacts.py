"""Files that the tests and apps left behind, chosen by globs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional

from seatrial_protocol.summary import OmittedFile, OmittedFiles
from seatrial_runner.upload import Source

FILES_LIMIT = 10_000
"""Files of one shard at most."""
CACHES = frozenset(
    ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".git", ".venv", "node_modules")
)
"""Folders that tools keep for themselves: what they write there is no result."""
EXAMPLES = 20
"""Omitted files that are named; the rest is counted."""
PATH_LIMIT = 1000
NAME_LIMIT = 255
_HASHED_AT_ONCE = 1024 * 1024
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\\\%\u2028\u2029\ufffd\ud800-\udfff]")


@dataclass
class Omitted:
    """What was left out, and why."""

    files: int = 0
    bytes: int = 0
    examples: list[OmittedFile] = field(default_factory=list)

    def add(self, path: str, reason: str, size: int = 0) -> None:
        """Count one more."""
        self.files += 1
        self.bytes += size
        if len(self.examples) < EXAMPLES:
            self.examples.append(OmittedFile(path[:PATH_LIMIT], reason))

    def in_summary(self) -> Optional[OmittedFiles]:
        """For the summary; None if nothing was left out."""
        return OmittedFiles(self.files, self.bytes, tuple(self.examples)) if self.files else None


def pattern(glob: str) -> re.Pattern[str]:
    """A glob over relative paths: ``*`` and ``?`` stay within a name, ``**`` spans folders.

    A glob that names a folder (``logs``, ``logs/``) means all that is in it.

    Raises:
        ValueError: it is empty, or leaves its folder.
    """
    parts = [part for part in glob.strip().split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise ValueError(f"{glob!r} is not a glob below the working folder, such as logs/**")
    expression = ""
    for part in parts:
        expression += "(?:[^/]+/)*" if part == "**" else _name(part) + "/"
    # the last name is a file's or a folder's; after ** it is whatever is there
    expression = expression + "[^/]+" if parts[-1] == "**" else expression[:-1] + "(?:/.+)?"
    try:
        return re.compile(expression, re.DOTALL)
    except re.error as error:
        raise ValueError(f"{glob!r} is not a glob: {error}") from error


def _name(glob: str) -> str:
    translated, index = "", 0
    while index < len(glob):
        character = glob[index]
        index += 1
        if character == "*":
            translated += "[^/]*"
        elif character == "?":
            translated += "[^/]"
        elif character == "[" and (end := glob.find("]", index + 1)) > 0:
            inside = glob[index:end].replace("\\", "\\\\").replace("[", "\\[")
            negated = inside[0] in "!^"
            translated += f"[{'^/' if negated else ''}{inside[1:] if negated else inside}]"
            index = end + 1
        else:
            translated += re.escape(character)
    return translated


def archived_name(path: str) -> str:
    """The name under which a file is archived: its own, with what no URL or terminal should hold written as ``%0A``."""
    readable = os.fsencode(path).decode("utf-8", "surrogateescape")
    return _UNSAFE.sub(lambda match: _escaped(match.group()), readable)


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class Found:
    """An artifact. Its file is open; whoever uploads it closes it."""

    name: str
    source: Source


def find(
    base: str, globs: Sequence[str], limit: int, omitted: Omitted, since_ns: Optional[int] = None, below: str = ""
) -> Iterator[Found]:
    """The regular files below ``base`` that a glob matches, in the order of their names, ``limit`` bytes in total.

    ``below`` is a folder in ``base``, from which paths count; like all in it, it is never reached through a link.

    With ``since_ns`` also those that were written since then (nanoseconds of the epoch), on the volume of ``base``
    itself, without what tools keep for themselves; they come after those that a glob matches.

    A symbolic link to a file below ``base`` counts as that file; one that leads elsewhere is left out: what it
    points at is in this container, not in the one that made the link. Whoever wrote the files may exchange them at any
    moment: none is opened through a link. Each file is closed when the next is asked for.
    """
    patterns = []
    for glob in globs:
        try:
            patterns.append(pattern(glob))
        except ValueError as error:
            omitted.add(glob, str(error))
    volume = os.path.realpath(base)
    root = os.path.join(volume, below) if below else volume
    if os.path.realpath(root) != root:
        omitted.add(archived_name(below), "the working directory is a symbolic link")
        return
    total = files = 0
    paths = sorted(_walk(root, omitted))
    asked_for = [path for path in paths if any(each.fullmatch(path) for each in patterns)]
    written = _written(root, sorted(set(paths).difference(asked_for)), since_ns)
    for path in (*asked_for, *written):
        name = archived_name(path)
        real = os.path.realpath(os.path.join(root, path))
        if os.path.commonpath((root, real)) != root:
            omitted.add(name, "a symbolic link that leads out of the artifacts")
            continue
        if len(name.encode()) > PATH_LIMIT or any(len(part.encode()) > NAME_LIMIT for part in name.split("/")):
            omitted.add(name, "its name is too long")
            continue
        if os.path.isdir(real):  # a link to a folder, the files of which stand under their own names
            continue
        try:
            fd = _open_below(volume, os.path.relpath(real, volume))
        except OSError as error:
            omitted.add(name, f"can't be read: {error.strerror}")
            continue
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                omitted.add(name, "not a regular file")
            elif files >= FILES_LIMIT:
                omitted.add(name, f"more than {FILES_LIMIT} files", status.st_size)
            elif total + status.st_size > limit:
                omitted.add(name, f"artifacts of more than {limit} bytes in total", status.st_size)
            else:
                source = _hashed(fd, status.st_size)
                total += source.size
                files += 1
                yield Found(name, source)
        finally:
            os.close(fd)


def _open_below(root: str, path: str) -> int:
    """Open a file by its path below ``root``, folder by folder, none of which may be a link.

    Raises:
        OSError: it can't be read, or a part of its path is a link.
    """
    *folders, name = path.split("/")
    with contextlib.ExitStack() as opened:
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, folder)
        for each in folders:
            folder = os.open(each, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            opened.callback(os.close, folder)
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)


def _written(root: str, paths: Sequence[str], since_ns: Optional[int]) -> Iterator[str]:
    """The paths below ``root`` that are regular files on its volume, written since then, and no tool's cache."""
    if since_ns is None or not paths:
        return
    device = os.lstat(root).st_dev
    for path in paths:
        if CACHES.intersection(path.split("/")):
            continue
        with contextlib.suppress(OSError):
            status = os.lstat(os.path.join(root, path))
            if stat.S_ISREG(status.st_mode) and status.st_dev == device and status.st_mtime_ns >= since_ns:
                yield path


def _walk(root: str, omitted: Omitted) -> Iterator[str]:
    def unreadable(error: OSError) -> None:
        path = os.path.relpath(error.filename, root) if error.filename else root
        if path != ".":  # no artifact folder was mounted: nothing to collect
            omitted.add(archived_name(path), f"can't be read: {error.strerror}")

    for folder, folders, names in os.walk(root, onerror=unreadable):
        below = os.path.relpath(folder, root)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*names, *links):
            yield name if below == "." else f"{below}/{name}"


def _hashed(fd: int, size: int) -> Source:
    """The file as it is now, at most ``size`` bytes of it."""
    digest, done = hashlib.sha256(), 0
    while done < size:
        data = os.pread(fd, min(_HASHED_AT_ONCE, size - done), done)
        if not data:
            break
        digest.update(data)
        done += len(data)
    return Source(fd, done, digest.hexdigest())
