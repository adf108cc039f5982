"""YAML with comments: values that carry a note, and their text. A bounded writer: maps, lists and plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from seatrial.cli.terminal import one_line

WIDTH = 118
_PLAIN = re.compile(r"[\w./$(~+-](?:[\w ./$()~+@=%!^*;&|<>\\-]|:(?=\S))*")
_NOTE = 110
"""Characters of one line of a comment that stands alone."""


@dataclass(frozen=True)
class Noted:
    """A value with what is to be said of it: behind it, and in lines before it."""

    value: Any
    note: str = ""
    above: tuple[str, ...] = ()


def plain(value: Any) -> Any:
    """The value without its notes."""
    if isinstance(value, Noted):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    return value


def text(document: Mapping[str, Any]) -> str:
    """The document as YAML."""
    return "\n".join(_map(document, 0)) + "\n"


def comment(lines: Sequence[str], indent: int = 0) -> list[str]:
    """Lines of a comment, long ones broken between words."""
    found: list[str] = []
    space = " " * indent
    for line in lines:
        words, row = one_line(line).split(" "), ""
        for word in words:
            if row and len(row) + 1 + len(word) > _NOTE - indent:
                found.append(f"{space}# {row}")
                row = "  " + word
            else:
                row = f"{row} {word}" if row else word
        found.append(f"{space}# {row}".rstrip())
    return found


def scalar(value: Any) -> str:
    """A plain value on one line."""
    if isinstance(value, str) and "\n" not in value:
        shown = yaml.safe_dump(value, width=1_000_000, allow_unicode=True).removesuffix("\n").removesuffix("\n...")
        return scalar_quoted(value) if shown[:1] in "'\"" or "\n" in shown else str(shown)
    shown = yaml.safe_dump(value, default_style='"' if isinstance(value, str) else None, width=1_000_000)
    return str(shown.removesuffix("\n").removesuffix("\n..."))


def _map(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    for key, child in value.items():
        yield from _entry(f"{' ' * indent}{scalar(key)}:", child, indent + 2)


def _list(value: Sequence[Any], indent: int) -> Iterator[str]:
    for child in value:
        yield from _entry(f"{' ' * indent}-", child, indent + 2)


def _entry(head: str, child: Any, indent: int) -> Iterator[str]:
    note, above = "", []
    if isinstance(child, Noted):
        note, above = one_line(child.note), list(child.above)
        child = child.value
    inner = _inline(child, len(head))
    column = len(head) - len(head.lstrip())
    line = head if inner is None else f"{head} {inner}"
    if note and len(line) + 4 + len(note) > WIDTH:
        above.append(note)
        note = ""
    yield from comment(above, column)
    if inner is None and head.endswith("-") and isinstance(child, Mapping) and not note:
        lines = list(_map(child, indent))
        first = next(index for index, each in enumerate(lines) if not each.lstrip().startswith("#"))
        yield from lines[:first]
        yield f"{head} {lines[first].lstrip()}"
        yield from lines[first + 1 :]
        return
    if inner is None and isinstance(child, str):
        yield f"{head} {'|' if child.endswith(chr(10)) else '|-'}"
        yield from (f"{' ' * indent}{each}".rstrip() for each in child.removesuffix("\n").split("\n"))
        return
    yield f"{line}  # {note}" if note else line
    if inner is None:
        yield from _map(child, indent) if isinstance(child, Mapping) else _list(child, indent)


def _inline(value: Any, taken: int) -> str | None:
    """The value on one line; None if it needs more."""
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        simple = all(map(_is_simple, value.values()))
        if simple and len(value) <= 2:
            row = "{" + ", ".join(f"{scalar(key)}: {_flow(child)}" for key, child in value.items()) + "}"
            return row if taken + len(row) < WIDTH else None
        return None
    if isinstance(value, list | tuple):
        if not all(map(_is_simple, value)):
            return None
        row = "[" + ", ".join(map(_flow, value)) + "]"
        return row if taken + len(row) < WIDTH or not value else None
    return None if isinstance(value, str) and _is_block(value) else scalar(value)


def _is_simple(value: Any) -> bool:
    """Whether it can stand inside of brackets."""
    return not isinstance(value, Noted | Mapping | list | tuple) and "\n" not in str(value)


def _is_block(value: str) -> bool:
    """Whether the text can stand as it is, line by line."""
    lines = value.removesuffix("\n").split("\n")
    if "\n" not in value or value.endswith("\n\n") or not lines[0] or lines[0][0].isspace():
        return False
    return all(line == line.rstrip() and (line.isprintable() or not line) for line in lines)


def _flow(value: Any) -> str:
    """A plain value inside of brackets, where more marks have a meaning."""
    shown = scalar(value)
    if not isinstance(value, str) or _PLAIN.fullmatch(shown):
        return shown
    return shown if shown[:1] == '"' else scalar_quoted(value)


def scalar_quoted(value: str) -> str:
    """The text in double quotes."""
    return str(yaml.safe_dump(value, default_style='"', width=1_000_000, allow_unicode=True)).removesuffix("\n")
