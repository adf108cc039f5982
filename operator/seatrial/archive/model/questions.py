"""What can be asked of the history: filters and orders."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

TestOrder = Literal["bad-first", "duration", "id"]


@dataclass(frozen=True)
class RunFilter:
    """Which runs; all that is given must hold."""

    namespaces: frozenset[str] | None = None
    """Only those that the reader may see; None: all."""
    namespace_uids: frozenset[str] | None = None
    """Of these namespaces as they are now: runs of a predecessor of the same name are left out. None: they are not."""
    namespace: str | None = None
    name: str | None = None
    verdict: str | None = None
    reason: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    since: datetime | None = None
    """Created at this moment or later."""
    until: datetime | None = None
    """Created before this moment."""
    active: bool | None = None
    """True: only those that wait for their verdict; False: only the others."""
    text: str | None = None
    """Part of the name or of the message, in any case."""
    image: str | None = None
    """Part of a container's image or of its digest."""


@dataclass(frozen=True)
class TestFilter:
    """Which tests of a run; all that is given must hold."""

    __test__: ClassVar = False  # pytest: no test

    outcome: str | None = None
    """One of pytest's outcomes, `unfinished`, `collection-error`, or `bad` (all that went wrong), or `flaky`."""
    text: str | None = None
    """Part of the node id or of the catalogue id, in any case."""
    attempt: int | None = None
    """None: the last one that has results."""
    shard: int | None = None
    """None: all shards."""
    ended: bool = False
    """Only those that ended."""
