"""What becomes of an upload, and a complete set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seatrial.archive.model.keys import SetKey


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of an upload."""

    created: bool  # False: the same bytes were already there
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class CompleteSet:
    """A set whose manifest is there."""

    key: SetKey
    digest: str  # of the manifest's bytes: sha256:<hex>
    summary: dict[str, Any]  # what its vital file says: a shard's summary, or the record of the run
    archived_at: float  # unix seconds


@dataclass(frozen=True, slots=True)
class Sealed:
    """What became of a manifest."""

    created: bool  # False: the same manifest was already there
    result: CompleteSet
