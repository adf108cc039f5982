"""The files of a Git work tree: tracked, and untracked but not ignored."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from seatrial.cli.bundle.tree import LeftOut
from seatrial.cli.errors import CliError
from seatrial.cli.terminal import one_line

_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
"""Variables by which Git names its hooks the repository; the tree may be of another one."""


def is_in_git(root: Path) -> bool:
    """Whether the folder belongs to a Git work tree."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))


def names(root: Path) -> tuple[list[str], list[LeftOut]]:
    """The names of files and links below a folder of a work tree, those of submodules too.

    A name may be there twice, and a tracked file may be gone.

    Raises:
        CliError: Git is not there, or can't read the tree.
    """
    found: list[str] = []
    left_out: list[LeftOut] = []
    for name in _listed(root):
        path = name.rstrip("/")
        here = root / path
        if here.is_symlink() or not here.is_dir():
            found.append(path)
        elif (here / ".git").exists():
            inner, inner_left_out = names(here)
            found += [f"{path}/{each}" for each in inner]
            left_out += [LeftOut(f"{path}/{each.path}", each.why) for each in inner_left_out]
        else:
            left_out.append(LeftOut(path, "the submodule is not checked out: git submodule update --init"))
    return found, left_out


def _listed(root: Path) -> list[str]:
    env = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise CliError(
            f"{root} is a Git work tree, but there is no git to list its files", hint="install git"
        ) from error
    if done.returncode:
        said = one_line(done.stderr.decode(errors="replace")) or f"it ended with {done.returncode}"
        raise CliError(f"git can't list the files in {root}: {said}")
    return [os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
