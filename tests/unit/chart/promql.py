"""What a PromQL expression names, read without a parser: enough for expressions whose syntax promtool has checked."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORDS = frozenset(
    {"and", "or", "unless", "bool", "offset", "on", "ignoring", "by", "without", "group_left", "group_right"}
)
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')


@dataclass(frozen=True)
class Named:
    """The metrics, the labels that select or group, and the values that labels are compared with."""

    metrics: frozenset[str]
    labels: frozenset[str]
    values: frozenset[tuple[str, str]]


def named(expression: str) -> Named:
    matchers = [pair for braces in re.findall(r"\{([^}]*)\}", expression) for pair in _MATCHER.findall(braces)]
    text = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", expression)
    groupings = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
    grouped = {label for inside in groupings.findall(text) for label in re.findall(r"\w+", inside)}
    words = re.findall(rf"(?<![\w.])({_NAME})\b(?!\s*\()", groupings.sub(" ", text))
    return Named(
        frozenset(words) - _WORDS,
        frozenset(grouped | {label for label, _ in matchers}),
        frozenset((label, value) for label, values in matchers for value in values.split("|")),
    )
