"""Reads which files, links and folders of a tree belong into its bundle."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from seatrial.cli.bundle import git, walk
from seatrial.cli.bundle.ignore import DOCKER_IGNORE, SEATRIAL_IGNORE, Ignore
from seatrial.cli.bundle.tree import Entry, File, Folder, LeftOut, Link, Tree, parents, stays_inside, tree_of
from seatrial.cli.errors import CliError


def list_tree(root: Path) -> Tree:
    """What a bundle of this folder is made of.

    In a Git work tree: what Git tracks or would track, without what `.seatrialignore` names. Elsewhere: all but what
    `.seatrialignore`, or where there is none `.dockerignore`, names.

    Raises:
        CliError: there is no such folder, or it can't be read.
    """
    if not root.is_dir():
        raise CliError(f"there is no folder {root}" if not root.exists() else f"{root} is not a folder")
    root = root.resolve()
    names, left_out = _names(root)
    reader = _Reader(root)
    for name in dict.fromkeys(names):
        reader.read(name)
    if not reader.entries:
        raise CliError(
            f"there are no files in {root}", hint=f"what is ignored by Git or {SEATRIAL_IGNORE} does not count"
        )
    return tree_of(reader.entries, [*left_out, *reader.left_out])


def _names(root: Path) -> tuple[list[str], list[LeftOut]]:
    own = _ignore(root, SEATRIAL_IGNORE)
    if git.is_in_git(root):
        names, left_out = git.names(root)
        if names or left_out:
            return [name for name in names if own is None or not own.leaves_out(name)], left_out
        # Git ignores the whole folder, yet it is the one that was asked for.
    return walk.names(root, own or _ignore(root, DOCKER_IGNORE) or Ignore.nothing()), []


def _ignore(root: Path, name: str) -> Ignore | None:
    try:
        text = (root / name).read_text(encoding="utf-8-sig")
        return Ignore.of_docker(text) if name == DOCKER_IGNORE else Ignore.of_git(text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CliError(f"can't read {root / name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CliError(f"can't read {root / name}: it is not UTF-8 text") from error
    except ValueError as error:
        raise CliError(f"{root / name}: {error}") from error


class _Reader:
    """Reads what each name stands for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: dict[str, bool] = {}
        self.entries: list[Entry] = []
        self.left_out: list[LeftOut] = []

    def read(self, path: str) -> None:
        """Adds an entry, or what is left out; nothing for a file that is gone."""
        here = self._root / path
        try:
            status = os.lstat(here)
            if not all(map(self._is_folder, parents(path))):
                return  # Git still tracks it, but a link took the place of its folder
            if stat.S_ISREG(status.st_mode):
                self.entries.append(File(path, status.st_size, bool(status.st_mode & stat.S_IXUSR)))
            elif stat.S_ISLNK(status.st_mode):
                self._link(path, os.readlink(here))
            elif stat.S_ISDIR(status.st_mode):
                self.entries.append(Folder(path))
            else:
                self.left_out.append(LeftOut(path, "it is neither a file nor a link"))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise CliError(f"can't read {here}: {error.strerror}") from error

    def _is_folder(self, path: str) -> bool:
        known = self._folders.get(path)
        if known is None:
            known = self._folders[path] = stat.S_ISDIR(os.lstat(self._root / path).st_mode)
        return known

    def _link(self, path: str, target: str) -> None:
        # As text, since that is how the pod reads it, and as it is here: another link on its way may lead outside.
        if stays_inside(path, target) and (self._root / path).resolve().is_relative_to(self._root):
            self.entries.append(Link(path, target))
        else:
            self.left_out.append(LeftOut(path, f"it links to {target}, outside of the bundle"))
