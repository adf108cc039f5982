"""The result of a shard, as the operator received it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Result:
    """A shard's complete result, as the archive holds it."""

    digest: str
    summary: Mapping[str, Any]
    received_at: datetime | None = None
    """When the operator received it."""
