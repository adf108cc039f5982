"""A JSON Schema for editors, which complete and check a manifest while it is written.

It holds what the definition of the resource holds, but for CEL rules: the API server alone knows those. Objects of
other kinds in the same file pass.
"""

from __future__ import annotations

import json
from typing import Any

from seatrial.api.names import API_VERSION, GROUP, KIND
from seatrial.api.run import IntegrationRun, IntegrationRunSpec
from seatrial.generate.structural import of_model

DRAFT = "http://json-schema.org/draft-07/schema#"
"""What yaml-language-server and most editors know."""
_INT_OR_STRING = "x-kubernetes-int-or-string"
_LIST_TYPE = "x-kubernetes-list-type"


def plain(schema: Any) -> Any:
    """A structural schema as plain JSON Schema: fields that are not known are refused, extensions are left out."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        key: {name: plain(part) for name, part in value.items()} if key == "properties" else plain(value)
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-")
    }
    if _INT_OR_STRING in schema:
        result["type"] = ["integer", "string"]
    if schema.get(_LIST_TYPE) == "set":
        result["uniqueItems"] = True
    if "properties" in schema:
        result["additionalProperties"] = False
    return result


def schema() -> dict[str, Any]:
    """The schema."""
    return {
        "$schema": DRAFT,
        "title": KIND,
        "description": IntegrationRun.__doc__,
        "type": "object",
        "required": ["apiVersion", "kind", "metadata"],
        "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}},
        "if": {"properties": {"apiVersion": {"pattern": f"^{GROUP}/"}}},
        "then": {
            "required": ["spec"],
            "additionalProperties": False,
            "properties": {
                "apiVersion": {"enum": [API_VERSION]},
                "kind": {"enum": [KIND]},
                "metadata": {"anyOf": [{"required": ["name"]}, {"required": ["generateName"]}]},
                "spec": plain(of_model(IntegrationRunSpec)),
                "status": {"type": "object"},
            },
        },
    }


def text() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
