"""A run's live events, from a stream of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.archive.client.errors import ArchiveUnavailableError, excerpt
from seatrial_protocol import limits
from seatrial_protocol.decode import load


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event of a run that is followed; name "result": the result of a shard (event: digest, summary)."""

    id: str
    name: str
    attempt: int
    shard: int
    event: dict[str, Any]


async def server_sent(lines: AsyncIterator[str]) -> AsyncIterator[LiveEvent]:
    """Server-sent events from their lines: fields, then an empty line. Skips comments (pings) and retry times."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if "data" in fields:
            yield _live_event(fields)
        fields = {}


def _live_event(fields: Mapping[str, str]) -> LiveEvent:
    try:
        data = load(fields["data"], "live event", limits.FEED)
        return LiveEvent(fields["id"], fields["event"], data["attempt"], data["shard"], data["event"])
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveUnavailableError(
            f"what answered is not the archive: {excerpt(fields['data'].encode())}"
        ) from error
