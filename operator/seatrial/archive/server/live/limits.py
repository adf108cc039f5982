"""How much of what happens is kept in memory, and how often it is sent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much is kept in memory, and how often things are said."""

    run_events: int = 2_000
    run_bytes: int = 2 * 1024 * 1024
    runs: int = 1_000
    all_bytes: int = 64 * 1024 * 1024
    queue: int = 2_000  # events waiting for one listener
    progress_seconds: float = 1.0  # between two progress messages of one shard
    ping_seconds: float = 10.0
