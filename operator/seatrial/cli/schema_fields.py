"""The fields that the schema has, and what is probably meant by one that it does not have."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from seatrial.api.run import IntegrationRunSpec
from seatrial.cli.field_path import FieldPath

_OBJECT_METADATA = ("name", "generateName", "namespace", "labels", "annotations", "finalizers")
_FIELDS_LISTED = 10


def unknown_field(path: FieldPath) -> str:
    """What to say about a field that doesn't exist."""
    name, known = str(path[-1]), fields_at(path[:-1])
    if near := nearest(path):
        return f"unknown field; did you mean {near}?"
    if elsewhere := sorted(_paths_of(name), key=lambda p: (p.count("."), p)):
        return f"unknown field here; it exists as {' and '.join(elsewhere[:2])}"
    if known and len(known) <= _FIELDS_LISTED:
        return f"unknown field; there are {', '.join(known)}"
    return "unknown field"


def nearest(path: FieldPath) -> str:
    """The field that was probably meant, or nothing."""
    name = str(path[-1])
    by_lower = {field.lower().replace("_", ""): field for field in fields_at(path[:-1])}
    close = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), by_lower, n=1, cutoff=0.7)
    return by_lower[close[0]] if close else ""


def fields_at(path: FieldPath) -> list[str]:
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
