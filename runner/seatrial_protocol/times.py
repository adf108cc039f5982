"""Times as RFC 3339 text, the one place that reads and writes it."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-]\d\d:\d\d))", re.ASCII)


def parse_time(text: str) -> datetime:
    """The moment that an RFC 3339 text names, aware, to the microsecond.

    Raises:
        ValueError: it names none. A time without its offset is none.
    """
    found = _RFC3339.fullmatch(text) if len(text) <= 64 else None
    if found is None:
        raise ValueError(f"{text[:64]!r} is no time like 2026-01-31T12:00:00Z")
    day, clock, fraction, _, offset = found.groups()
    micros = (fraction or "0")[:6].ljust(6, "0")
    return datetime.fromisoformat(f"{day}T{clock}.{micros}{offset or '+00:00'}")


def format_time(moment: datetime) -> str:
    """The moment in UTC with milliseconds: ``2026-01-31T12:00:00.000Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
