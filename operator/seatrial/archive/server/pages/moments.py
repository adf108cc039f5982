"""What each component logged in a stretch of time: the logs of a run on one time axis. Pure.

Each line of such a log begins with the time at which the container runtime read it (RFC 3339, UTC) and a space. Their
order in a file is their order in time, so a stretch is found by bisection, without a look at the rest of the file.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from seatrial_protocol.text import plain

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z ?")
_MARGIN, _LINES_BEFORE, _LINES_AFTER = 1.0, 5, 15  # seconds around a test, and how many lines of these
_OF_PYTEST = "tests"  # around a test it prints what the page shows already: progress, and the same failure again
_LONGEST_LINE = 4_000  # characters shown of one line
_ERROR = re.compile(
    r"\b(?i:error|fatal|panic|exception|traceback|critical|crit|refused|oomkilled|segfault|killed|failed|failure"
    r"|does not exist|could not|cannot)\b|\b[A-Za-z]+(?:Error|Exception)\b"
)
_WARNING = re.compile(r"\bwarn(?:ing)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a component's log."""

    component: str
    at: float
    """Unix seconds."""
    text: str

    @property
    def tone(self) -> str:
        """`error`, `warning` or nothing: what its words sound like."""
        return tone_of(self.text)


@dataclass(frozen=True, slots=True)
class Moment:
    """What was logged in a stretch of time and a little around it, all components together, in order."""

    since: float
    until: float
    lines: tuple[LogLine, ...]
    left_out: int
    """Lines of the stretch itself that are not among `lines`: the earliest ones of the components that logged most."""
    more: bool = False
    """Whether there are lines after the last one (of a page that begins at `since`)."""


def tone_of(text: str) -> str:
    """What the words of a log line sound like: `error`, `warning`, or nothing."""
    if _ERROR.search(text):
        return "error"
    return "warning" if _WARNING.search(text) else ""


def moment(logs: Mapping[str, bytes], begin: float, end: float, each: int = 200) -> Moment:
    """What the components logged while a test ran, with a few lines of the second before and of the one after.

    Args:
        logs: each component's log.
        begin: unix seconds.
        end: unix seconds; belongs to it.
        each: how many lines of one component are kept; the last ones, since what matters is close to the end.
    """
    before, after = list[list[LogLine]](), list[list[LogLine]]()
    kept, left_out = list[list[LogLine]](), 0
    for component, log in logs.items():
        lines = list(_between(component, log, begin - _MARGIN, end + _MARGIN))
        inside = [line for line in lines if begin <= line.at <= end]
        left_out += max(0, len(inside) - each)
        kept.append(inside[-each:])
        if component != _OF_PYTEST:
            before.append([line for line in lines if line.at < begin])
            after.append([line for line in lines if line.at > end])
    lead = list(heapq.merge(*before, key=_when))[-_LINES_BEFORE:]
    rest = list(heapq.merge(*after, key=_when))[:_LINES_AFTER]
    return Moment(begin, end, (*lead, *heapq.merge(*kept, key=_when), *rest), left_out)


def page(logs: Mapping[str, bytes], since: float, limit: int, text: str = "") -> Moment:
    """The first `limit` lines from a time on, of those that contain `text` (in any case)."""
    wanted = text.casefold()
    streams = [_between(component, log, since, float("inf")) for component, log in logs.items()]
    lines: list[LogLine] = []
    for line in heapq.merge(*streams, key=_when):
        if wanted and wanted not in line.text.casefold():
            continue
        if len(lines) == limit:
            return Moment(since, lines[-1].at, tuple(lines), 0, more=True)
        lines.append(line)
    return Moment(since, lines[-1].at if lines else since, tuple(lines), 0)


def time_of(line: bytes) -> float | None:
    """When a line was logged (unix seconds); None if it doesn't begin with a time."""
    match = _STAMP.match(line)
    return None if match is None else _seconds(match)


def clean(text: str) -> str:
    """A log's text without the codes that colour it on a terminal, and no longer than one can read."""
    text = plain(text).replace("\r", "")
    return (
        text
        if len(text) <= _LONGEST_LINE
        else f"{text[:_LONGEST_LINE]} … ({len(text) - _LONGEST_LINE} more characters)"
    )


def _between(component: str, log: bytes, since: float, until: float) -> Iterator[LogLine]:
    begin = _bisect(log, since)
    while begin < len(log):
        end = log.find(b"\n", begin)
        end = len(log) if end < 0 else end
        match = _STAMP.match(log, begin, end)
        if match is not None:
            at = _seconds(match)
            # The two streams of a container are read side by side, so neighbours may be out of order by a little.
            if at > until + 1:
                return
            if since <= at <= until:
                yield LogLine(component, at, clean(log[match.end() : end].decode("utf-8", "replace")))
        begin = end + 1


def _bisect(log: bytes, since: float) -> int:
    """Where the first line begins that is not older than a second before `since`."""
    wanted = _prefix(since - 1)
    low, high = 0, len(log)  # the line that is looked for begins in [low, high]
    while low < high:
        middle = (low + high) // 2
        begin = log.rfind(b"\n", low, middle) + 1 or low
        stamp = log[begin : begin + 19]
        end = log.find(b"\n", begin)
        following = len(log) if end < 0 else end + 1
        if stamp < wanted or stamp.startswith(
            b"#"
        ):  # only the first line may lack a time: it says that the log was cut
            low = following
        else:
            high = begin
    return min(low, len(log))


def _prefix(seconds: float) -> bytes:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
    except (OverflowError, ValueError, OSError):  # a time that no log can hold
        return b""


def _seconds(match: re.Match[bytes]) -> float:
    whole = datetime.fromisoformat(f"{match[1].decode()}+00:00").timestamp()
    return whole + float(b"0." + match[2]) if match[2] else whole


def _when(line: LogLine) -> float:
    return line.at
