"""What is wrong with a run that the API server refused, for people: one line a problem, with what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.cli.causes import MISSING, cause
from seatrial.cli.field_path import FieldPath, format_path, parse_path
from seatrial.cli.schema_fields import nearest, unknown_field

_UNKNOWN_FIELD = re.compile(r'unknown field "([^"]+)"')


@dataclass(frozen=True)
class FieldProblem:
    """One thing to put right."""

    path: FieldPath
    text: str

    def place(self, lines: Mapping[FieldPath, int]) -> int | None:
        """The line of the field, or of what it would be in."""
        return next((lines[self.path[:end]] for end in range(len(self.path), 0, -1) if self.path[:end] in lines), None)

    def line(self, source: str, lines: Mapping[FieldPath, int]) -> str:
        """`run.yaml:23: spec.tests.marker: unknown field; did you mean markers?`."""
        known = self.place(lines)
        where = f"{source}:{known}: " if known else ""
        return f"{where}{format_path(self.path)}: {self.text}" if self.path else f"{where}{self.text}"


def unknown_fields(message: str) -> list[FieldProblem]:
    """The fields that strict field validation refused."""
    return [FieldProblem(path, unknown_field(path)) for path in map(_path, _UNKNOWN_FIELD.findall(message))]


def invalid_fields(causes: Sequence[tuple[str, str]]) -> list[FieldProblem]:
    """The problems that the schema and its rules found."""
    found = [FieldProblem(_path(field), cause(message)) for field, message in causes if field and field != "<nil>"]
    return list(dict.fromkeys(found))


def together(unknown: Sequence[FieldProblem], invalid: Sequence[FieldProblem]) -> list[FieldProblem]:
    """Both kinds, without the missing fields that are only missing because their name is misspelt."""
    meant = {(*problem.path[:-1], name) for problem in unknown if (name := nearest(problem.path))}
    return [*unknown, *(p for p in invalid if not (p.text == MISSING and p.path in meant))]


def by_place(found: Sequence[FieldProblem], lines: Mapping[FieldPath, int]) -> list[FieldProblem]:
    """In the order of the file."""
    return sorted(found, key=lambda problem: problem.place(lines) or 0)


def without(document: Mapping[str, Any], problems: Sequence[FieldProblem]) -> dict[str, Any]:
    """The document without the fields that these problems are about."""
    copy = json.loads(json.dumps(document))
    # The last ones first: a removed list item must not move those that are still to go.
    for problem in sorted(
        problems, key=lambda p: [(isinstance(part, int), str(part)) for part in p.path], reverse=True
    ):
        node: Any = copy
        try:
            for part in problem.path[:-1]:
                node = node[part]
            del node[problem.path[-1]]
        except (KeyError, IndexError, TypeError):
            continue
    return dict(copy)


def _path(field: str) -> FieldPath:
    """The API server's path of a field; keys in brackets become names."""
    dotted = re.sub(r"\[([^\]0-9][^\]]*)\]", lambda match: "." + match[1].replace(".", r"\."), field)
    try:
        return parse_path(dotted)
    except ValueError:
        return (field,)
