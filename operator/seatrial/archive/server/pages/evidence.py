"""What the evidence says: hints and notes, bounded. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from seatrial.archive.server.pages.moments import clean
from seatrial_protocol.decode import ProtocolError, load
from seatrial_protocol.hints import Hint, parse_hints
from seatrial_protocol.limits import RUN_RECORD

_HINTS, _NOTES = 12, 50


_HINT_TEXT = 1_000  # characters


def hints(body: bytes, stored: Collection[str]) -> tuple[Hint, ...]:
    """The hints in hints.json, causes first, as many as one reads. A hint may point to the files in `stored`."""
    try:
        found = sorted(parse_hints(body), key=lambda hint: not hint.cause)[:_HINTS]
    except ProtocolError:
        return ()
    return tuple(_bounded(hint, hint.file if hint.file in stored else "") for hint in found)


def _bounded(hint: Hint, file: str) -> Hint:
    component, line, title, advice = (
        clean(text)[:_HINT_TEXT] for text in (hint.component, hint.line, hint.title, hint.advice)
    )
    return replace(hint, component=component, line=line, title=title, advice=advice, file=file)


def notes(body: bytes) -> tuple[str, ...]:
    """What could not be gathered, and why: the texts in notes.json; none if it can't be read."""
    try:
        found = load(body, "notes", RUN_RECORD)
    except ProtocolError:
        return ()
    texts = found if isinstance(found, list) else ()
    return tuple(clean(text)[:_HINT_TEXT] for text in texts if isinstance(text, str))[:_NOTES]
