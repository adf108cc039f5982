"""Moments of the resource, some of which are missing; `seatrial_protocol.times` reads and writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from seatrial_protocol import times


def parse_time(text: str | None) -> datetime | None:
    """Reads an RFC 3339 time; None for None or an empty text.

    Raises:
        ValueError: this is no time.
    """
    return times.parse_time(text) if text else None


format_time = times.format_time


def moment_of(seconds: object) -> datetime | None:
    """The moment so many seconds after 1970; None for what can't be one, since it may come from a pod."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 2**32:
        return None
    return datetime.fromtimestamp(seconds, UTC)
