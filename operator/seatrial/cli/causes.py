"""The API server's words for what is wrong with a field, as sentences for people."""

from __future__ import annotations

import difflib
import json
import re

from seatrial.api.scalars import DURATION_PATTERN

MISSING = "is missing"
_TYPE = re.compile(r"in body must be of type ([a-z]+): \"([a-z<>]+)\"")
_PATTERN = re.compile(r"in body should match '(.*)'$")
_UNSUPPORTED = re.compile(r"^Unsupported value: (.+): supported values: (.+)$")
_LIMIT = re.compile(r"in body (should .*)$")


def cause(message: str) -> str:
    """The API server's words for one cause, as a sentence for people."""
    if message.startswith("Required value"):
        return MISSING
    if match := _UNSUPPORTED.match(message):
        given, supported = match[1].strip('"'), re.findall(r'"([^"]*)"', match[2])
        near = difflib.get_close_matches(given, supported, n=1)
        return f"can't be {given}; " + (f"did you mean {near[0]}?" if near else f"there is {', '.join(supported)}")
    kind, value, text = _split(message)
    if match := _TYPE.search(text):
        wanted, given = match.groups()
        quote = "; put it in quotes" if wanted == "string" and given in ("integer", "number", "boolean") else ""
        return f"must be {_article(wanted)}, not {_article(given)}{quote}"
    if match := _PATTERN.search(text):
        if match[1] == DURATION_PATTERN:
            return f"{value} is not a duration; write for example 90s, 5m or 1h30m"
        return f"{value} doesn't match {match[1]}"
    if match := _LIMIT.search(text):
        return f"{value} {match[1]}"
    if kind in ("Invalid value", "Forbidden", ""):
        return text
    return f"{kind[0].lower()}{kind[1:]}: {text}"


def _split(message: str) -> tuple[str, str, str]:
    """`Invalid value: "x": it is wrong` as kind, value and text."""
    kind, colon, rest = message.partition(": ")
    if not colon or kind not in ("Invalid value", "Forbidden", "Too long", "Too many", "Duplicate value", "Not found"):
        return "", "", message
    try:
        value, end = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        end, value = 0, None
    if end and rest[end:].startswith(": "):
        return kind, value if isinstance(value, str) else json.dumps(value), rest[end + 2 :]
    return kind, "", rest


def _article(kind: str) -> str:
    names = {"object": "a group of fields", "array": "a list", "integer": "a whole number", "string": "text",
             "boolean": "true or false", "null": "empty"}  # fmt: skip
    return names.get(kind, f"a {kind}")
