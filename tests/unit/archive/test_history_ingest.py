"""From the files of a sealed set to the history."""

from __future__ import annotations

import json
import logging
import tracemalloc
from typing import Any

import pytest

from seatrial.archive.server.history import ingest as module
from seatrial.archive.server.history.ingest import rows
from seatrial.archive.server.reports.merge import of_events

Events = list[dict[str, Any]]


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps({"t": 100.0, **event}).encode() + b"\n" for event in events)


def test_events_become_rows() -> None:
    data = lines(
        {
            "t": 1.0,
            "event": "collected",
            "count": 3,
            "errors": [{"id": "bad.py", "message": "no module", "text": "trace"}],
        },
        {"t": 1.0, "event": "start", "id": "a.py::a"},
        {
            "t": 1.0,
            "event": "phase",
            "id": "a.py::a",
            "when": "call",
            "outcome": "failed",
            "seconds": 1,
            "message": "m",
            "text": "t",
        },
        {"event": "end", "id": "a.py::a", "outcome": "failed", "seconds": 1.5, "file": "a.py", "line": 3, "t": 101.5},
        {
            "t": 1.0,
            "event": "end",
            "id": "a.py::b",
            "outcome": "passed",
            "seconds": 1,
            "reruns": 1,
            "catalogueId": "INT-1",
        },
        {"t": 1.0, "event": "start", "id": "a.py::hangs"},
    )
    half = len(data) // 2
    ((tests, texts),) = rows(of_events([data[:half], data[half:]]))
    stored = [(row["test_id"], row["outcome"], row["bad"], row["flaky"]) for row in tests]
    assert stored == [
        ("bad.py", "collection-error", True, False),
        ("a.py::a", "failed", True, False),
        ("a.py::b", "passed", False, True),
        ("a.py::hangs", "unfinished", True, False),
    ]
    assert (tests[1]["message"], tests[1]["line"], tests[2]["catalogue_id"]) == ("m", 3, "INT-1")
    assert [(text["number"], text["failures"][0]["text"]) for text in texts] == [(0, "trace"), (1, "t"), (3, "")]


def test_what_makes_no_sense_is_left_out() -> None:
    end = {"event": "end", "id": "x", "outcome": "passed", "seconds": 1, "t": 1}
    odd = ({"seconds": "long"}, {"outcome": "o" * 99}, {"outcome": []}, {"seconds": 1e300}, {"line": 2**70}, {"id": 3})
    data = b"".join(
        [
            b"no json\n",
            lines({"event": "end"}, {"event": "collected", "errors": 7}, *({**end, **wrong} for wrong in odd)),
            b'{"event": "end", "t": 1e400, "id": "y", "outcome": "passed"}\n',
            lines({**end, "id": "nul\0\ud800"}, {**end, "id": "clock turned back", "seconds": -5}),
        ]
    )
    ((tests, _),) = rows(of_events([data]))
    assert [(row["test_id"], row["seconds"]) for row in tests] == [("nul\ufffd?", 1.0), ("clock turned back", 0.0)]


def test_amounts_are_bounded(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "MAX_TESTS", 5)
    monkeypatch.setattr(module, "_MAX_FAILURES_OF_SET", 250_000)
    events: Events = []
    for number in range(9):
        name = f"t{number}"
        failed = {"event": "phase", "id": name, "when": "call", "outcome": "failed", "text": "x" * 90_000, "t": 1}
        events += [
            failed,
            {"event": "end", "id": name, "outcome": "failed", "seconds": 1, "markers": ["m"] * 1000, "t": 1},
        ]
    with caplog.at_level(logging.WARNING):
        ((tests, texts),) = rows(of_events([lines(*events)]))
    assert len(tests) == 5
    assert "more than 5 tests" in caplog.text
    assert len(tests[0]["markers"]) == 100
    assert [len(text["failures"][0]["text"]) for text in texts] == [65_536] * 3


def test_tests_that_are_started_without_end_fill_no_memory() -> None:
    wide = "x" * 60_000
    chunks = (lines({"event": "start", "id": f"t.py::{number}{wide}"}) for number in range(2_000))
    tracemalloc.start()
    try:
        assert sum(case.outcome == "unfinished" for case in of_events(chunks)) == 2_000
        assert tracemalloc.get_traced_memory()[1] < 80 * 2**20
    finally:
        tracemalloc.stop()


def test_failures_of_tests_that_run_together_lose_their_texts_before_memory_is_full() -> None:
    failed = {"event": "phase", "when": "call", "outcome": "failed", "seconds": 1, "message": "m", "text": "x" * 60_000}
    data = b"".join(lines({**failed, "id": f"t.py::{number}"}) for number in range(600))
    found = list(of_events([data]))
    assert [case.failures[0].message for case in found] == ["m"] * 600
    assert found[0].failures[0].text
    assert not found[-1].failures[0].text
