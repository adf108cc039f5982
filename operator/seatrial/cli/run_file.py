"""What the file of a run holds: its documents, and where each field stands in it. Pure but for reading the file."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from seatrial.cli.errors import CliError
from seatrial.cli.field_path import FieldPath

Document = dict[str, Any]

RUN_KIND = "IntegrationRun"
RUN_API_GROUP = "seatrial.dev"


class Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: no dates, no numbers to base 60; and no key twice."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")


def _number(loader: Loader, node: yaml.ScalarNode) -> object:
    if _SEXAGESIMAL.fullmatch(node.value):
        return node.value
    integer = node.tag == "tag:yaml.org,2002:int"
    return loader.construct_yaml_int(node) if integer else loader.construct_yaml_float(node)


def _mapping(loader: Loader, node: yaml.MappingNode) -> Document:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is here twice", key.start_mark
                )
            seen.add(key.value)
    loader.flatten_mapping(node)
    return {_key(key): loader.construct_object(value, deep=True) for key, value in node.value}


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", node.start_mark)
    return str(node.value)


Loader.add_constructor("tag:yaml.org,2002:int", _number)
Loader.add_constructor("tag:yaml.org,2002:float", _number)
Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


@dataclass(frozen=True)
class RunFile:
    """The documents of one file: one run, and what else is applied with it."""

    source: str
    run: Document
    others: tuple[Document, ...] = ()
    lines: Mapping[FieldPath, int] = field(default_factory=dict)
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


def parse(text: str, source: str) -> RunFile:
    """The documents in a file.

    Raises:
        CliError: it is not YAML, or doesn't hold exactly one IntegrationRun.
    """
    source = "standard input" if source == "-" else source
    loader = Loader(text)
    documents: list[tuple[Document, dict[FieldPath, int]]] = []
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
    return RunFile(source, run, tuple(document for document, _ in documents if document is not run), lines)


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


def _lines(node: yaml.Node, path: FieldPath = ()) -> dict[FieldPath, int]:
    found: dict[FieldPath, int] = {}
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


def placed(file: RunFile, name: str | None, namespace: str | None, default: str) -> RunFile:
    """The file with the run's name and namespace: its own, else those of the command line, else the default.

    Raises:
        CliError: the namespaces differ, or the run has no name.
    """
    metadata = dict(file.run.get("metadata") or {})
    own = metadata.get("namespace")
    if namespace and own and own != namespace:
        raise CliError(
            f"{file.source} says namespace {own}, the command line says {namespace}",
            hint=f"leave --namespace out, or change it with --set metadata.namespace={namespace}",
        )
    if name:
        metadata["name"] = name
        metadata.pop("generateName", None)
    if not metadata.get("name") and not metadata.get("generateName"):
        raise CliError(
            f"{file.source}: the run has no name",
            hint="give metadata.name or metadata.generateName (such as pr-1234-) in the file, or --name",
        )
    metadata["namespace"] = own or namespace or default
    return replace(file, run={**file.run, "metadata": metadata})
