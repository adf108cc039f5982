"""What the published schemas of the report formats say, as far as our reports use them; closed against all else.

JUnit: junit-10.xsd of Jenkins' xUnit plugin, which refuses reports that break it. CTRF: its JSON schema (draft 07).
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

# Element: attributes it must have, those it may have, elements that it may hold (in any order and number)
_RERUN = ({"type"}, {"message"}, {"stackTrace", "system-out", "system-err"})
_COUNTS = {"tests", "failures", "errors"}
_RESULT = ({"type", "message"}, set[str]())
JUNIT: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", *_COUNTS}, {"testsuite"}),
    "testsuite": (
        {"name", *_COUNTS},
        {"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url", "version"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": (
        {"name"},
        {"time", "classname", "group"},
        {"skipped", "error", "failure", "rerunFailure", "rerunError", "flakyFailure", "flakyError", "system-out",
         "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    **dict.fromkeys(("skipped", "error", "failure"), (set[str](), *_RESULT)),
    **dict.fromkeys(("rerunFailure", "rerunError", "flakyFailure", "flakyError"), _RERUN),
    **dict.fromkeys(("system-out", "system-err", "stackTrace"), (set[str](), set[str](), set[str]())),
}  # fmt: skip
_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")
_HOLDS_TEXT = {"skipped", "error", "failure", "system-out", "system-err", "stackTrace"}
ADDED = {"file", "line", "properties"}
"""What our reports add to a test."""


def junit_problems(element: ElementTree.Element, allowed: frozenset[str] = frozenset()) -> list[str]:
    """What the schema of Jenkins' xUnit plugin has against this report; `allowed`: what a test may have besides."""
    need, may, holds = JUNIT[element.tag]
    has = set(element.keys())
    extra = allowed if element.tag == "testcase" else frozenset()
    problems = [f"{element.tag} lacks {name}" for name in need - has]
    problems += [f"{element.tag} has {name}" for name in has - need - may - extra]
    if element.tag in ("testsuite", "testsuites") and not _TIME.fullmatch(element.get("time", "")):
        problems.append(f"{element.tag} has the time {element.get('time')}")
    if element.tag not in _HOLDS_TEXT and (element.text or "").strip():
        problems.append(f"{element.tag} holds text")
    for child in element:
        if child.tag not in holds | extra:
            problems.append(f"{element.tag} holds {child.tag}")
        else:
            problems += junit_problems(child, allowed)
    return problems


_INT = {"type": "integer"}
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_NAME = {"type": "string", "minLength": 1}
_STATUS = {"enum": ["passed", "failed", "skipped", "pending", "other"]}


def _closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


_COUNTED = ["tests", "passed", "failed", "skipped", "pending", "other", "start", "stop"]
CTRF: dict[str, Any] = _closed(
    ["results", "reportFormat", "specVersion"],
    reportFormat={"const": "CTRF"},
    specVersion={"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
    generatedBy=_TEXT,
    timestamp={"type": "string", "format": "date-time"},
    results=_closed(
        ["tool", "summary", "tests"],
        tool=_closed(["name"], name=_NAME, version=_TEXT),
        summary=_closed(_COUNTED, **dict.fromkeys([*_COUNTED, "flaky", "suites", "duration"], _INT)),
        environment=_closed([], reportName=_TEXT, extra={"type": "object"}),
        tests={
            "type": "array",
            "items": _closed(
                ["name", "status", "duration"],
                name=_NAME,
                status=_STATUS,
                **dict.fromkeys(("duration", "start", "stop", "line", "retries"), _INT),
                **dict.fromkeys(("message", "trace", "rawStatus", "filePath"), _TEXT),
                **dict.fromkeys(("tags", "stdout", "stderr"), _TEXTS),
                suite={**_TEXTS, "minItems": 1},
                flaky={"type": "boolean"},
                extra={"type": "object"},
                retryAttempts={
                    "type": "array",
                    "items": _closed(
                        ["attempt", "status"],
                        attempt={"type": "integer", "minimum": 1},
                        status=_STATUS,
                        message=_TEXT,
                        trace=_TEXT,
                    ),
                },
            ),
        },
    ),
)
