"""pydantic's JSON schema as what Kubernetes calls a structural schema.

References are put in place, titles dropped, "or null" becomes simply optional. Defaults, CEL rules and limits come from
the models themselves.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from seatrial.api.scalars import format_duration


class _Generator(GenerateJsonSchema):
    """pydantic's generator, but durations are written as people write them here."""

    def encode_default(self, dft: Any) -> Any:
        """The default as it stands in the schema."""
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model, with references to `$defs`."""
    return model.model_json_schema(by_alias=True, mode="validation", schema_generator=_Generator)


def of_model(model: type[BaseModel]) -> dict[str, Any]:
    """The structural schema of a model."""
    schema = json_schema(model)
    result: dict[str, Any] = structural(schema, schema.get("$defs", {}))
    return result


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


def without_defaults(schema: Any) -> Any:
    """The schema of something that is not defaulted."""
    if isinstance(schema, dict):
        return {k: without_defaults(v) for k, v in schema.items() if k != "default"}
    return [without_defaults(part) for part in schema] if isinstance(schema, list) else schema
