"""Compares a manifest with the one that its project would get now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.cli.field_path import FieldPath, format_path
from seatrial.cli.init.commented import Noted, plain, scalar
from seatrial.cli.run_file import RunFile

KEEP = "# init: keep"
"""Behind a field of a manifest: it differs on purpose, and so may all that is in it."""
_BY_NAME = (("spec", "services"), ("spec", "apps"), ("spec", "forwards"))
_LISTS_BY_NAME = ("migrations", "env")


@dataclass(frozen=True)
class Difference:
    """A field that says something else."""

    path: FieldPath
    text: str
    line: int | None = None

    def shown(self, source: str) -> str:
        """As one line."""
        where = f"{source}:{self.line}: " if self.line else f"{source}: "
        return f"{where}{format_path(self.path)}: {self.text}"


def differences(file: RunFile, text: str, document: Mapping[str, Any]) -> list[Difference]:
    """What the manifest does not say as its project does now.

    Fields that only the manifest has are its own, but for components and forwards: these come from the project.

    Args:
        file: the manifest.
        text: its text.
        document: the run that the project would get, with notes.
    """
    kept = {number for number, line in enumerate(text.split("\n"), 1) if line.rstrip().endswith(KEEP)}
    found = [
        Difference(path, what, _line(path, file.lines))
        for path, what in _compare(("spec",), file.run.get("spec"), document["spec"], "")
    ]
    return [each for each in found if not _is_kept(each.path, file.lines, kept)]


def _line(path: FieldPath, lines: Mapping[FieldPath, int]) -> int | None:
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), None)


def _is_kept(path: FieldPath, lines: Mapping[FieldPath, int], kept: set[int]) -> bool:
    return any(lines.get(path[:end]) in kept for end in range(1, len(path) + 1))


def _compare(path: FieldPath, mine: Any, theirs: Any, note: str) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(theirs, Noted):
        note, theirs = theirs.note or note, theirs.value
    if isinstance(theirs, Mapping) and isinstance(mine, Mapping):
        for key, value in theirs.items():
            if key in mine:
                yield from _compare((*path, key), mine[key], value, note)
            else:
                yield (*path, key), f"is missing{_from(_note(value) or note)}"
        if path in _BY_NAME:
            yield from (((*path, key), "is not in the project any more") for key in mine if key not in theirs)
    elif path and path[-1] in _LISTS_BY_NAME and isinstance(mine, list):
        yield from _by_name(path, mine, theirs, note)
    elif mine != plain(theirs):
        yield path, f"is {_short(mine)}, the project has {_short(plain(theirs))}{_from(note)}"


def _by_name(path: FieldPath, mine: Sequence[Any], theirs: Sequence[Any], note: str) -> Iterator[tuple[FieldPath, str]]:
    places = {item.get("name"): index for index, item in enumerate(mine) if isinstance(item, Mapping)}
    names = []
    for item in theirs:
        name = plain(item)["name"]
        names.append(name)
        if name in places:
            yield from _compare((*path, places[name]), mine[places[name]], item, note)
        else:
            yield path, f"{name} is missing{_from(_note(item) or note)}"
    if path[-1] == "migrations":
        yield from (((*path, i), f"{name} is not in the project any more") for name, i in places.items()
                    if name not in names)  # fmt: skip


def _note(value: Any) -> str:
    return value.note if isinstance(value, Noted) else ""


def _from(note: str) -> str:
    return f" ({note})" if note else ""


def _short(value: Any) -> str:
    shown = scalar(value) if not isinstance(value, Mapping | list) else str(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
