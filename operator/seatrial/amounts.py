"""Amounts as people read them, the same in the terminal, on the pages and in reports. Pure."""

from __future__ import annotations


def duration(seconds: float | None) -> str:
    """A time that people grasp: `12 ms`, `3.4 s`, `2 min 05 s`, `1 h 03 min`, `5 days`; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} days"


def size(count: int) -> str:
    """A number of bytes: `512 B`, `1.5 KiB`, `3.0 GiB`."""
    if count < 1024:
        return f"{count} B"
    amount = float(count)
    for unit in ("KiB", "MiB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} GiB"
