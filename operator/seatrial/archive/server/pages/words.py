"""Words, signs and times as pages show them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from seatrial.archive.model.runs import RunRow

VERDICTS = ("Passed", "Failed", "Errored", "Cancelled")


OUTCOMES = ("bad", "failed", "error", "passed", "skipped", "xfailed", "xpassed", "flaky")


@dataclass(frozen=True)
class Tone:
    """How a verdict or an outcome is shown: never by colour alone."""

    word: str
    css: str
    sign: str


_TONES = {
    "Passed": Tone("Passed", "good", "✓"),
    "Failed": Tone("Failed", "bad", "✗"),
    "Errored": Tone("Errored", "broken", "!"),
    "Cancelled": Tone("Cancelled", "idle", "\N{EN DASH}"),
    "Deleted": Tone("Deleted", "idle", "\N{EN DASH}"),
    "passed": Tone("passed", "good", "✓"),
    "failed": Tone("failed", "bad", "✗"),
    "error": Tone("error", "bad", "✗"),
    "collection-error": Tone("not collected", "bad", "✗"),
    "unfinished": Tone("did not finish", "bad", "✗"),
    "skipped": Tone("skipped", "idle", "\N{EN DASH}"),
    "xfailed": Tone("failed as expected", "idle", "\N{EN DASH}"),
    "xpassed": Tone("passed unexpectedly", "good", "✓"),
}


def tone(word: str) -> Tone:
    """How this verdict, outcome or phase is shown; a phase stands for a run that goes on."""
    return _TONES.get(word) or Tone(word or "Pending", "busy", "…")


def stamp(at: datetime | None) -> str:
    """A moment in full: `2026-11-21 15:03:50 UTC`."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock(seconds: float) -> str:
    """A moment of a day, as logs are read: `15:03:50.123`."""
    whole = math.floor(seconds * 1000)
    return datetime.fromtimestamp(whole / 1000, UTC).strftime("%H:%M:%S.") + f"{whole % 1000:03}"


def rfc3339(seconds: float) -> str:
    """The moment, as a parameter of an address; cut, not rounded, to microseconds."""
    return datetime.fromtimestamp(math.floor(seconds * 1e6) / 1e6, UTC).isoformat().replace("+00:00", "Z")


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago: `just now`, `5 min ago`, `3 h ago`, `2 days ago`, then the date."""
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f} h ago"
    if seconds < 14 * 86_400:
        days = int(seconds // 86_400)
        return f"{days} day{'s' if days > 1 else ''} ago"
    return at.astimezone(UTC).strftime("%Y-%m-%d")


def split_id(node: str) -> tuple[str, str]:
    """A node id as file and rest, so that the eye finds the test's name."""
    head, bracket, parameters = node.partition("[")
    path, separator, name = head.partition("::")
    return (path, name + bracket + parameters) if separator else ("", node)


def short_digest(image_id: str) -> str:
    """The digest of an image, short enough for a table: `sha256:0123456789ab`."""
    digest = image_id.rpartition("@")[2]
    return digest[:19] if digest.startswith("sha256:") else digest[:40]


def goes_on(run: RunRow) -> bool:
    """Whether a verdict is still to come."""
    return run.verdict is None and run.phase != "Deleted"
