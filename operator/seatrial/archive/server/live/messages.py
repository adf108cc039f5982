"""Events as they are sent: bounded, and encoded once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seatrial.archive.model.keys import SetKey
from seatrial_protocol.decode import dump
from seatrial_protocol.events import Event, parse_event
from seatrial_protocol.feed import FeedLive

Document = dict[str, Any]
"""A JSON object."""

_MAX_TEXT = 8 * 1024  # characters of one text in an event; the results have the whole
_MAX_EVENT_BYTES = 64 * 1024
_EVENT_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Message:
    """Something that happened in a shard, ready to be sent."""

    name: str
    """Of the server-sent event: the event's own, or `message`."""
    event: Event | None
    """None: no event of pytest or of the gates, but the shard's result."""
    data: bytes
    """Attempt, shard and event as JSON."""


def parse_events(body: bytes) -> list[Event]:
    """The events in these lines; empty lines are none.

    Raises:
        ProtocolError: a line is no event.
    """
    return [parse_event(line) for line in body.splitlines() if line.strip()]


def messages_of(key: SetKey, events: Iterable[Event]) -> list[Message]:
    """What is sent of these events."""
    return [message_of(key, event) for event in events]


def message_of(key: SetKey, event: Event) -> Message:
    """An event, shortened and ready to be sent."""
    document = slim(event.to_json())
    name = document["event"]
    return Message(name if _EVENT_NAME.fullmatch(name) else "message", event, _data(key, document))


def result_message(key: SetKey, name: str, digest: str, summary: Document) -> Message:
    """The shard's result, ready to be sent."""
    return Message(name, None, _data(key, {"digest": digest, "summary": summary}))


def _data(key: SetKey, document: Document) -> bytes:
    return dump({"attempt": key.attempt, "shard": key.shard, "event": document})


def slim(event: Document) -> Document:
    """The event small enough to keep: long texts are cut, and of one that is still too large, the fields that fit
    remain.

    Enough to follow along; the results have the whole.
    """
    cut = {name: _cut(value) if isinstance(value, str) else value for name, value in event.items()}
    if len(dump(cut)) <= _MAX_EVENT_BYTES:
        return cut
    room, fitting = _MAX_EVENT_BYTES, dict[str, Any]()
    for name, value in cut.items():
        size = len(dump({name: value}))
        if size <= room:
            room -= size
            fitting[name] = value
    return {**fitting, "truncated": True}


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}... ({len(text) - _MAX_TEXT} more characters)"


def live_message(key: SetKey, milestone: Document) -> Document:
    """A milestone of a shard, as the feed has it."""
    return FeedLive(key.uid, key.attempt, key.shard or 0, milestone).to_json()


def line(value: Document) -> bytes:
    """As a line of NDJSON."""
    return dump(value) + b"\n"
