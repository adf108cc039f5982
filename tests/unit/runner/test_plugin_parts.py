"""The parts of the plugin that decide: catalogue ids, outcomes, bounded texts."""

from __future__ import annotations

import pytest

from seatrial_runner.recording.item_facts import catalogue_id
from seatrial_runner.recording.open_test import OpenTest
from seatrial_runner.recording.text import TEXT_LIMIT, bounded


def mark(name: str, *args: str, **kwargs: str) -> pytest.Mark:
    return pytest.Mark(name, args, kwargs, _ispytest=True)


@pytest.mark.parametrize(
    ("name", "doc", "marks", "expected"),
    [
        ("test_int_020_rejects_bad_input", None, [], "INT-020"),
        ("test_INT_020", None, [], "INT-020"),
        ("test_int_020", "Checks UTF-8.", [], "INT-020"),
        ("test_http_404_is_told", "INT-005: a missing page.", [], "INT-005"),
        ("test_gate", "\n    INT-005\n    Planner hand-over.", [], "INT-005"),
        ("test_gate", "The planner's gate (INT-005, INT-006).", [], "INT-005"),
        ("test_int_020", "INT-021: docstring", [mark("catalogue", "INT-022")], "INT-022"),
        ("test_gate", None, [mark("seatrial", id="REQ-9")], "REQ-9"),
        ("test_gate", None, [mark("catalogue")], None),
        ("test_gate", None, [mark("other", id="REQ-9")], None),
        ("test_gate", "Nothing of the kind.", [], None),
        ("test_int_20x", None, [], None),
        ("test_x_1", None, [], None),
    ],
)
def test_catalogue_id(name: str, doc: str | None, marks: list[pytest.Mark], expected: str | None) -> None:
    assert catalogue_id(name, doc, marks) == expected


@pytest.mark.parametrize(
    ("phases", "xfail", "outcome"),
    [
        ([("setup", "passed"), ("call", "passed"), ("teardown", "passed")], False, "passed"),
        ([("setup", "passed"), ("call", "failed"), ("call", "passed"), ("teardown", "passed")], False, "failed"),
        ([("setup", "passed"), ("call", "skipped"), ("call", "passed"), ("teardown", "passed")], False, "passed"),
        ([("setup", "passed"), ("call", "failed"), ("teardown", "failed")], False, "failed"),
        ([("setup", "passed"), ("call", "skipped"), ("teardown", "failed")], True, "error"),
    ],
)
def test_outcome_of_phases(phases: list[tuple[str, str]], xfail: bool, outcome: str) -> None:
    test = OpenTest()
    test.xfail = xfail
    for when, what in phases:
        test.add(when, what)
    assert test.outcome == outcome


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\U0001f600" * 200_000, "\udc80" * 100_000])
def test_bounded_text_keeps_both_ends_and_says_what_is_missing(text: str) -> None:
    short = bounded("begin " + text + " end")
    assert len(short.encode("utf-8")) < TEXT_LIMIT + 100
    assert short.startswith("begin ")
    assert short.endswith(" end")
    assert "characters left out" in short


def test_short_text_is_kept_as_it_is() -> None:
    assert bounded("a\x00\u2028é") == "a\x00\u2028é"
