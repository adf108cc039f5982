"""Where a field stands in a manifest: `spec.apps.web.args[0]`."""

from __future__ import annotations

import re
from collections.abc import Sequence

FieldPath = tuple[str | int, ...]
"""Where a field stands in a document: keys and list indexes."""


_PART = re.compile(r"((?:[^.\[\]\\=]|\\.)+)|\[([0-9]+)\]")


def parse_path(text: str) -> FieldPath:
    r"""Reads `spec.apps.web.args[0]`; a dot that belongs to a key is written `\.`.

    Raises:
        ValueError: it is not such a path.
    """
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        if parts and text[at] == ".":
            at += 1
            if at == len(text) or text[at] == "[":
                raise ValueError("a name is missing after the dot")
        elif parts and text[at] != "[":
            raise ValueError(f"expected a dot or [ before {text[at:]!r}")
        match = _PART.match(text, at)
        if not match:
            raise ValueError(f"expected a name or [number] at {text[at:]!r}")
        name, index = match.groups()
        parts.append(int(index) if index is not None else re.sub(r"\\(.)", r"\1", name))
        at = match.end()
    if not parts:
        raise ValueError("the path is empty")
    return tuple(parts)


def format_path(path: Sequence[str | int]) -> str:
    """Writes a path: `spec.env[0].name`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
