"""`--set`: a manifest with some fields changed. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from seatrial.cli.errors import CliError
from seatrial.cli.field_path import FieldPath, format_path, parse_path
from seatrial.cli.run_file import Document, Loader

_TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec")


def set_value(document: Mapping[str, Any], assignment: str) -> Document:
    """The document with one `path=value` done; `null` removes.

    The value is YAML (`3`, `true`, `[a, b]`, `{a: 1}`); what YAML can't read differently is text.

    Raises:
        CliError: the assignment or its path can't be used; says what would be right.
    """
    option = f"--set {assignment!r}"
    text, equals, raw = _split(assignment)
    if not equals:
        raise CliError(
            f"{option}: no `=` in it", hint="write --set path=value, such as --set spec.tests.markers='a and b'"
        )
    try:
        path = parse_path(text)
    except ValueError as error:
        raise CliError(f"{option}: {error}", hint="write paths such as spec.env[0].value") from error
    if path[0] not in _TOP_LEVEL:
        raise CliError(
            f"{option}: an IntegrationRun has no field {format_path(path[:1])}", hint=f"did you mean spec.{text}={raw}?"
        )
    try:
        value = yaml.load(raw, Loader) if raw else ""  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise CliError(f"{option}: the value is not valid YAML: {getattr(error, 'problem', error)}") from error
    try:
        changed = _with(document, path, value, ())
    except ValueError as error:
        raise CliError(f"{option}: {error}") from error
    return dict(changed) if isinstance(changed, dict) else {}


def _split(assignment: str) -> tuple[str, str, str]:
    match = re.search(r"(?<!\\)=", assignment)
    return (assignment[: match.start()], "=", assignment[match.end() :]) if match else (assignment, "", "")


def _with(node: object, path: FieldPath, value: object, done: FieldPath) -> object:
    if not path:
        return value
    part, rest = path[0], path[1:]
    here = format_path(done)
    remove = value is None and not rest
    if isinstance(part, int):
        if node is not None and not isinstance(node, list):
            raise ValueError(f"{here} is not a list, so it has no [{part}]")
        items = list(node or ())
        if part > len(items) or (remove and part == len(items)):
            last = f"; the next free place is [{len(items)}]" if not remove else ""
            raise ValueError(f"{here} has {len(items)} items, so there is no [{part}]{last}")
        if remove:
            del items[part]
        else:
            before = items[part] if part < len(items) else None
            items[part : part + 1] = [_with(before, rest, value, (*done, part))]
        return items
    if isinstance(node, list):
        raise ValueError(f"{here} is a list: write {here}[0] for its first item")
    if node is not None and not isinstance(node, Mapping):
        raise ValueError(f"{here} is {node!r}, so it has no field {part}")
    fields = dict(node or {})
    if remove:
        fields.pop(part, None)
    else:
        fields[part] = _with(fields.get(part), rest, value, (*done, part))
    return fields
