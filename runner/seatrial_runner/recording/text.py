"""Texts of events: clean, bounded, and the one line that says what happened."""

from __future__ import annotations

import re
from typing import Any

TEXT_LIMIT = 64 * 1024
"""Bytes kept of one text: a traceback, the captured output of one test. The beginning and the end are kept."""
MESSAGE_LIMIT = 1000
"""Characters kept of a one-line message."""

_ENDS_A_LINE = re.compile("[\x85\u2028\u2029\ud800-\udfff]")
"""In JSON: characters that some readers take for the end of a line, and those that UTF-8 can't hold."""


def clean(text: str) -> str:
    """The same text, with what UTF-8 can't hold (lone surrogates) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def bounded(text: str, limit: int = TEXT_LIMIT) -> str:
    """The text, cut in its middle to about ``limit`` bytes of UTF-8, saying how much was left out."""
    if len(text) <= limit:
        encoded = text.encode("utf-8", "backslashreplace")
        if len(encoded) <= limit:
            return encoded.decode("utf-8")
    begin = text[: limit // 4].encode("utf-8", "backslashreplace")[: limit // 4].decode("utf-8", "ignore")
    room = limit - limit // 4
    end = text[-room:].encode("utf-8", "backslashreplace")[-room:].decode("utf-8", "ignore")
    return f"{begin}\n[... {len(text) - len(begin) - len(end)} characters left out ...]\n{end}"


def first_line(text: str) -> str:
    """The first line that says something, at most ``MESSAGE_LIMIT`` characters."""
    for line in text.splitlines():
        if line.strip():
            return clean(line.strip()[:MESSAGE_LIMIT])
    return ""


def message_of(report: Any) -> str:
    """One line that says why a test failed, was skipped or could not be collected."""
    longrepr = report.longrepr
    if longrepr is None:
        return ""
    if isinstance(longrepr, tuple):
        reason = str(longrepr[2])
        return first_line(reason[len("Skipped: ") :] if reason.startswith("Skipped: ") else reason)
    crash = getattr(longrepr, "reprcrash", None)
    if crash is not None and crash.message:
        return first_line(str(crash.message))
    lines = str(longrepr).splitlines()
    errors = [line[1:] for line in lines if line.startswith("E ") and line[1:].strip()]
    least = min((len(line) - len(line.lstrip()) for line in errors), default=0)  # a SyntaxError comes after its source
    raised = [line for line in errors if not line[least].isspace()]
    return first_line("\n".join(raised or lines))


def describe_subtest(context: object) -> str:
    """How a subtest names itself: its message and parameters."""
    parts = [f"[{message}]"] if (message := getattr(context, "msg", None)) is not None else []
    parts += [f"{name}={value}" for name, value in (getattr(context, "kwargs", None) or {}).items()]
    return clean(" ".join(parts))[:MESSAGE_LIMIT]


def escaped(line: str) -> bytes:
    """A line of JSON as UTF-8, with nothing in it that a reader takes for its end."""
    if line.isascii():
        return line.encode("ascii")
    return _ENDS_A_LINE.sub(_escape, line).encode("utf-8")


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    escape = f"\\u{ord(character):04x}"
    return escape if character < "\ud800" else "\\" + escape  # a lone surrogate becomes the text of its escape
