"""How much of what happens is kept in memory, and how often it is sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes."""

    run_events: int = 2_000
    run_bytes: int = 2 * 1024 * 1024
    runs: int = 1_000
    all_bytes: int = 64 * 1024 * 1024
    queue: int = 2_000
    """Messages that wait for one listener."""
    follower_bytes: int = 4 * 1024 * 1024
    """The same in bytes, of who follows a run."""
    feed_bytes: int = 32 * 1024 * 1024
    """The same of the operator."""
    ping_seconds: float = 10.0
