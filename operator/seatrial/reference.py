"""Writes docs/reference.md: the resource field by field, from the models: `python -m seatrial.reference [--check]`.

What the models say of themselves (docstrings, limits, CEL messages) becomes a table an object. What containers are told
and what they get by default is asked of the modules that decide it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from seatrial import crd
from seatrial.api.names import API_VERSION, KIND
from seatrial.api.run import MUTABLE, IntegrationRun, IntegrationRunSpec
from seatrial.api.scalars import DURATION_PATTERN, IMAGE_PATTERN, OBJECT_NAME_PATTERN, QUANTITY_PATTERN
from seatrial.api.status import IntegrationRunStatus
from seatrial.environment import env, resources, services
from seatrial.environment.objects import Manifest
from seatrial.settings import Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
Schema = Mapping[str, Any]
_NAMED_PATTERNS = {
    DURATION_PATTERN: "duration",
    QUANTITY_PATTERN: "quantity",
    IMAGE_PATTERN: "image reference",
    OBJECT_NAME_PATTERN: "object name",
}
"""What a reader knows by name needs no limits."""

_EXAMPLE_SERVICES: dict[str, Any] = {
    "postgres": {"databases": ["app"]},
    "minio": {"buckets": ["artifacts"]},
    "temporal": {},
    "redis": {},
    "mail": {"type": "custom", "image": "registry.example/mail:1", "ports": {"http": 8025, "smtp": 1025}},
    "orders-db": {"type": "postgres"},
}
_EXAMPLE: dict[str, Any] = {
    "metadata": {"name": "<name of the run>", "namespace": "default", "uid": "<uid of the run>"},
    "spec": {
        "services": _EXAMPLE_SERVICES,
        "apps": {"controller": {"image": "registry.example/app:1", "port": 8000}},
        "sharedVolume": {"mountPath": "/sessions", "env": "SESSIONS_DIR"},
        "tests": {"image": "registry.example/tests:1"},
    },
}


# --- fields ----------------------------------------------------------------------------------------------------------


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
    """The messages of the CEL rules; that a whole field can't change is said once, at the top of the page."""
    found = schema.get("x-kubernetes-validations", ())
    return list(dict.fromkeys(rule["message"] for rule in found if "== has(oldSelf." not in rule["rule"]))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def table(schema: Schema, definitions: Mapping[str, Schema], *, told: bool = False) -> list[str]:
    """The fields of an object, a line each. `told`: of a status, which has no defaults and no rules."""
    required = schema.get("required", ())
    lines = (
        ["| field | type | meaning |", "| --- | --- | --- |"]
        if told
        else ["| field | type | default | meaning | rules |", "| --- | --- | --- | --- | --- |"]
    )
    for name, field in schema["properties"].items():
        kind, meaning = type_text(field, definitions), field["description"]
        given = "required" if name in required else default_text(field)
        cells = [f"`{name}`", kind, meaning] if told else [f"`{name}`", kind, given, meaning, "; ".join(rules(field))]
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    if messages := _messages(schema):
        lines += ["", "Also checked:", "", *(f"- {_cell(message)}" for message in messages)]
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


def _objects(model: type[BaseModel], title: str, *, told: bool) -> Iterator[str]:
    schema = model.model_json_schema(by_alias=True, mode="validation", schema_generator=crd.Schema)
    definitions = schema.get("$defs", {})
    yield from (f"## {title}", "", _sentence(schema), "", *table(schema, definitions, told=told), "")
    for name, part in _order(schema, definitions, {}).items():
        yield from (f"### {name}", "", _sentence(part), "", *table(part, definitions, told=told), "")


def _sentence(schema: Schema) -> str:
    return " ".join(schema["description"].split())


# --- what containers get ---------------------------------------------------------------------------------------------


def variables() -> list[tuple[str, str, str]]:
    """What an example's containers are told: where from, the variable's name, its value in words."""
    run = IntegrationRun.parse(_EXAMPLE)
    parts = env.announcements(
        run.scope, run.spec, services.backings(run.spec.services, Settings()), shard=True, shared_volume=True
    )
    return [(part.path, entry["name"], _value(entry)) for part in parts for entry in part.entries]


def _value(entry: Manifest) -> str:
    if "value" in entry:
        return f"`{entry['value']}`"
    source = entry["valueFrom"]
    if "secretKeyRef" in source:
        return "from the environment's Secret"
    return "number of the shard, from 0; in the tests' container only"


def _variables() -> Iterator[str]:
    said = ""
    yield from ("| from | variable | value |", "| --- | --- | --- |")
    for path, name, value in variables():
        yield f"| {f'`{path}`' if path != said else ''} | `{name}` | {_cell(value)} |"
        said = path


def _defaults() -> Iterator[str]:
    parts: Iterable[tuple[str, resources.Defaults]] = (
        *((f"service of type {kind}", default) for kind, default in resources.SERVICES.items()),
        ("migration", resources.MIGRATION),
        ("app", resources.APP),
        ("tests", resources.TESTS),
        ("collector, beside the tests", resources.COLLECTOR),
    )
    yield from (
        "| container | CPU request | memory request | memory limit | disk limit |",
        "| --- | --- | --- | --- | --- |",
    )
    for what, default in parts:
        yield f"| {what} | {default.cpu} | {default.memory} | {default.memory_limit} | {default.disk_limit} |"


def document() -> str:
    """The page."""
    return "\n".join(
        [
            "# Reference",
            "",
            "Generated from `operator/seatrial/api` by `python -m seatrial.reference`; do not edit.",
            "",
            f"`apiVersion: {API_VERSION}`, `kind: {KIND}` (short name `irun`), namespaced. `kubectl explain "
            "irun.spec` shows the same.",
            "",
            "- A duration is written as `90s`, `5m` or `1h30m`; quantities and names of objects are Kubernetes' own.",
            "- Unknown fields are refused by `kubectl` (strict validation is its default) and by `seatrial run`. Other "
            "clients may drop them silently: let them ask for `fieldValidation=Strict`.",
            f"- After creation only {' and '.join(f'`spec.{name}`' for name in MUTABLE)} can change.",
            "- What a schema can't check (a missing ConfigMap, two parts that bring the same variable, a mount over "
            "another) ends the run at once as `Errored`, reason `InvalidSpec`, with the field's path.",
            "",
            *_objects(IntegrationRunSpec, "spec", told=False),
            *_objects(IntegrationRunStatus, "status", told=True),
            "## What containers are told",
            "",
            "Migrations, apps and tests get these variables, before `spec.env` and their own `env`, so a value can use "
            "them: `postgresql+asyncpg://$(PGUSER):$(PGPASSWORD)@$(PGHOST)/app`. Custom services get only `HOME` and "
            "their own `env`. The shared volume's variable goes to apps and tests.",
            "",
            "The table is for a run with these services: `postgres` with the database `app`, `minio` with the bucket "
            "`artifacts`, `temporal`, `redis`, a custom `mail`, a second Postgres `orders-db`; with an app `controller` "
            "on port 8000 and a shared volume. The first service of a type has the plain names (the one that is called "
            "like the type, else the first by name), each further one its own prefix.",
            "",
            *_variables(),
            "",
            "## Resources when nothing is said",
            "",
            "Requests are small, so that many environments fit a node. There is no CPU limit. "
            "The disk limit is `ephemeral-storage`: logs and all that is written to `/tmp` and the pod's other empty "
            "volumes, each of which may become as large. A pod that writes more is ended: `Evicted`. None of it is set "
            "aside on a node.",
            "",
            *_defaults(),
            "",
        ]
    )


def main() -> int:
    """Writes the page, or with --check says whether it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the page is out of date")
    wanted = document()
    if not parser.parse_args().check:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(wanted)
        return 0
    if DOCUMENT.exists() and DOCUMENT.read_text() == wanted:
        return 0
    sys.stderr.write("docs/reference.md differs from the models: run `python -m seatrial.reference`\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
