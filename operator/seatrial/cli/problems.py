"""What is wrong with a run that the API server refused, for people: one line a problem, with what would be right."""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scalars import DURATION_PATTERN
from seatrial.cli.documents import Path_, format_path, parse_path

_OBJECT_METADATA = ("name", "generateName", "namespace", "labels", "annotations", "finalizers")
_UNKNOWN_FIELD = re.compile(r'unknown field "([^"]+)"')
_FIELDS_LISTED = 10


@dataclass(frozen=True)
class Problem:
    """One thing to put right."""

    path: Path_
    text: str

    def place(self, lines: Mapping[Path_, int]) -> int | None:
        """The line of the field, or of what it would be in."""
        return next((lines[self.path[:end]] for end in range(len(self.path), 0, -1) if self.path[:end] in lines), None)

    def line(self, source: str, lines: Mapping[Path_, int]) -> str:
        """`run.yaml:23: spec.tests.marker: unknown field; did you mean markers?`."""
        known = self.place(lines)
        where = f"{source}:{known}: " if known else ""
        return f"{where}{format_path(self.path)}: {self.text}" if self.path else f"{where}{self.text}"


def unknown_fields(message: str) -> list[Problem]:
    """The fields that strict field validation refused."""
    return [Problem(path, unknown_field(path)) for path in map(_path, _UNKNOWN_FIELD.findall(message))]


def invalid_fields(causes: Sequence[tuple[str, str]]) -> list[Problem]:
    """The problems that the schema and its rules found."""
    found = [Problem(_path(field), cause(message)) for field, message in causes if field and field != "<nil>"]
    return list(dict.fromkeys(found))


def together(unknown: Sequence[Problem], invalid: Sequence[Problem]) -> list[Problem]:
    """Both kinds, without the missing fields that are only missing because their name is misspelt."""
    meant = {(*problem.path[:-1], name) for problem in unknown if (name := nearest(problem.path))}
    return [*unknown, *(p for p in invalid if not (p.text == MISSING and p.path in meant))]


def by_place(found: Sequence[Problem], lines: Mapping[Path_, int]) -> list[Problem]:
    """In the order of the file."""
    return sorted(found, key=lambda problem: problem.place(lines) or 0)


def without(document: Mapping[str, Any], problems: Sequence[Problem]) -> dict[str, Any]:
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


# --- unknown fields ---------------------------------------------------------------------------------------------------


def unknown_field(path: Path_) -> str:
    """What to say about a field that doesn't exist."""
    name, known = str(path[-1]), fields_at(path[:-1])
    if near := nearest(path):
        return f"unknown field; did you mean {near}?"
    if elsewhere := sorted(_paths_of(name), key=lambda p: (p.count("."), p)):
        return f"unknown field here; it exists as {' and '.join(elsewhere[:2])}"
    if known and len(known) <= _FIELDS_LISTED:
        return f"unknown field; there are {', '.join(known)}"
    return "unknown field"


def nearest(path: Path_) -> str:
    """The field that was probably meant, or nothing."""
    name = str(path[-1])
    by_lower = {field.lower().replace("_", ""): field for field in fields_at(path[:-1])}
    close = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), by_lower, n=1, cutoff=0.7)
    return by_lower[close[0]] if close else ""


def fields_at(path: Path_) -> list[str]:
    """The fields that the object at this path may have; none if it has no fixed ones."""
    if not path:
        return ["apiVersion", "kind", "metadata", "spec"]
    if path == ("metadata",):
        return list(_OBJECT_METADATA)
    if path[0] != "spec":
        return []
    found: Any = IntegrationRunSpec
    for part in path[1:]:
        found = _child(found, part)
    model = _model(found)
    return [_alias(model, name) for name in model.model_fields] if model else []


def _child(annotation: Any, part: str | int) -> Any:
    for kind in _plain(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, field in kind.model_fields.items():
                if _alias(kind, name) == part:
                    return field.annotation
        elif get_origin(kind) in (tuple, list) and isinstance(part, int):
            return get_args(kind)[0]
        elif get_origin(kind) is dict and isinstance(part, str):
            return get_args(kind)[1]
    return None


def _plain(annotation: Any) -> Iterator[Any]:
    """The annotation without Annotated and Optional; more than one for a real union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _plain(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _plain(member)
    elif annotation is not type(None):
        yield annotation


def _model(annotation: Any) -> type[BaseModel] | None:
    kinds = (kind for kind in _plain(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel))
    return next(kinds, None)


def _alias(model: type[BaseModel], name: str) -> str:
    return model.model_fields[name].alias or name


def _paths_of(wanted: str) -> set[str]:
    """Where else in the spec a field of this name exists: `spec.apps.<name>.port`."""
    found: set[str] = set()

    def visit(annotation: Any, path: str) -> None:
        for kind in _plain(annotation):
            if get_origin(kind) in (tuple, list):
                visit(get_args(kind)[0], f"{path}[]")
            elif get_origin(kind) is dict:
                visit(get_args(kind)[1], f"{path}.<name>")
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                for name, field in kind.model_fields.items():
                    here = f"{path}.{_alias(kind, name)}"
                    if _alias(kind, name) == wanted:
                        found.add(here)
                    visit(field.annotation, here)

    visit(IntegrationRunSpec, "spec")
    return found


# --- causes -----------------------------------------------------------------------------------------------------------

MISSING = "is missing"
_TYPE = re.compile(r"in body must be of type ([a-z]+): \"([a-z<>]+)\"")
_PATTERN = re.compile(r"in body should match '(.*)'$")
_UNSUPPORTED = re.compile(r"^Unsupported value: (.+): supported values: (.+)$")
_LIMIT = re.compile(r"in body (should .*)$")


def cause(message: str) -> str:
    """The API server's words for one cause, said for people."""
    if message.startswith("Required value"):
        return MISSING
    if match := _UNSUPPORTED.match(message):
        given, supported = match[1].strip('"'), re.findall(r'"([^"]*)"', match[2])
        near = difflib.get_close_matches(given, supported, n=1)
        return f"can't be {given}; " + (f"did you mean {near[0]}?" if near else f"there is {', '.join(supported)}")
    kind, value, text = _split(message)
    if match := _TYPE.search(text):
        wanted, given = match.groups()
        quote = "; put it in quotes" if wanted == "string" and given in ("integer", "number", "boolean") else ""
        return f"must be {_article(wanted)}, not {_article(given)}{quote}"
    if match := _PATTERN.search(text):
        if match[1] == DURATION_PATTERN:
            return f"{value} is not a duration; write for example 90s, 5m or 1h30m"
        return f"{value} doesn't match {match[1]}"
    if match := _LIMIT.search(text):
        return f"{value} {match[1]}"
    if kind in ("Invalid value", "Forbidden", ""):
        return text
    return f"{kind[0].lower()}{kind[1:]}: {text}"


def _split(message: str) -> tuple[str, str, str]:
    """`Invalid value: "x": it is wrong` as kind, value and text."""
    kind, colon, rest = message.partition(": ")
    if not colon or kind not in ("Invalid value", "Forbidden", "Too long", "Too many", "Duplicate value", "Not found"):
        return "", "", message
    try:
        value, end = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        end, value = 0, None
    if end and rest[end:].startswith(": "):
        return kind, value if isinstance(value, str) else json.dumps(value), rest[end + 2 :]
    return kind, "", rest


def _article(kind: str) -> str:
    names = {"object": "a group of fields", "array": "a list", "integer": "a whole number", "string": "text",
             "boolean": "true or false", "null": "empty"}  # fmt: skip
    return names.get(kind, f"a {kind}")


def _path(field: str) -> Path_:
    """The API server's path of a field; keys in brackets become names."""
    dotted = re.sub(r"\[([^\]0-9][^\]]*)\]", lambda match: "." + match[1].replace(".", r"\."), field)
    try:
        return parse_path(dotted)
    except ValueError:
        return (field,)
