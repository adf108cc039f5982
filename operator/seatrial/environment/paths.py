"""Paths inside containers."""

from __future__ import annotations

import posixpath


def normal(path: str) -> str:
    """An absolute path without what changes nothing: `/a//b/` is `/a/b`."""
    return posixpath.normpath("/" + path.lstrip("/"))


def is_within(path: str, folder: str) -> bool:
    """Whether a path is the folder or below it; both normal and absolute, or both relative to the same."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
