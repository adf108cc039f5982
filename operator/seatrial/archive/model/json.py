"""Views as JSON: camelCase, times as RFC 3339."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.alias_generators import to_camel

CONFIG = ConfigDict(alias_generator=to_camel, populate_by_name=True)


def to_json(view: Any) -> Any:
    """The view as plain JSON values."""
    return _adapter(view).dump_python(view, mode="json", by_alias=True)


def to_json_bytes(view: Any) -> bytes:
    """The view as JSON text."""
    return _adapter(view).dump_json(view, by_alias=True)


def _adapter(view: Any) -> TypeAdapter[Any]:
    kind: Any = type(view)
    return _adapter_of(kind)


@lru_cache
def _adapter_of(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
