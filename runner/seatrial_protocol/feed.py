"""The archive's feed: what the operator acts upon, of all runs, one JSON object a line.

A line that is wrong is the archive's fault; a summary or event in it is a shard's, so it is read later, for its run
alone.
"""

from __future__ import annotations

from typing import Any, ClassVar, Optional, Union

from seatrial_protocol import limits
from seatrial_protocol.decode import Contract, ProtocolError, anything, contract, integer, kind_of, load, string

_LAST = 99_999


@contract("feed line", limits.FEED)
class FeedHello(Contract):
    """The feed is open."""

    TYPE: ClassVar[str] = "hello"

    def to_json(self) -> dict[str, Any]:
        """The line."""
        return {"type": self.TYPE, **super().to_json()}


@contract("feed line", limits.FEED)
class FeedLive(Contract):
    """Something happened in a running shard: its gates opened, its first test started."""

    TYPE: ClassVar[str] = "live"
    uid: str = string(limits.NAME)
    """Of the run."""
    attempt: int = integer(high=_LAST)
    shard: int = integer(high=_LAST)
    event: dict[str, Any] = anything()
    """``event`` and ``t``."""

    def to_json(self) -> dict[str, Any]:
        """The line."""
        return {"type": self.TYPE, **super().to_json()}


@contract("feed line", limits.FEED)
class FeedResult(Contract):
    """A shard's result is complete in the archive."""

    TYPE: ClassVar[str] = "result"
    uid: str = string(limits.NAME)
    attempt: int = integer(high=_LAST)
    shard: int = integer(high=_LAST)
    digest: str = string(limits.LABEL)
    """Of the manifest: ``sha256:<hex>``."""
    summary: dict[str, Any] = anything()
    """``summary.json``."""

    def to_json(self) -> dict[str, Any]:
        """The line."""
        return {"type": self.TYPE, **super().to_json()}


_TYPES: dict[str, type[Union[FeedHello, FeedLive, FeedResult]]] = {
    kind.TYPE: kind for kind in (FeedHello, FeedLive, FeedResult)
}


def parse_feed_line(data: Union[bytes, str]) -> Optional[Union[FeedHello, FeedLive, FeedResult]]:
    """What one line says; None for what only keeps the feed alive and for kinds that a later archive may know.

    Raises:
        ProtocolError: this is no line of a feed.
    """
    value = load(data, "feed line", limits.FEED)
    if not isinstance(value, dict):
        raise ProtocolError("feed line", "", f"expected an object, found {kind_of(value)}")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise ProtocolError("feed line", "type", f"expected text, found {kind_of(kind)}")
    found = _TYPES.get(kind)
    return None if found is None else found.parse(value)
