"""Events as they are sent: bounded, and encoded once. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seatrial.archive.model.keys import SetKey
from seatrial_protocol.feed import FeedLive

Event = dict[str, Any]

_MAX_TEXT = 8 * 1024  # characters of one text in an event; the results have the whole
_MAX_EVENT_BYTES = 64 * 1024
_EVENT_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a shard, ready to be sent."""

    name: str
    """Of the server-sent event: the event's own, or `message`."""
    event: Event
    data: bytes
    """Attempt, shard and event as JSON."""


def messages_of(key: SetKey, events: Iterable[Event]) -> list[Message]:
    """What is sent of these events."""
    return [message_of(key, slim(event)) for event in events]


def message_of(key: SetKey, event: Event) -> Message:
    """An event that is small enough, ready to be sent."""
    name = event.get("event")
    shown = name if isinstance(name, str) and _EVENT_NAME.fullmatch(name) else "message"
    return Message(shown, event, encoded({"attempt": key.attempt, "shard": key.shard, "event": event}))


def slim(event: Event) -> Event:
    """The event small enough to keep: long texts are cut, and of one that is still too large, the fields that fit remain.

    Enough to follow along; the results have the whole.
    """
    cut = {name: _cut(value) if isinstance(value, str) else value for name, value in event.items()}
    if len(encoded(cut)) <= _MAX_EVENT_BYTES:
        return cut
    room, fitting = _MAX_EVENT_BYTES, dict[str, Any]()
    for name, value in cut.items():
        size = len(encoded({name: value}))
        if size <= room:
            room -= size
            fitting[name] = value
    return {**fitting, "truncated": True}


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}... ({len(text) - _MAX_TEXT} more characters)"


def live_message(key: SetKey, event: Event) -> Event:
    """An event of a shard, as the feed has it."""
    return FeedLive(key.uid, key.attempt, key.shard or 0, event).to_json()


def encoded(value: Event) -> bytes:
    """As JSON, without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def line(value: Event) -> bytes:
    """As a line of NDJSON."""
    return encoded(value) + b"\n"
