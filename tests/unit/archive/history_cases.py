"""What the history does in every database: SQLite in test_history.py, PostgreSQL in e2e/test_history_postgres.py.

Whoever runs them gives a fixture `history`: an empty one, migrated.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from seatrial.archive.model.errors import InvalidError, UnavailableError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.questions import RunFilter, TestFilter, TestOrder
from seatrial.archive.model.record import parse_record
from seatrial.archive.model.report import notes
from seatrial.archive.model.runs import Counts
from seatrial.archive.server.history.history import History
from seatrial.archive.server.history.schema import metadata
from seatrial.archive.server.history.text import bounded_id

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FAR = NOON.timestamp() * 2
NODE = "tests/test_orders.py::test_int_020[a/b-é]"


def record(uid: str, minutes: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "name": "pr-1",
        "namespace": "team-a",
        "attempt": 1,
        "createdAt": (NOON + timedelta(minutes=minutes)).isoformat(),
        "phase": "Testing",
        "verdict": None,
        "specHash": "sha256:one",
    } | more


def put(history: History, uid: str, minutes: int = 0, **more: Any) -> None:
    history.intake.put_record(parse_record(record(uid, minutes, **more), uid))


def row(number: int, test_id: str = NODE, outcome: str = "passed", **more: Any) -> dict[str, Any]:
    at = NOON + timedelta(seconds=number)
    return {
        "number": number,
        "test_id": test_id,
        "catalogue_id": "INT-020" if test_id == NODE else None,
        "outcome": outcome,
        "bad": outcome in ("failed", "error"),
        "flaky": False,
        "seconds": 1.5,
        "started_at": at,
        "ended_at": at + timedelta(seconds=1.5),
        "file": "tests/test_orders.py",
        "line": 7,
        "markers": ["smoke"],
        "reruns": 0,
        "timed_out": False,
        "message": "",
    } | more


def seal(
    history: History,
    key: SetKey,
    rows: Sequence[dict[str, Any]] = (),
    failures: Sequence[dict[str, Any]] = (),
    size: int = 1,
    **summary: Any,
) -> None:
    whose = {
        "run": {"uid": key.uid, "name": "pr-1", "namespace": "team-a"},
        "attempt": key.attempt,
        "shard": key.shard or 0,
    }
    described = whose | {"outcome": "passed", "tests": {"total": 1}} | summary
    set_id = history.intake.begin_set(key, f"sha256:{key}", NOON + timedelta(hours=1), size, described)
    history.intake.add_tests(set_id, rows, failures)
    history.intake.end_set(set_id)


def uids(history: History, **filter: Any) -> list[str]:
    return [run.uid for run in history.runs.page(RunFilter(**filter), 100).runs]


def test_the_migrations_make_the_tables_that_the_code_knows(history: History) -> None:
    with history.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_record_is_reported_as_it_came_and_the_last_one_wins(history: History) -> None:
    component = {
        "name": "postgres", "role": "service", "container": "postgres", "image": "postgres:17", "imageId": "sha256:aa",
        "createdAt": "2026-05-04T12:00:00Z", "readyAt": "2026-05-04T12:00:01.250Z", "exitCode": 137,
        "ended": "OOMKilled",
    }  # fmt: skip
    put(history, "u", components=[component], labels={"team": "a"})
    put(
        history,
        "u",
        verdict="Errored",
        phase="Errored",
        reason="OutOfMemory",
        message="postgres\0 ran out",
        labels={"team": "b"},
        startedBy={"by": "ann", "with": "kubectl", "link": "https://ci.example/1"},
        environment="st-pr-1",
        spec={"tests": {"image": "tests:1"}},
        timeline={"started": "2026-05-04T12:00:02Z", "verdict": "2026-05-04T12:00:30Z"},
        digest="sha256:d",
        components=[component, component | {"name": "tests", "role": "tests", "exitCode": None}],
    )
    run = history.runs.get("u")
    assert run is not None
    assert run.last is not None
    assert (run.verdict, run.reason, run.message) == ("Errored", "OutOfMemory", "postgres\ufffd ran out")
    assert (run.started_by, run.started_with, run.started_link) == ("ann", "kubectl", "https://ci.example/1")
    assert (run.created_at, run.started_at, run.seconds) == (NOON, NOON + timedelta(seconds=2), 30)
    assert (run.labels, run.spec, run.spec_hash) == ({"team": "b"}, {"tests": {"image": "tests:1"}}, "sha256:one")
    assert (run.last.environment, run.last.digest) == ("st-pr-1", "sha256:d")
    assert run.last.timeline.verdict == run.ended_at
    assert [part.name for part in run.last.components] == ["postgres", "tests"]
    postgres = run.last.components[0]
    assert (postgres.image_id, postgres.exit_code, postgres.ended) == ("sha256:aa", 137, "OOMKilled")
    assert postgres.ready_at == NOON + timedelta(seconds=1.25)
    assert history.runs.page(RunFilter(), 1).runs[0].labels == {"team": "b"}


def test_a_record_without_components_leaves_those_that_are_known(history: History) -> None:
    put(history, "u", components=[{"name": "postgres", "role": "service"}])
    put(history, "u", verdict="Passed")
    run = history.runs.get("u")
    assert run is not None
    assert [part.name for part in run.attempts[0].components] == ["postgres"]


def test_a_run_that_was_deleted_waits_for_no_verdict(history: History) -> None:
    put(history, "u", phase="Deleted")
    assert uids(history, active=False) == ["u"]
    assert [kept.active for kept in history.keeping.least_recent(FAR, 10)] == [False]


def test_each_attempt_keeps_what_was_reported_of_it(history: History) -> None:
    put(history, "u", verdict="Errored", reason="NodeLost", environment="st-1")
    put(history, "u", attempt=2, environment="st-2")
    run = history.runs.get("u")
    assert run is not None
    assert (run.attempt, run.verdict) == (2, None)
    base = [(attempt.attempt, attempt.verdict, attempt.environment) for attempt in run.attempts]
    assert base == [(1, "Errored", "st-1"), (2, None, "st-2")]


def test_runs_come_the_newest_first_page_by_page(history: History) -> None:
    for number in range(5):
        put(history, f"u{number}", minutes=number // 2)  # some in the same moment
    first = history.runs.page(RunFilter(), 2)
    second = history.runs.page(RunFilter(), 2, first.next_cursor)
    put(history, "new", minutes=100)  # moves no page
    third = history.runs.page(RunFilter(), 2, second.next_cursor)
    assert [[run.uid for run in page.runs] for page in (first, second, third)] == [["u4", "u3"], ["u2", "u1"], ["u0"]]
    assert (first.total, third.next_cursor) == (5, None)


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "8J-YgA"])
def test_an_unknown_cursor_is_refused(history: History, cursor: str) -> None:
    with pytest.raises(InvalidError, match="cursor"):
        history.runs.page(RunFilter(), 2, cursor)
    with pytest.raises(InvalidError, match="cursor"):
        history.tests.page("u", TestFilter(), 2, cursor)


def test_runs_are_found_by_what_is_known_of_them(history: History) -> None:
    image = {"name": "app", "role": "app", "image": "shop:1", "imageId": "shop@sha256:abc"}
    put(history, "a", labels={"team": "x", "suite": "smoke"}, components=[image])
    put(history, "b", minutes=1, namespace="team-b", name="nightly", verdict="Failed", reason="TestsFailed")
    put(history, "c", minutes=2, verdict="Passed", labels={"team": "x"}, message="100% done")
    assert uids(history) == ["c", "b", "a"]
    assert uids(history, namespaces=frozenset({"team-b"})) == ["b"]
    assert uids(history, namespaces=frozenset()) == []
    assert uids(history, namespace="team-a", namespaces=frozenset({"team-b"})) == []
    assert uids(history, name="nightly") == ["b"]
    assert uids(history, text="NIGHT") == ["b"]
    assert uids(history, text="0% d") == ["c"]
    assert uids(history, text="%") == ["c"]
    assert uids(history, verdict="Failed") == ["b"]
    assert uids(history, reason="TestsFailed") == ["b"]
    assert uids(history, labels=(("team", "x"),)) == ["c", "a"]
    assert uids(history, labels=(("team", "x"), ("suite", "smoke"))) == ["a"]
    assert uids(history, since=NOON + timedelta(minutes=1)) == ["c", "b"]
    assert uids(history, until=NOON + timedelta(minutes=1)) == ["a"]
    assert uids(history, active=True) == ["a"]
    assert uids(history, active=False) == ["c", "b"]
    assert uids(history, image="sha256:abc") == ["a"]
    assert history.runs.namespaces() == {"team-a", "team-b"}
    assert (history.runs.namespace("b"), history.runs.namespace("nobody")) == (("team-b", ""), None)


def test_results_alone_make_a_run_known(history: History) -> None:
    seal(
        history,
        SetKey("u", 1, 0),
        [row(0)],
        startedAt=NOON.timestamp(),
        outcome="died",
        tests={"total": 3, "passed": 1},
    )
    run = history.runs.get("u")
    assert run is not None
    assert run.last is not None
    assert (run.namespace, run.name, run.created_at) == ("team-a", "pr-1", NOON)
    assert (run.verdict, run.reason) == ("Errored", "died")
    assert run.tests == Counts(total=3, passed=1)
    assert (run.last.shards[0].complete, run.last.shards[0].shard) == (True, 0)
    put(history, "u", verdict="Errored", reason="TestsOutOfMemory")
    run = history.runs.get("u")
    assert run is not None
    assert (run.reason, run.tests.total) == ("TestsOutOfMemory", 3)


def test_counts_are_those_of_all_shards_of_the_last_attempt(history: History) -> None:
    put(history, "u", attempt=2)
    seal(history, SetKey("u", 1, 0), tests={"total": 9, "failed": 9})
    seal(history, SetKey("u", 2, 0), tests={"total": 2, "passed": 1, "failed": 1})
    seal(history, SetKey("u", 2, 1), tests={"total": 3, "passed": 3, "flaky": 1, "odd": "x"})
    seal(history, SetKey("u", 2, None))
    run = history.runs.get("u")
    assert run is not None
    assert run.tests == Counts(total=5, passed=4, failed=1, flaky=1)
    assert run.verdict is None
    assert [len(attempt.shards) for attempt in run.attempts] == [1, 2]
    assert run.attempts[1].evidence is not None


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"tests": {"total": 3, "errors": "many"}}, "tests.errors: expected a whole number, found text"),
        ({"startedAt": 1e300}, "startedAt: not from -6.21356e+10 to 2.53402e+11"),
        ({"notes": "one"}, "notes: expected a list, found text"),
        ({"coverage": {"lineRate": [1]}}, "coverage.lineRate: expected a number, found a list"),
        ({"outcome": ["passed"]}, "outcome: expected text, found a list"),
    ],
)
def test_a_summary_that_does_not_fit_is_kept_and_its_field_named(
    history: History, wrong: dict[str, Any], problem: str
) -> None:
    seal(history, SetKey("u", 1, 0), tests={"total": 2, "passed": 2})
    seal(history, SetKey("u", 1, 1), **wrong)
    run = history.runs.get("u")
    assert run is not None
    assert run.last is not None
    assert (run.verdict, run.reason, run.tests) == ("Errored", "unreadable", Counts(total=2, passed=2))
    good, bad = run.last.shards
    assert (good.problems, bad.facts) == ((), None)
    assert bad.problems == (f"summary.json can't be used: {problem}",)
    assert bad.summary is not None
    assert bad.summary.items() >= wrong.items()
    assert notes(run.last) == bad.problems


def test_a_set_that_comes_again_takes_the_place_of_its_first_half(history: History) -> None:
    key = SetKey("u", 1, 0)
    half = history.intake.begin_set(key, "sha256:d", NOON, 1, {"run": {"namespace": "team-a"}})
    history.intake.add_tests(half, [row(0)], [])
    assert history.intake.ingested() == set()
    seal(history, key, [row(0), row(1, "b")])
    assert history.intake.ingested() == {key}
    assert history.tests.page("u", TestFilter(), 10).total == 2


def filled(history: History) -> None:
    put(history, "u")
    seal(
        history,
        SetKey("u", 1, 0),
        [
            row(0, "a::slow", seconds=9.0),
            row(1, "b::bad", "failed", message="no"),
            row(2, "c::flaky", flaky=True, reruns=1),
        ],
        [{"number": 1, "failures": [{"when": "call", "message": "no", "text": "E  no\0", "stdout": "out"}]}],
    )
    seal(history, SetKey("u", 1, 1), [row(0), row(1, "e::skipped", "skipped", message="why")])


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("bad-first", ["b::bad", "c::flaky", "a::slow", NODE, "e::skipped"]),
        ("duration", ["a::slow", "b::bad", "c::flaky", NODE, "e::skipped"]),
    ],
)
def test_tests_come_in_order_page_by_page(history: History, order: TestOrder, expected: list[str]) -> None:
    filled(history)
    seen, cursor = [], None
    while True:
        page = history.tests.page("u", TestFilter(), 2, cursor, order)
        assert page.total == 5
        seen += [test.id for test in page.tests]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == expected


def test_tests_are_found_by_what_is_known_of_them(history: History) -> None:
    filled(history)
    put(history, "u", attempt=2)

    def found(**filter: Any) -> list[str]:
        return [test.id for test in history.tests.page("u", TestFilter(**filter), 10, None, "id").tests]

    assert len(found()) == 5  # of the last attempt that has results
    assert found(attempt=2) == []
    assert found(outcome="bad") == found(outcome="failed") == ["b::bad"]
    assert found(outcome="flaky") == ["c::flaky"]
    assert found(text="INT-02") == found(text="Orders.py::TEST_") == [NODE]
    assert found(text="%") == []
    assert history.tests.page("nobody", TestFilter(), 10).total == 0


def test_one_test_comes_with_the_texts_of_its_failures(history: History) -> None:
    filled(history)
    bad = history.tests.get("u", 1, "b::bad")
    assert bad is not None
    assert (bad.bad, bad.message, bad.started_at) == (True, "no", NOON + timedelta(seconds=1))
    assert [(failure.text, failure.stdout) for failure in bad.failures] == [("E  no\ufffd", "out")]
    good = history.tests.get("u", 1, NODE)
    assert good is not None
    assert (good.shard, good.catalogue_id, good.markers, good.failures) == (1, "INT-020", ("smoke",), ())
    assert history.tests.get("u", 2, NODE) is None


def test_a_test_has_a_history(history: History) -> None:
    for number, outcome in enumerate(("passed", "failed", "passed", "passed")):
        put(history, f"u{number}", minutes=number)
        test = row(number * 60, outcome=outcome, seconds=float(number), flaky=number == 3, message=outcome)
        seal(history, SetKey(f"u{number}", 1, 0), [test])
    put(history, "other", namespace="team-b")
    seal(history, SetKey("other", 1, 0), [row(0)])
    base = history.tests.history("team-a", NODE, 10)
    assert [point.outcome for point in base.points] == ["passed", "passed", "failed", "passed"]
    assert (base.points[0].run, base.points[0].at) == ("pr-1", NOON + timedelta(minutes=3))
    assert (base.passed, base.bad, base.flaky, base.median_seconds) == (3, 1, 1, 2.0)
    assert base.catalogue_id == "INT-020"
    assert len(history.tests.history("team-a", NODE, 2).points) == 2
    assert history.tests.history("team-b", "unknown", 2).points == ()


def test_flaky_is_what_went_both_ways_while_nothing_changed(history: History) -> None:
    def one(minutes: int, spec: str, **outcomes: str) -> None:
        uid = f"{spec}-{minutes}"
        put(history, uid, minutes, specHash=spec)
        rows = [row(number, name, outcome) for number, (name, outcome) in enumerate(outcomes.items())]
        seal(history, SetKey(uid, 1, 0), [*rows, row(9, "retried", flaky=minutes == 1)])

    one(0, "one", both="passed", fixed="failed", broken="failed", well="passed")
    one(1, "one", both="failed", fixed="failed", broken="failed", well="passed")
    one(2, "one", both="failed", broken="failed", well="passed")
    one(3, "one", both="passed", broken="failed", well="passed")
    one(4, "two", fixed="passed")
    put(history, "hidden", namespace="team-b")
    seal(history, SetKey("hidden", 1, 0), [row(0, "theirs", flaky=True, message="m")])
    found = history.statistics.flaky(frozenset({"team-a"}), NOON, 10)
    base = [(test.id, test.flaked, test.passed, test.bad, test.last_uid) for test in found]
    assert base == [("both", 2, 2, 2, "one-2"), ("retried", 1, 5, 0, "one-1")]
    assert (found[0].rate, found[1].last_at) == (0.5, NOON + timedelta(minutes=1))
    assert [test.id for test in history.statistics.flaky(None, NOON, 10)] == ["both", "theirs", "retried"]
    assert [test.id for test in history.statistics.flaky(None, NOON, 1)] == ["both"]
    assert history.statistics.flaky(None, NOON + timedelta(minutes=3), 10) == []


def test_a_duration_is_the_median_of_the_last_passes(history: History) -> None:
    for number, seconds in enumerate((100.0, 1.0, 3.0, 2.0, 5.0, 4.0)):
        put(history, f"u{number}", minutes=number, labels={"suite": "smoke"})
        seal(history, SetKey(f"u{number}", 1, 0), [row(0, seconds=seconds), row(1, "fails", "failed")])
    put(history, "later", minutes=90, name="other")
    seal(history, SetKey("later", 1, 0), [row(0, "b", seconds=50)])
    put(history, "running", minutes=99)  # without results
    durations = [(row.id, row.seconds, row.passes) for row in history.statistics.durations("team-a")]
    assert durations == [("b", 50, 1), (NODE, 3, 5)]
    of_name = [row.id for row in history.statistics.durations("team-a", name="pr-1", runs_back=2)]
    assert of_name == [NODE]
    assert history.statistics.durations("team-a", name="pr-1", runs_back=2)[0].seconds == 4.5
    assert [row.id for row in history.statistics.durations("team-a", labels=[("suite", "smoke")])] == [NODE]
    assert history.statistics.durations("team-b") == []


def test_a_duration_counts_all_attempts_and_shards_and_each_test_by_itself(history: History) -> None:
    for number, uid in enumerate("ab"):
        put(history, uid, minutes=number)
        for attempt, shard, seconds in ((1, 0, 9.0), (2, 0, 1.0), (2, 1, 2.0)):
            rows = [row(0, "x", seconds=seconds), row(1, "y", "xpassed", seconds=seconds / 4)]
            seal(history, SetKey(uid, attempt, shard), rows)
    base = [(row.id, row.seconds, row.passes) for row in history.statistics.durations("team-a", runs_back=1)]
    assert base == [("x", 2, 3), ("y", 0.5, 3)]
    # Of six the oldest, from the first attempt of the older run, does not count.
    base = [(row.id, row.seconds, row.passes) for row in history.statistics.durations("team-a")]
    assert base == [("x", 2, 5), ("y", 0.5, 5)]
    put(history, "c", minutes=9)
    seal(history, SetKey("c", 1, 0), [row(0, "z", seconds=4), row(1, "z", seconds=1), row(2, "w", "failed")])
    assert [(row.id, row.seconds) for row in history.statistics.durations("team-a", runs_back=1)] == [("z", 2.5)]


def test_what_is_marked_deleted_is_shown_nowhere_and_then_forgotten(history: History) -> None:
    filled(history)
    put(history, "stays", minutes=1, verdict="Passed")
    assert {(kept.uid, kept.active) for kept in history.keeping.least_recent(FAR, 10)} == {
        ("u", True),
        ("stays", False),
    }
    history.keeping.mark_deleted(["u"])
    assert uids(history) == ["stays"]
    assert history.runs.get("u") is None
    assert history.runs.namespace("u") is None
    assert history.tests.page("u", TestFilter(), 10).total == 0
    assert history.tests.get("u", 1, NODE) is None
    assert history.tests.history("team-a", NODE, 10).points == ()
    assert history.statistics.flaky(None, NOON, 10) == []
    assert history.statistics.durations("team-a") == []
    assert [kept.uid for kept in history.keeping.least_recent(FAR, 10)] == history.keeping.uids() == ["stays"]
    assert history.keeping.unknown(["u", "stays", "other"]) == {"other"}
    assert history.keeping.total() == (0, 0)
    assert history.keeping.marked_deleted() == ["u"]
    assert [history.keeping.is_deleted(uid) for uid in ("u", "stays", "unknown")] == [True, False, False]
    history.keeping.forget("u")
    assert (history.keeping.marked_deleted(), history.intake.ingested()) == ([], set())
    history.keeping.forget("u")


def test_what_is_kept_is_reported_by_size_and_by_when_it_changed(history: History) -> None:
    for number, uid in enumerate(("c", "a", "b", "d")):
        history.intake.put_record(parse_record(record(uid), uid))
        for shard in range(number):
            seal(history, SetKey(uid, 1, shard), size=2**40)  # changed at one o'clock
    assert history.keeping.total() == (3, 6 * 2**40)
    at_one = (NOON + timedelta(hours=1)).timestamp()
    first = history.keeping.least_recent(at_one + 1, 2)
    assert [(run.uid, run.size, run.changed) for run in first] == [("a", 2**40, at_one), ("b", 2 * 2**40, at_one)]
    assert [run.uid for run in history.keeping.least_recent(at_one + 1, 2, first[-1])] == ["d"]
    assert [
        run.size for run in history.keeping.least_recent(FAR, 9, history.keeping.least_recent(at_one + 1, 3)[-1])
    ] == [0]
    assert history.keeping.least_recent(at_one, 2) == []


def test_ids_that_no_index_holds_are_cut_and_found_all_the_same(history: History) -> None:
    long = "t.py::test[" + "é" * 4_000
    put(history, "u")
    seal(history, SetKey("u", 1, 0), [row(0, bounded_id(long + "1]")), row(1, bounded_id(long + "2]"), "failed")])
    first, second = history.tests.get("u", 1, long + "1]"), history.tests.get("u", 1, long + "2]")
    assert first is not None
    assert second is not None
    assert (first.outcome, second.outcome) == ("passed", "failed")


def test_runs_of_a_namespaces_predecessor_are_left_out(history: History) -> None:
    for uid, namespace_uid in (("old", "n-0"), ("new", "n-1"), ("unknown", "")):
        put(history, uid, namespaceUid=namespace_uid)
        seal(history, SetKey(uid, 1, 0), [row(0, outcome="failed"), row(1, f"of-{uid}")])
    put(history, "new")  # a record without it leaves what is known
    now = frozenset({"n-1"})
    assert set(uids(history, namespaces=frozenset({"team-a"}), namespace_uids=now)) == {"new", "unknown"}
    assert set(uids(history, namespaces=frozenset({"team-a"}))) == {"old", "new", "unknown"}
    assert {point.uid for point in history.tests.history("team-a", NODE, 10, now).points} == {"new", "unknown"}
    assert {test.id for test in history.statistics.durations("team-a", uids=now)} == {"of-new", "of-unknown"}
    assert (history.runs.namespace("new"), history.runs.namespace("old")) == (("team-a", "n-1"), ("team-a", "n-0"))


def test_the_slowest_tests_are_those_that_ended(history: History) -> None:
    put(history, "u")
    never = [row(number, f"t.py::never{number}", "unfinished", ended_at=None, seconds=100.0) for number in range(3)]
    ended = [row(10 + number, f"t.py::{number}", seconds=float(number)) for number in range(6)]
    seal(history, SetKey("u", 1, 0), [*never, *ended])
    assert [test.id for test in history.tests.slowest("u", 1, 5)] == [f"t.py::{number}" for number in (5, 4, 3, 2, 1)]
    assert history.tests.slowest("u", 2, 5) == ()


def test_migrating_again_changes_nothing(history: History) -> None:
    put(history, "u")
    history.migrate()
    assert uids(history) == ["u"]


def test_a_history_without_sizes_takes_its_sets_again(history: History) -> None:
    seal(history, SetKey("u", 1, 0))
    with history.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE bundles")
        connection.exec_driver_sql("DROP INDEX runs_by_change")
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN stored")
        connection.exec_driver_sql("ALTER TABLE runs RENAME COLUMN changed_at TO heard_at")
        connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN namespace_uid")
        connection.exec_driver_sql("ALTER TABLE components DROP COLUMN shard")
        connection.exec_driver_sql("ALTER TABLE sets DROP COLUMN size")
        connection.exec_driver_sql("ALTER TABLE sets DROP COLUMN problems")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    history.migrate()
    assert (history.intake.ingested(), history.keeping.total()) == (set(), (1, 0))
    assert uids(history) == ["u"]
    seal(history, SetKey("u", 1, 0), size=7)
    assert (history.intake.ingested(), history.keeping.total()) == ({SetKey("u", 1, 0)}, (1, 7))


def test_a_database_that_has_no_tables_yet_is_unavailable(history: History) -> None:
    with history.database.writing() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    with pytest.raises(UnavailableError, match="can't be used"):
        history.keeping.is_deleted("u")


def test_two_that_start_at_once_migrate_one_after_the_other(history: History) -> None:
    url = history.database.engine.url
    with history.database.writing() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
    together, failed = threading.Barrier(4), list[BaseException]()

    def start() -> None:
        starting = History(url)
        together.wait()
        try:
            starting.migrate()
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)
        finally:
            starting.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    put(history, "u")
    assert uids(history) == ["u"]
