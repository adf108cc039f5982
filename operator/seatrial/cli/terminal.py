"""Text that others wrote, made safe for a terminal: no title, cursor, clipboard, hidden order of letters."""

from __future__ import annotations

import re

from seatrial_protocol.text import ANSI

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_CONTROL_BUT_TABS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_COLOUR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
RESET = "\x1b[0m"
"""Ends all colours."""


def one_line(text: str) -> str:
    """The text as one line without spaces at its ends."""
    return visible(text).strip()


def visible(text: str) -> str:
    """The text as one line: each group of control characters is a space."""
    return _CONTROL.sub(" ", text)


def log_line(line: str) -> str:
    """A line of a log: its colours and tabs stay, other escape sequences go, other control characters are spaces."""
    if line.isprintable():
        return line
    parts, end = [], 0
    for sequence in ANSI.finditer(line):
        colour = sequence[0] if _COLOUR.fullmatch(sequence[0]) else ""
        parts += [_CONTROL_BUT_TABS.sub(" ", line[end : sequence.start()]), colour]
        end = sequence.end()
    return "".join([*parts, _CONTROL_BUT_TABS.sub(" ", line[end:])])
