"""Texts as the database can hold them."""

from __future__ import annotations

import hashlib
from typing import Any

_LONGEST_ID = 2_000  # bytes; PostgreSQL indexes no more than 2,700


def bounded_id(test_id: str) -> str:
    """The node id as the database holds it: the same, unless it is too long for an index."""
    test_id = clean(test_id)
    encoded = test_id.encode()
    if len(encoded) <= _LONGEST_ID:
        return test_id
    digest = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: _LONGEST_ID - 20].decode(errors='ignore')}...{digest}"


def clean(text: str) -> str:
    """The text without what PostgreSQL and UTF-8 can't hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def cleaned(value: Any) -> Any:
    """The JSON value, its texts as `clean` makes them."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(key): cleaned(inner) for key, inner in value.items()}
        case list() | tuple():
            return [cleaned(inner) for inner in value]
    return value
