from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from seatrial.archive.model.runs import Attempt, Component, Timeline
from seatrial.archive.model.tests import TestRow
from seatrial.archive.server.pages import timeline

BEGAN = datetime(2026, 11, 21, 15, 3, 50, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def attempt(components: tuple[Component, ...] = (), number: int = 1, **seconds: float) -> Attempt:
    times = Timeline(**{name: at(after) for name, after in seconds.items()})
    return Attempt(number, "Passed", "", "", "st-x", "", times, components, (), None)


def chart(of: Attempt, now: float = 100, failed: tuple[TestRow, ...] = ()) -> timeline.Chart:
    return timeline.chart(of, BEGAN, failed, at(now))


WHOLE = {
    "queued": 0,
    "started": 1,
    "environment_ready": 4,
    "first_test": 5,
    "last_test": 15,
    "verdict": 16,
    "cleanedUp": 22,
}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (
            WHOLE,
            [
                ("waiting for the operator", 1),
                ("environment", 3),
                ("pytest: start and collection", 1),
                ("tests", 10),
                ("results and verdict", 1),
                ("clean-up", 6),
            ],
        ),
        ({"started": 0, "verdict": 8}, [("environment", 8)]),  # it never became ready
        (
            {"started": 0, "first_test": 5, "last_test": 9.5, "verdict": 9},
            [("environment", 5), ("tests", 4)],
        ),  # ended with its environment
        (
            {"started": 0, "environment_ready": 3, "first_test": 3},
            [("environment", 3), ("tests", 97)],
        ),  # goes on
        ({"started": 0, "first_test": 5, "verdict": 9}, [("environment", 5), ("tests", 4)]),
        ({}, []),
    ],
)
def test_phases(seconds, expected):
    assert [(phase.name, phase.seconds) for phase in chart(attempt(**seconds)).phases] == expected


def test_a_wait_that_is_not_on_the_axis_is_not_reported():
    drawn = timeline.chart(attempt(queued=0, started=0.3, verdict=8), at(0.3), (), at(100))
    assert [(phase.name, phase.seconds) for phase in drawn.phases] == [("environment", 7.7)]


def test_shares_are_of_the_time_until_the_verdict():
    shares = [round(phase.share, 3) for phase in chart(attempt(**WHOLE)).phases]
    assert shares == [0.062, 0.188, 0.062, 0.625, 0.062, 0]


def test_an_attempt_that_goes_on_says_so():
    phases = chart(attempt(started=0, environment_ready=3), now=5).phases
    assert [phase.going_on for phase in phases] == [False, True]


@pytest.mark.parametrize(
    ("part", "bars", "text", "bad"),
    [
        (
            Component("db", "service", created_at=at(1), started_at=at(2), ready_at=at(4)),
            ["wait", "start", "run"],
            "started after 1 s, ready 2 s later",
            False,
        ),
        (Component("db", "service", created_at=at(1)), ["wait"], "never started", False),
        (  # the tests got through: probes had not looked yet
            Component("db", "service", created_at=at(1), started_at=at(2)), ["wait", "start", "run"],
            "started after 1 s, ready 2 s later", False,
        ),
        (
            Component("db", "service", created_at=at(1), started_at=at(2), ready_at=at(3), ended_at=at(9),
                      exit_code=137, ended="OOMKilled"),
            ["wait", "start", "run"],
            "started after 1 s, ready 1 s later, killed: out of memory, exit 137",
            True,
        ),
        (
            Component("schema", "migrations", created_at=at(1), started_at=at(2), ended_at=at(5), exit_code=0,
                      ended="Completed"),
            ["wait", "run"],
            "started after 1 s, ran 3 s",
            False,
        ),
        (
            Component("app", "app", created_at=at(1), started_at=at(2), ready_at=at(3), restarts=1),
            ["wait", "start", "run"],
            "started after 1 s, ready 1 s later, restarted 1 time",
            True,
        ),
        (Component("app", "app"), [], "", False),
        (
            Component("tests", "tests", created_at=at(1), started_at=at(1), ended_at=at(9.5), exit_code=1,
                      ended="Error"),
            ["wait", "start", "run"],
            "started after less than 1 s, waited 3 s, ran 5.5 s",
            False,  # tests that failed are told by themselves
        ),
        (
            Component("tests", "tests", created_at=at(1), started_at=at(1), ended_at=at(3), exit_code=75,
                      ended="Error"),
            ["wait", "start", "run"],
            "started after less than 1 s, waited 2 s, ran less than 1 s",
            False,  # what they waited for is told by itself
        ),
        (
            Component("tests", "tests", created_at=at(1), started_at=at(2), ended_at=at(9), exit_code=137,
                      ended="OOMKilled"),
            ["wait", "start", "run"],
            "started after 1 s, waited 2 s, ran 5 s, killed: out of memory, exit 137",
            True,
        ),
    ],
)  # fmt: skip
def test_components(part, bars, text, bad):
    row = chart(attempt((part,), **WHOLE)).rows[1]
    assert ([bar.kind for bar in row.bars], row.text, row.bad) == (bars, text, bad)


def test_bars_lie_where_their_times_are():
    part = Component("db", "service", created_at=at(0), started_at=at(6), ready_at=at(12))
    drawn = chart(attempt((part,), **WHOLE))
    assert (drawn.seconds, drawn.ticks) == (25, ("0 s", "5 s", "10 s", "15 s", "20 s", "25 s"))
    assert drawn.grid == (200, 400, 600, 800)
    assert [(bar.x, bar.width) for bar in drawn.rows[1].bars] == [(0, 240), (240, 240), (480, 160)]


def test_components_stand_in_the_order_in_which_they_are_needed():
    parts = tuple(
        Component(role, role, created_at=at(1)) for role in ("tests", "app", "migrations", "service", "something")
    )
    assert [row.name for row in chart(attempt(parts, **WHOLE)).rows[1:]] == [
        "service",
        "migrations",
        "app",
        "tests",
        "something",
    ]


def test_failed_tests_are_marks_on_the_row_of_the_tests():
    row = TestRow("u", 1, 0, "t.py::test_x", None, "failed", 1.0, at(9), at(10), None, None, (), 0, False, False, "")
    drawn = chart(attempt((Component("tests", "tests", created_at=at(1), started_at=at(2)),), **WHOLE), failed=(row,))
    assert [(mark.x, mark.label) for mark in drawn.rows[1].marks] == [(400, "failed: t.py::test_x")]


def test_a_later_attempt_begins_with_itself():
    assert chart(attempt(number=2, queued=50, verdict=60)).began == at(50)


@pytest.mark.parametrize("wrong", [{"started": 10, "verdict": 2}, {"started": -5, "verdict": 1e6}, {"verdict": 0}])
def test_clocks_that_disagree_break_nothing(wrong):
    part = Component("db", "service", created_at=at(20), started_at=at(10), ready_at=at(-5), ended_at=at(1))
    for row in chart(attempt((part,), **wrong)).rows:
        assert all(0 <= bar.x <= 1000 and 0 < bar.width <= 1000 and bar.x + bar.width <= 1000 for bar in row.bars)


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1, 7, 8, 9, 61, 3_599, 3_601, 90_000, 3e6])
def test_the_axis_is_long_enough_and_its_ticks_are_few(seconds):
    drawn = chart(attempt(started=0, verdict=seconds))
    assert drawn.seconds >= seconds
    assert 2 <= len(drawn.ticks) <= 10
    assert drawn.ticks[0].startswith("0 ")


def test_the_collector_is_shown_where_it_failed():
    tests = Component("tests", "tests", container="tests")
    for exit_code, names in ((0, ["tests"]), (1, ["tests", "tests collector"])):
        parts = (tests, Component("tests", "tests", container="collector", exit_code=exit_code))
        assert [row.name for row in chart(attempt(parts, **WHOLE)).rows[1:]] == names


NOT_OPEN = {"started": 1, "verdict": 16}
WAITED = timeline.Gates({"db": at(3.5), "migrations": at(5)}, frozenset({"api"}))
DB, API = (Component(name, "service", created_at=at(1), started_at=at(2), ready_at=at(4)) for name in ("db", "api"))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (DB, "started after 1 s, ready 1.5 s later"),  # a probe looks later
        (API, "started after 1 s, never ready"),  # a probe only saw that something listens
        (Component("api", "app", created_at=at(1), started_at=at(2)), "started after 1 s, never ready"),
        (Component("other", "app", created_at=at(1), started_at=at(2)), "started after 1 s"),  # nobody knows
        (Component("tests", "tests", created_at=at(1), started_at=at(2)), "started after 1 s, waited 14 s"),
        (Component("migrations", "migrations", created_at=at(1), started_at=at(2)), "started after 1 s, ran 3 s"),
        (Component("more", "migrations", created_at=at(1), started_at=at(2), ready_at=at(2)), "started after 1 s"),
    ],
)
def test_what_the_gates_saw_counts_more_than_what_probes_did(part, text):
    of = attempt((part,), **NOT_OPEN)
    assert timeline.chart(of, BEGAN, (), at(100), WAITED).rows[1].text == text


def test_gates_are_read_as_far_as_they_can_be():
    body = (
        b'{"t": 1795285133.5, "event": "waiting", "name": "db"}\n'
        b'{"t": 1795285134.5, "event": "ready", "name": "db", "seconds": 1}\n'
        b'{"t": 1795285135, "event": "timeout", "notReady": [{"name": "api", "error": "HTTP 503"}]}\n'
        b'{"event": "ready", "t": "x", "name": "y"}\n[]\n{"t": 17952'
    )
    assert timeline.gates(body) == timeline.Gates({"db": datetime.fromtimestamp(1795285134.5, UTC)}, frozenset({"api"}))
    assert timeline.gates(b"") == timeline.Gates()
