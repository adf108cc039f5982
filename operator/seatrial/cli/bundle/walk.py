"""The files of a folder outside Git: all but what its ignore file names and what tools make again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from seatrial.cli.bundle.ignore import Ignore
from seatrial.cli.errors import CliError

_NEVER = frozenset({".git", ".hg", ".svn", "__pycache__"})
_MARKERS = ("CACHEDIR.TAG", "pyvenv.cfg")
"""A folder with such a file is a cache or a virtual environment."""


def names(root: Path, ignore: Ignore) -> list[str]:
    """The names of all files and links below a folder, and of folders that are empty.

    Raises:
        CliError: a folder can't be read.
    """
    return list(_walk(root, "", ignore))


def _walk(root: Path, folder: str, ignore: Ignore) -> Iterator[str]:
    try:
        with os.scandir(root / folder) as listing:
            children = list(listing)
    except FileNotFoundError:
        return  # it vanished
    except OSError as error:
        raise CliError(f"can't read the folder {root / folder}: {error.strerror}") from error
    if folder and any(child.name in _MARKERS for child in children):
        return
    if folder and not children and not ignore.leaves_out(f"{folder}/"):
        yield folder
    for child in children:
        path = f"{folder}/{child.name}" if folder else child.name
        if not child.is_dir(follow_symlinks=False):
            if not ignore.leaves_out(path):
                yield path
        elif child.name not in _NEVER and (ignore.has_exceptions or not ignore.leaves_out(f"{path}/")):
            yield from _walk(root, path, ignore)
