"""The feed: what the operator acts upon, of all runs."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.archive.client.errors import ArchiveUnavailableError, excerpt
from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.feed import FeedHello, FeedLive, FeedResult, parse_feed_line

__all__ = ["FeedConnected", "FeedEvent", "FeedLive", "FeedLost", "FeedResult", "parse_feed"]


@dataclass(frozen=True, slots=True)
class FeedConnected:
    """The feed is open. It does not repeat what came in the meantime: ask by `result`."""


@dataclass(frozen=True, slots=True)
class FeedLost:
    """The feed ended or could not be opened, and is retried. Reported once for each new reason."""

    reason: str


FeedEvent = FeedConnected | FeedLost | FeedLive | FeedResult


def parse_feed(line: str) -> FeedEvent | None:
    """What one line of the feed means; None for what only keeps it alive and for kinds that a later archive may know.

    Raises:
        ArchiveUnavailableError: this is no line of a feed.
    """
    try:
        found = parse_feed_line(line)
    except ProtocolError as error:
        raise ArchiveUnavailableError(f"what answered is not the archive's feed: {excerpt(line.encode())}") from error
    return FeedConnected() if isinstance(found, FeedHello) else found
