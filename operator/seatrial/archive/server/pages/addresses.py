"""Addresses of pages and their parameters. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from seatrial.archive.model.errors import InvalidError

SPANS = {"1h": "last hour", "24h": "last day", "7d": "last 7 days", "30d": "last 30 days"}


_SPAN = re.compile(r"([1-9][0-9]{0,4})([mhd])")


_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def root(path: str) -> str:
    """The relative address of the archive's root from a page: pages work under any prefix of a proxy."""
    return "../" * max(0, path.strip("/").count("/")) or "./"


def query(**parameters: object) -> str:
    """`?a=1&b=2` of those that say something; sequences are repeated."""
    given = {name: value for name, value in parameters.items() if value not in (None, "", (), [])}
    return "?" + urlencode(given, doseq=True, quote_via=quote) if given else "?"


def time_parameter(text: str, now: datetime, name: str) -> datetime | None:
    """A moment given in an address: `24h` (so long ago), a date, or a date and time (UTC unless it says otherwise).

    Raises:
        InvalidError: it is none of these.
    """
    if not text:
        return None
    if match := _SPAN.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        at = datetime.fromisoformat(text)
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidError(
            f"{name}={text[:60]!r} is not a time", "use 24h, 7d, 2026-01-31 or 2026-01-31T15:00:00Z"
        ) from error
    return at


def date_parameter(text: str, name: str) -> datetime | None:
    """The first moment after `time_parameter`'s dates; used where a day is meant as a whole."""
    at = time_parameter(text, datetime.now(UTC), name)
    return at + timedelta(days=1) if at is not None and len(text) == 10 else at


def safe_link(address: str) -> str:
    """The address if it is one of the web; else nothing: a link must not run anything."""
    return address if re.match(r"https?://[^\s\"'<>]+\Z", address) else ""
