"""Moments as the API writes them (RFC 3339)."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(text: str | None) -> datetime | None:
    """Reads an RFC 3339 time; None for None.

    Raises:
        ValueError: this is no time.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None


def format_time(moment: datetime) -> str:
    """Writes an RFC 3339 time in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(seconds: object) -> datetime | None:
    """The moment so many seconds after 1970; None for what can't be one, since it may come from a pod."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 2**32:
        return None
    return datetime.fromtimestamp(seconds, UTC)
