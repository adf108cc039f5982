"""Bases of all models, and the rules that the API server checks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from seatrial.api.names import RESERVED_NAMES


def cel(rule: str, message: str) -> dict[str, str]:
    """One rule that the API server checks (Common Expression Language)."""
    return {"rule": rule, "message": message}


def rules(*rules: dict[str, str]) -> dict[str, Any]:
    """The JSON schema extra that carries CEL rules."""
    return {"x-kubernetes-validations": list(rules)}


def component_names() -> dict[str, str]:
    """The rule of a map by component: its keys are DNS names in the environment, and none of ours."""
    return cel(
        f"self.all(k, k.matches('^[a-z]([-a-z0-9]{{0,38}}[a-z0-9])?$') && !(k in {list(RESERVED_NAMES)}))",
        "names must be lower case letters, digits and '-', begin with a letter, and have at most 40 characters; "
        f"{', '.join(RESERVED_NAMES)} are taken",
    )


def list_map(key: str) -> dict[str, Any]:
    """The JSON schema extra of a list whose items have one key each: the API server refuses a key twice."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


LIST_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
"""The JSON schema extra of a list of which no item comes twice. Every other list is atomic."""


class Model(BaseModel):
    """Base of all parts: immutable, camelCase in YAML, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class StatusModel(BaseModel):
    """Base of status parts: what another version of the operator has written is read, not refused."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )
