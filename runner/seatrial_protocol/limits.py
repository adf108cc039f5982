"""How large what pods write may be. Every bound of the protocol stands here."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Bounds:
    """Bounds of one JSON document, checked before it is decoded."""

    size: int
    """Bytes."""
    depth: int = 16
    """Objects and arrays inside each other."""
    entries: int = 10_000
    """Values, of all objects and arrays together."""


EVENT = Bounds(1 * MIB)
"""One line of ``events.jsonl`` or ``gates.jsonl``."""
EXIT_RECORD = Bounds(64 * 1024)
SUMMARY = Bounds(1 * MIB)
HINT = Bounds(64 * 1024)
MANIFEST = Bounds(16 * MIB, entries=200_000)
RUN_RECORD = Bounds(4 * MIB, depth=64, entries=200_000)
MASKS = Bounds(512 * 1024, depth=1, entries=20_000)
"""What the operator lists as secret; a Secret holds 1 MiB. Finding it takes ten times as much memory."""
TERMINATION = Bounds(4096, depth=4, entries=16)
"""The kubelet keeps so many bytes of a termination message."""
FEED = Bounds(2 * MIB, depth=20, entries=11_000)
"""One line of the archive's feed: whatever a summary may be, and whose it is."""

DIGITS = 40
"""Characters of one number."""
COUNT = 10_000_000
"""Tests, lines of code, files, restarts."""
BYTES = 2**53
SECONDS = 1e9
"""A duration."""

NAME = 253
"""Characters of a name of Kubernetes."""
CODE = 40
"""Characters of a code."""
ID = 256 * 1024
"""Characters of a test's id: parameters may make it long."""
MESSAGE = 16 * 1024
"""Characters of one line for people."""
TEXT = 96 * 1024
"""Characters of a traceback or captured output; the plugin keeps 64 KiB and says how much it left out."""
PATH = 4096
"""Characters of a path."""
LABEL = 4096
"""Characters of a version, a marker, a kind."""

COLLECTION_ERRORS = 100
"""Of one event."""
MARKERS = 1000
"""Of one test."""
NAMES = 100
"""Of files, threads, categories in one event."""
PARTS = 1000
"""Services, apps and migrations that a gate waits for."""
FILES = 50_000
"""Of one manifest."""
ENTRIES = 100
"""Of a list in a summary."""
