"""A shard's summary, read by the protocol: it was written beside the tests, so by anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.summary import Summary


def parse_summary(document: Mapping[str, Any] | None) -> tuple[Summary | None, str]:
    """The summary in this JSON object, and what is wrong with it, by the field's name: one of the two is empty."""
    if document is None:
        return None, ""
    try:
        return Summary.parse(dict(document)), ""
    except ProtocolError as error:
        return None, f"summary.json can't be used: {error.path}: {error.problem}"
