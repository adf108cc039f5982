"""What only the process that runs a test knows of it: its id in the project's catalogue, its markers, its times."""

# ruff: noqa: D102 - the hooks are documented by pytest
from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, Optional

import pytest

from seatrial_runner.recording.open_test import OpenTest
from seatrial_runner.recording.system import elapsed
from seatrial_runner.recording.text import MESSAGE_LIMIT, bounded, clean, message_of

ATTRIBUTE = "seatrial"
"""Attribute of a report with what is known of its test; pytest-xdist carries it from the worker to the controller."""

_NAME = re.compile(r"test_([a-z]{2,})_(\d+)(?![a-z0-9])", re.IGNORECASE)
_ID = re.compile(r"\b[A-Z]{2,}-\d+\b")


def catalogue_id(name: str, doc: Optional[str], markers: list[pytest.Mark]) -> Optional[str]:
    """The id under which a test stands in its project's catalogue, for example ``INT-020``; None if it has none.

    The most explicit place wins: the marker ``catalogue("INT-020")`` or ``seatrial(id="INT-020")``, a docstring that
    begins with an id, the test's name (``test_int_020_rejects_bad_input``), an id anywhere in the docstring.
    """
    for mark in markers:
        value = mark.args[0] if mark.name == "catalogue" and mark.args else mark.kwargs.get("id")
        if mark.name in ("catalogue", "seatrial") and value:
            return str(value)[:MESSAGE_LIMIT]
    text = doc.strip() if doc else ""
    first = _ID.match(text)
    if first:
        return first.group()
    named = _NAME.match(name)
    if named:
        return f"{named.group(1).upper()}-{named.group(2)}"
    anywhere = _ID.search(text)
    return anywhere.group() if anywhere else None


def item_facts(item: Any) -> tuple[Optional[str], list[str]]:
    """The catalogue id and the names of the markers; a user's own kind of item may have neither."""
    try:
        marks: list[pytest.Mark] = []
        node = item
        while node is not None:  # as iter_markers(), which is slower
            marks += node.own_markers
            node = node.parent
        name = str(getattr(item, "originalname", None) or item.name)
        names = sorted({clean(mark.name) for mark in marks}) if marks else []
        return catalogue_id(name, _docstring(item, name), marks), names
    except Exception:  # noqa: BLE001 - it may raise anything
        return None, []


def _docstring(item: Any, name: str) -> Optional[str]:
    obj = getattr(item, "_obj", None)  # `obj` would make an instance of the test's class
    if obj is None:
        obj = getattr(getattr(item, "cls", None) or getattr(item, "module", None), name, None)
    doc = getattr(obj, "__doc__", None)
    return doc if isinstance(doc, str) else None


def failure_fields(report: Any) -> dict[str, Any]:
    """What an event says of a failure."""
    return {
        "message": message_of(report),
        "text": bounded(report.longreprtext),
        "stdout": bounded(report.capstdout),
        "stderr": bounded(report.capstderr),
        "log": bounded(report.caplog),
    }


def attach(report: Any, facts: dict[str, Any]) -> None:
    """Put facts on a report."""
    known = getattr(report, ATTRIBUTE, None)
    setattr(report, ATTRIBUTE, {**known, **facts} if known else facts)


class WorkerReporter:
    """Puts on each report of a worker of pytest-xdist what the controller can't know."""

    def __init__(self) -> None:
        self._test = OpenTest()
        self._nodeid = ""
        self._reported: object = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if nodeid != self._nodeid:
            self._nodeid = nodeid
            self._test = OpenTest(elapsed())

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        outcome = yield
        if outcome.excinfo is not None:
            return
        report = outcome.get_result()
        test = self._test
        seconds = test.time(float(report.duration), elapsed())
        test.seconds += seconds
        facts: dict[str, Any] = {"seconds": seconds}
        if report.when == "setup":
            facts["catalogueId"], facts["markers"] = item_facts(item)
        if test.unreported is not None and test.unreported["when"] != report.when:
            facts["unreported"], test.unreported = test.unreported, None
        attach(report, facts)

    def pytest_exception_interact(self, report: Any) -> None:
        """Failures come here, also those that a plugin keeps back, because it runs the test again."""
        if report is not self._reported and isinstance(report, pytest.TestReport):
            self._test.unreported = {"when": report.when, **failure_fields(report)}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reported = report
        if self._test.unreported is not None and self._test.unreported["when"] == report.when:
            self._test.unreported = None
