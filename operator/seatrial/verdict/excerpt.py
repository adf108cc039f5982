"""The line at the end of a log that says why its program ended."""

from __future__ import annotations

import re
from collections.abc import Sequence

from seatrial_protocol.text import shorten

_TRACEBACK = "Traceback (most recent call last):"
_AFTER_EXCEPTION = 8
"""Lines: what an exception's message of several lines, or a program's last words, has after its first one."""
_CONTINUES = re.compile(
    r"\s|\W*$|(?:LINE \d+|DETAIL|HINT|CONTEXT|STATEMENT|QUERY):|\(Background on this error|goroutine \d+ \["
    r"|\S+\(.*\)$|exit status \d+$|Node\.js v\d"
)
"""Lines that only add to the one before: of a traceback, of an SQL error, of a panic."""


def last_line_index(lines: Sequence[str]) -> int:
    """Which of the lines at the end of a log says best why its program ended; -1 if none says anything."""
    written = [number for number, line in enumerate(lines) if line.strip()]
    traces = [place for place, number in enumerate(written) if _TRACEBACK in lines[number]]
    if traces:
        after = range(traces[-1] + 1, len(written))
        raised = next((place for place in after if not lines[written[place]][0].isspace()), None)
        if raised is not None and len(written) - raised <= _AFTER_EXCEPTION:
            return written[raised]
    return next((n for n in reversed(written) if not _CONTINUES.match(lines[n])), written[-1] if written else -1)


def last_line(text: str, limit: int = 300) -> str:
    """The line at the end of a log that says why."""
    lines = text.splitlines()
    place = last_line_index(lines)
    return shorten(lines[place].strip(), limit) if place >= 0 else ""
