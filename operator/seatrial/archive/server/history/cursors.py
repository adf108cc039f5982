"""Cursors: where a list goes on, opaque to whoever asks."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from seatrial.archive.model.errors import InvalidError


def cursor_of(text: str) -> str:
    """The cursor that stands for this text."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise _no_cursor() from error


def run_cursor(cursor: str) -> tuple[datetime, str]:
    """Creation and uid of the last run before the cursor.

    Raises:
        InvalidError: it is none.
    """
    at, _, uid = _read_cursor(cursor).partition(" ")
    try:
        return datetime.fromisoformat(at), uid
    except ValueError as error:
        raise _no_cursor() from error


def offset_of(cursor: str | None) -> int:
    """How many rows are before the cursor.

    Raises:
        InvalidError: it is none.
    """
    if cursor is None:
        return 0
    text = _read_cursor(cursor)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _no_cursor()
    return int(text)


def _no_cursor() -> InvalidError:
    return InvalidError("the cursor is none that this list gave", "leave it out for the first page")
