"""Text that a terminal, a report or a page may show."""

from __future__ import annotations

import re

ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and movements (CSI)
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links, device strings (OSC, DCS, SOS, PM, APC)
    r"|\x1b[ -/]*[0-~]"  # two characters
)
"""Escape sequences of terminals."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def plain(text: str) -> str:
    """The text without escape sequences of terminals."""
    return ANSI.sub("", text) if "\x1b" in text else text


def without_colours(text: str) -> str:
    """The text without colours; all else of it stays, so that a report can show it."""
    return _COLOURS.sub("", text)


def shorten(text: str, limit: int) -> str:
    """The text, at most so many characters; an ellipsis stands for the rest."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
