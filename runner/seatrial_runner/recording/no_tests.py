"""Why a session has no tests: what was looked for, and what was there instead."""

from __future__ import annotations

import os
from typing import Any

import pytest

from seatrial_runner.recording.text import MESSAGE_LIMIT, clean

NAMES = 10
ENTRIES = 2000
"""Entries of folders that are looked at."""
DEPTH = 8
_SKIPPED = ("__pycache__", "node_modules", "__init__.py", "conftest.py")


def looked_for(config: pytest.Config) -> dict[str, Any]:
    """What the project and the command line choose tests by."""
    option = config.option
    return {
        "pythonFiles": [_short(pattern) for pattern in _ini(config, "python_files")][:NAMES],
        "markers": _short(getattr(option, "markexpr", "") or ""),
        "keywords": _short(getattr(option, "keyword", "") or ""),
        "addopts": _short(" ".join(_ini(config, "addopts"))),
    }


def names_found(config: pytest.Config) -> dict[str, list[str]]:
    """Names of files where tests were looked for: those that match ``python_files``, and those that don't."""
    patterns = _ini(config, "python_files")
    root = str(config.rootpath)
    found: dict[str, list[str]] = {"matching": [], "others": []}
    folders = [(os.path.join(root, str(arg).partition("::")[0]), 0) for arg in config.args]
    entries = 0
    while folders and entries < ENTRIES:
        folder, depth = folders.pop()
        try:
            with os.scandir(folder) as listing:
                for entry in listing:
                    entries += 1
                    if entries > ENTRIES or entry.name.startswith(".") or entry.name in _SKIPPED:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if depth < DEPTH:
                            folders.append((entry.path, depth + 1))
                        continue
                    kind = "matching" if _matches(entry.name, patterns) else "others"
                    if len(found[kind]) < NAMES:
                        found[kind].append(_short(os.path.relpath(entry.path, root)))
        except OSError:  # no folder, or one that can't be read
            continue
    return {kind: sorted(names) for kind, names in found.items()}


def _matches(name: str, patterns: list[str]) -> bool:
    from fnmatch import fnmatch

    return name.endswith(".py") and any(fnmatch(name, pattern) for pattern in patterns)


def _ini(config: pytest.Config, name: str) -> list[str]:
    try:
        value = config.getini(name)
    except (KeyError, ValueError):
        return []
    return value.split() if isinstance(value, str) else [str(each) for each in value]


def _short(text: str) -> str:
    return clean(text)[:MESSAGE_LIMIT]
