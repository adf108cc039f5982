"""Trees of files to pack, and what is in an archive."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, str | bytes]


def fill(root: Path, files: Files) -> Path:
    """Writes files below a folder; `-> target` makes a link, a name that ends with / a folder."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content.removeprefix("-> "))
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def git(root: Path, *arguments: str) -> None:
    """Calls Git as nobody's settings have it."""
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    settings = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *settings, *arguments], cwd=root, env={**os.environ, **quiet}, check=True)


def repository(root: Path, files: Files) -> Path:
    """A repository with these files, all of them committed."""
    fill(root, files)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "--all")
    git(root, "commit", "-q", "-m", "all", "--allow-empty")
    return root


def members(archive: Path) -> dict[str, str]:
    """Name: `755 text` of a file, `-> target` of a link, `/` of a folder; in the archive's order."""
    found = {}
    with tarfile.open(archive, "r:gz") as opened:
        for member in opened:
            assert (member.uid, member.gid, member.mtime, member.uname, member.gname) == (0, 0, 0, "", "")
            if member.issym():
                found[member.name] = f"-> {member.linkname}"
            elif member.isdir():
                found[member.name] = "/"
            else:
                content = opened.extractfile(member)
                assert content is not None
                found[member.name] = f"{member.mode:o} {content.read().decode()}"
    return found
