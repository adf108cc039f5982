"""Writes the CustomResourceDefinition from the models: `python -m seatrial.crd [--check]`.

pydantic's JSON schema is turned into what Kubernetes calls a structural schema: references are put in place, titles
dropped, "or null" becomes simply optional. Defaults, CEL rules and limits come from the models themselves.
"""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema

from seatrial.api.names import GROUP, KIND, PLURAL, VERSION
from seatrial.api.run import IntegrationRun, IntegrationRunSpec
from seatrial.api.scalars import format_duration
from seatrial.api.status import IntegrationRunStatus

REPOSITORY = Path(__file__).resolve().parents[2]
TARGETS = (
    REPOSITORY / "crds" / f"{GROUP}_{PLURAL}.yaml",
    REPOSITORY / "charts" / "seatrial" / "crds" / f"{GROUP}_{PLURAL}.yaml",
)

_SUCCEEDED = '.status.conditions[?(@.type=="Succeeded")]'
COLUMNS: tuple[dict[str, Any], ...] = (
    {"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1},
    {"name": "Verdict", "type": "string", "jsonPath": ".status.verdict"},
    {"name": "Tests", "type": "string", "jsonPath": ".status.testsSummary", "description": "passed of total"},
    {
        "name": "Reason",
        "type": "string",
        "jsonPath": _SUCCEEDED + ".reason",
        "description": "until the verdict: the phase",
    },
    {"name": "Duration", "type": "string", "jsonPath": ".status.duration", "description": "creation to verdict"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1},
    {"name": "Environment", "type": "string", "jsonPath": ".status.namespace", "priority": 1},
)


def structural(schema: Any, definitions: dict[str, Any]) -> Any:
    """Turns a part of pydantic's JSON schema into a structural schema.

    Raises:
        ValueError: for a shape that a structural schema can't hold.
    """
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return structural({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, definitions)
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise ValueError(f"a union of {len(options)} types has no structural schema: {schema}")
        outer = {k: v for k, v in schema.items() if k not in ("anyOf", "default") or (k == "default" and v is not None)}
        return structural({**options[0], **outer}, definitions)
    result: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "title" | "const" | "discriminator" | "propertyNames" | "$defs":
                continue
            case "default" if value in (None, "", [], {}):
                continue  # the same as absent, and absent is what people expect to see in `kubectl get -o yaml`
            case "properties":
                result[key] = {name: structural(part, definitions) for name, part in value.items()}
            case "items":
                result[key] = structural(value, definitions)
            case "additionalProperties":
                if value is not False:  # Kubernetes refuses unknown fields of a structural schema by itself
                    result[key] = structural(value, definitions)
            case "description":
                result[key] = " ".join(value.split())
            case _:
                result[key] = value
    if "const" in schema:
        result["enum"] = [schema["const"]]
    if result.get("type") == "array":
        result.setdefault("x-kubernetes-list-type", "atomic")
    return result


def _without_defaults(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _without_defaults(v) for k, v in schema.items() if k != "default"}
    return [_without_defaults(part) for part in schema] if isinstance(schema, list) else schema


class Schema(GenerateJsonSchema):
    """pydantic's generator, but durations are written as people write them here."""

    def encode_default(self, dft: Any) -> Any:
        """The default as it stands in the schema."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


class _PlainDumper(yaml.SafeDumper):
    """YAML without anchors: the same rule twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition as a dict."""
    parts: dict[str, Any] = {}
    for name, model in (("spec", IntegrationRunSpec), ("status", IntegrationRunStatus)):
        schema = model.model_json_schema(by_alias=True, mode="validation", schema_generator=Schema)
        parts[name] = structural(schema, schema.get("$defs", {}))
    parts["status"] = _without_defaults(parts["status"])  # a status says only what the operator wrote
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["irun"],
                "categories": ["seatrial"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(COLUMNS),
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": IntegrationRun.__doc__,
                            "required": ["spec"],
                            "properties": {
                                "apiVersion": {"type": "string"},
                                "kind": {"type": "string"},
                                "metadata": {"type": "object"},
                                **parts,
                            },
                        }
                    },
                }
            ],
        },
    }


def text() -> str:
    """The CRD as YAML, with a line that says where it comes from."""
    body = yaml.dump(crd(), Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)
    return f"# Generated from operator/seatrial/api by `python -m seatrial.crd`; do not edit.\n{body}"


def main() -> int:
    """Writes the files, or with --check says which of them differ from the models."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.crd", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is out of date")
    check = parser.parse_args().check
    wanted, stale = text(), []
    for path in TARGETS:
        if path.exists() and path.read_text() == wanted:
            continue
        if check:
            stale.append(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted)
    for path in stale:
        sys.stderr.write(f"{path.relative_to(REPOSITORY)} differs from the models: run `python -m seatrial.crd`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
