"""The feed: what the operator acts upon, of all runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from seatrial.archive.client.errors import ArchiveUnavailableError, excerpt


@dataclass(frozen=True, slots=True)
class FeedConnected:
    """The feed is open (again). What was told in the meantime is not told again: ask by `result`."""


@dataclass(frozen=True, slots=True)
class FeedLost:
    """The feed ended or could not be opened; it is being tried again. Said once for each new reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class FeedLive:
    """Something happened in a running shard."""

    uid: str
    attempt: int
    shard: int
    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FeedResult:
    """A shard's result is complete in the archive."""

    uid: str
    attempt: int
    shard: int
    digest: str
    summary: dict[str, Any]


FeedEvent = FeedConnected | FeedLost | FeedLive | FeedResult


def parse_feed(line: str) -> FeedEvent | None:
    """What one line of the feed tells; None for what only keeps it alive and for kinds that a later archive may know.

    Raises:
        ArchiveUnavailableError: this is no line of a feed.
    """
    try:
        message = json.loads(line)
        match message["type"]:
            case "hello":
                return FeedConnected()
            case "live":
                return FeedLive(message["uid"], message["attempt"], message["shard"], message["event"])
            case "result":
                return FeedResult(
                    message["uid"], message["attempt"], message["shard"], message["digest"], message["summary"]
                )
            case _:
                return None
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveUnavailableError(f"what answered is not the archive's feed: {excerpt(line.encode())}") from error
