"""What a file holds: its documents, where each field stands in it, and `--set`. Pure but for reading the file."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from seatrial.cli.errors import CliError

Document = dict[str, Any]
Path_ = tuple[str | int, ...]
"""Where a field stands in a document: keys and list indexes."""

RUN_KIND = "IntegrationRun"
RUN_API_GROUP = "seatrial.dev"
_TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec")


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: no dates, no numbers to base 60; and no key twice."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


def _number(loader: _Loader, node: yaml.ScalarNode) -> object:
    if _SEXAGESIMAL.fullmatch(node.value):
        return node.value
    integer = node.tag == "tag:yaml.org,2002:int"
    return loader.construct_yaml_int(node) if integer else loader.construct_yaml_float(node)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Document:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands here twice", key.start_mark
                )
            seen.add(key.value)
    loader.flatten_mapping(node)
    return {_key(key): loader.construct_object(value, deep=True) for key, value in node.value}


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", node.start_mark)
    return str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


@dataclass(frozen=True)
class Bundle:
    """The documents of one file: one run, and what else is applied with it."""

    source: str
    run: Document
    others: tuple[Document, ...] = ()
    lines: Mapping[Path_, int] = field(default_factory=dict)
    """Line in the file of each field of the run, from 1."""


def read(file: str) -> str:
    """The text of a file; `-` is standard input.

    Raises:
        CliError: it can't be read.
    """
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CliError(f"can't read {file}: {why}", hint="give a YAML file, or - for standard input") from error


def parse(text: str, source: str) -> Bundle:
    """The documents in a file.

    Raises:
        CliError: it is not YAML, or doesn't hold exactly one IntegrationRun.
    """
    source = "standard input" if source == "-" else source
    loader = _Loader(text)
    documents: list[tuple[Document, dict[Path_, int]]] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            value = loader.construct_document(node)
            for document, where in _flatten(value, node, source):
                documents.append((document, _lines(where)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where_text = f"{source}:{mark.line + 1}" if mark else source
        raise CliError(f"{where_text}: not valid YAML: {error.problem or error}") from error
    except yaml.YAMLError as error:
        raise CliError(f"{source}: not valid YAML: {error}") from error
    finally:
        loader.dispose()
    runs = [(document, lines) for document, lines in documents if is_run(document)]
    if len(runs) != 1:
        found = ", ".join(str(document.get("kind")) for document, _ in documents) or "nothing"
        raise CliError(
            f"{source} holds {len(runs) or 'no'} IntegrationRun{'s' if runs else ''} (found: {found})",
            hint="give a file with exactly one `kind: IntegrationRun` of `apiVersion: seatrial.dev/v1alpha1`",
        )
    run, lines = runs[0]
    return Bundle(source, run, tuple(document for document, _ in documents if document is not run), lines)


def is_run(document: Mapping[str, Any]) -> bool:
    """Whether it is an IntegrationRun, of whatever version."""
    return document.get("kind") == RUN_KIND and str(document.get("apiVersion")).startswith(f"{RUN_API_GROUP}/")


def _flatten(value: object, node: yaml.Node, source: str) -> list[tuple[Document, yaml.Node]]:
    """One document, the items of a `kind: List`, or nothing for an empty one."""
    if value is None:
        return []
    line = node.start_mark.line + 1
    if not isinstance(value, dict) or not value.get("kind") or not value.get("apiVersion"):
        raise CliError(f"{source}:{line}: not a Kubernetes object: apiVersion and kind are missing")
    if value["kind"] != "List":
        return [(value, node)]
    items = next((child for key, child in node.value if key.value == "items"), None)
    children = items.value if isinstance(items, yaml.SequenceNode) else []
    return [
        found
        for item, child in zip(value.get("items") or (), children, strict=True)
        for found in _flatten(item, child, source)
    ]


def _lines(node: yaml.Node, path: Path_ = ()) -> dict[Path_, int]:
    found: dict[Path_, int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                here = (*path, key.value)
                found[here] = key.start_mark.line + 1
                found.update(_lines(value, here))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found[(*path, index)] = value.start_mark.line + 1
            found.update(_lines(value, (*path, index)))
    return found


# --- --set ------------------------------------------------------------------------------------------------------------

_PART = re.compile(r"((?:[^.\[\]\\=]|\\.)+)|\[([0-9]+)\]")


def parse_path(text: str) -> Path_:
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


def set_value(document: Mapping[str, Any], assignment: str) -> Document:
    """The document with one `path=value` done; `null` removes.

    The value is YAML (`3`, `true`, `[a, b]`, `{a: 1}`); what YAML can't read differently is text.

    Raises:
        CliError: the assignment or its path can't be used; says what would be right.
    """
    said = f"--set {assignment!r}"
    text, equals, raw = _split(assignment)
    if not equals:
        raise CliError(
            f"{said}: no `=` in it", hint="write --set path=value, such as --set spec.tests.markers='a and b'"
        )
    try:
        path = parse_path(text)
    except ValueError as error:
        raise CliError(f"{said}: {error}", hint="write paths such as spec.env[0].value") from error
    if path[0] not in _TOP_LEVEL:
        raise CliError(
            f"{said}: an IntegrationRun has no field {format_path(path[:1])}", hint=f"did you mean spec.{text}={raw}?"
        )
    try:
        value = yaml.load(raw, _Loader) if raw else ""  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise CliError(f"{said}: the value is not valid YAML: {getattr(error, 'problem', error)}") from error
    try:
        changed = _with(document, path, value, ())
    except ValueError as error:
        raise CliError(f"{said}: {error}") from error
    return dict(changed) if isinstance(changed, dict) else {}


def _split(assignment: str) -> tuple[str, str, str]:
    match = re.search(r"(?<!\\)=", assignment)
    return (assignment[: match.start()], "=", assignment[match.end() :]) if match else (assignment, "", "")


def _with(node: object, path: Path_, value: object, done: Path_) -> object:
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
            items[part:part + 1] = [_with(items[part] if part < len(items) else None, rest, value, (*done, part))]  # fmt: skip
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


# --- name and namespace -----------------------------------------------------------------------------------------------


def placed(bundle: Bundle, name: str | None, namespace: str | None, default: str) -> Bundle:
    """The bundle with the run's name and namespace settled: those of the file, else of the command line, else the default.

    Raises:
        CliError: the namespaces differ, or the run has no name.
    """
    metadata = dict(bundle.run.get("metadata") or {})
    own = metadata.get("namespace")
    if namespace and own and own != namespace:
        raise CliError(
            f"{bundle.source} says namespace {own}, the command line says {namespace}",
            hint=f"leave --namespace out, or change it with --set metadata.namespace={namespace}",
        )
    if name:
        metadata["name"] = name
        metadata.pop("generateName", None)
    if not metadata.get("name") and not metadata.get("generateName"):
        raise CliError(
            f"{bundle.source}: the run has no name",
            hint="give metadata.name or metadata.generateName (such as pr-1234-) in the file, or --name",
        )
    metadata["namespace"] = own or namespace or default
    return replace(bundle, run={**bundle.run, "metadata": metadata})
