"""The fields of the models as tables: what the models say of themselves in docstrings, limits and messages of rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from seatrial.api.scalars import DURATION_PATTERN, IMAGE_PATTERN, OBJECT_NAME_PATTERN, QUANTITY_PATTERN
from seatrial.generate.structural import json_schema

Schema = Mapping[str, Any]
_NAMED_PATTERNS = {
    DURATION_PATTERN: "duration",
    QUANTITY_PATTERN: "quantity",
    IMAGE_PATTERN: "image reference",
    OBJECT_NAME_PATTERN: "object name",
}
"""What a reader knows by name needs no limits."""


def _option(schema: Schema) -> Schema:
    """The schema without its "or null"."""
    options = [o for o in schema.get("anyOf", ()) if o.get("type") != "null"]
    return {**options[0], **{k: v for k, v in schema.items() if k != "anyOf"}} if options else schema


def type_text(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """What a field holds, in words; objects are links to their own table."""
    schema = _option(schema)
    if ref := schema.get("$ref"):
        name = ref.removeprefix("#/$defs/")
        target = definitions[name]
        return type_text(target, definitions) if "properties" not in target else f"[{name}](#{name.lower()})"
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return ", ".join(f"`{value}`" for value in values)
    if known := _NAMED_PATTERNS.get(schema.get("pattern", "")):
        return known
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    match schema.get("type"):
        case "array":
            return f"list of {type_text(schema['items'], definitions)}"
        case "object" if isinstance(schema.get("additionalProperties"), Mapping):
            return f"map of name to {type_text(schema['additionalProperties'], definitions)}"
        case str() as kind:
            return kind
    raise ValueError(f"a field without a type: {schema}")


def default_text(schema: Schema) -> str:
    """The default as YAML would have it; nothing for what is the same as absent."""
    value = schema.get("default")
    if value in (None, "", [], {}) or isinstance(value, dict):  # an object's defaults stand in its own table
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _limits(schema: Schema) -> Iterator[str]:
    if schema.get("pattern") in _NAMED_PATTERNS:
        return
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']} to {schema['maximum']}"
    elif "minimum" in schema:
        yield f"at least {schema['minimum']}"
    if least := schema.get("minItems"):
        yield f"at least {least}"
    if most := schema.get("maxItems") or schema.get("maxProperties"):
        yield f"at most {most}"
    if length := schema.get("maxLength"):
        yield f"at most {length} characters"
    if pattern := schema.get("pattern"):
        yield f"`{pattern}`"


def rules(schema: Schema) -> list[str]:
    """What the API server checks about a field."""
    schema = _option(schema)
    parts = [part for part in (schema.get("items"), schema.get("additionalProperties")) if isinstance(part, Mapping)]
    each = [f"each {inner}" for part in parts if (inner := ", ".join(_limits(_option(part))))]
    return [*_limits(schema), *each, *_messages(schema)]


def _messages(schema: Schema) -> list[str]:
    """The messages of the CEL rules; that a whole field can't change stands once, at the top of the page."""
    found = schema.get("x-kubernetes-validations", ())
    return list(dict.fromkeys(rule["message"] for rule in found if "== has(oldSelf." not in rule["rule"]))


def cell(text: str) -> str:
    """The text as it stands in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(schema: Schema, definitions: Mapping[str, Schema], *, status: bool = False) -> list[str]:
    """The fields of an object, a line each. A status has no defaults and no rules."""
    required = schema.get("required", ())
    lines = (
        ["| field | type | meaning |", "| --- | --- | --- |"]
        if status
        else ["| field | type | default | meaning | rules |", "| --- | --- | --- | --- | --- |"]
    )
    for name, field in schema["properties"].items():
        kind, meaning = type_text(field, definitions), field["description"]
        given = "required" if name in required else default_text(field)
        cells = [f"`{name}`", kind, meaning] if status else [f"`{name}`", kind, given, meaning, "; ".join(rules(field))]
        lines.append(f"| {' | '.join(map(cell, cells))} |")
    if messages := _messages(schema):
        lines += ["", "Also checked:", "", *(f"- {cell(message)}" for message in messages)]
    return lines


def _order(schema: Schema, definitions: Mapping[str, Schema], seen: dict[str, Schema]) -> dict[str, Schema]:
    """The objects below one, in the order in which a reader meets them."""
    names = [ref.removeprefix("#/$defs/") for ref in _refs(schema.get("properties", {}))]
    fresh = [name for name in dict.fromkeys(names) if name not in seen and "properties" in definitions[name]]
    for name in fresh:
        seen[name] = definitions[name]
    for name in fresh:
        _order(definitions[name], definitions, seen)
    return seen


def _refs(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from _refs(value)
    elif isinstance(part, list):
        for value in part:
            yield from _refs(value)


def objects(model: type[BaseModel], title: str, *, status: bool) -> Iterator[str]:
    """The lines of a model's chapter: its own table, and one for each object below it."""
    schema = json_schema(model)
    definitions = schema.get("$defs", {})
    yield from (f"## {title}", "", _sentence(schema), "", *table(schema, definitions, status=status), "")
    for name, part in _order(schema, definitions, {}).items():
        yield from (f"### {name}", "", _sentence(part), "", *table(part, definitions, status=status), "")


def _sentence(schema: Schema) -> str:
    return " ".join(schema["description"].split())
