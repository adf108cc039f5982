"""The result of a shard, as the operator received it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.summary import Summary
from seatrial_protocol.text import shorten


@dataclass(frozen=True)
class Result:
    """A shard's complete result, as the archive holds it."""

    digest: str
    summary: Summary | None
    """None: what is in the archive is not what the contract says."""
    problem: str = ""
    """What is wrong with the summary."""
    received_at: datetime | None = None
    """When the operator received it."""


def result_of(digest: str, summary: Any, received_at: datetime) -> Result:
    """The result with its summary read once, here: a pod may have written anything."""
    try:
        return Result(digest, Summary.parse(summary), received_at=received_at)
    except ProtocolError as error:
        return Result(digest, None, shorten(str(error), 300), received_at)
