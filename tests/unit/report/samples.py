"""Runs to report on, and shards that ran tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from seatrial.archive.model.report import Report
from seatrial.archive.model.runs import Attempt, Counts, RunDetail, Timeline
from seatrial.archive.model.tests import FailureText, TestRow
from seatrial.archive.server.reports.merge import Part
from seatrial_protocol.hints import Hint
from seatrial_protocol.summary import Summary
from tests.unit.runner.support import Event, lines

BEGAN = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def run(verdict: str | None = "Failed", reason: str = "TestsFailed", message: str = "", **more: Any) -> RunDetail:
    timeline = Timeline(
        queued=BEGAN, started=after(0.1), environment_ready=after(2.1), first_test=after(2.6), last_test=after(9.0),
        verdict=after(9.4),
    )  # fmt: skip
    attempt = Attempt(
        attempt=1, verdict=verdict, reason=reason, message=message, environment="st-pr-1-abcde", digest="",
        timeline=timeline, components=(), shards=(), evidence=None,
    )  # fmt: skip
    detail = RunDetail(
        uid="u-1", namespace="team-a", namespace_uid="", name="pr-1", created_at=BEGAN, attempt=1,
        phase=verdict or "Testing",
        verdict=verdict, reason=reason, message=message, labels={}, started_by="", started_with="", started_link="",
        spec_hash="", started_at=after(0.1), ended_at=after(9.4),
        tests=Counts(total=5, passed=2, failed=1, errors=1, skipped=1, flaky=1), spec={}, attempts=(attempt,),
    )  # fmt: skip
    return replace(detail, **more)


def row(test_id: str, outcome: str = "passed", **more: Any) -> TestRow:
    bare = TestRow(
        uid="u-1", attempt=1, shard=0, id=test_id, catalogue_id=None, outcome=outcome, seconds=0.5, started_at=None,
        ended_at=None, file=None, line=None, markers=(), reruns=0, flaky=False, timed_out=False, message="",
    )  # fmt: skip
    return replace(bare, **more)


TRACEBACK = """\
    def test_order_is_paid(client):
        order = client.order("anchor")
        client.pay(order)
>       assert client.state(order) == "paid"
E       AssertionError: assert 'open' == 'paid'
E         - paid
E         + open

tests/test_orders.py:41: AssertionError"""

HINT = Hint(
    component="orders",
    file="logs/orders.log",
    line='psycopg.OperationalError: connection refused to "postgres:5432"',
    title="connection refused to postgres",
    advice="postgres was killed for using more memory than its limit; give it more: spec.services.postgres.resources",
    cause=True,
)


def failed(test_id: str, message: str = "AssertionError: assert 'open' == 'paid'", text: str = TRACEBACK) -> TestRow:
    return row(test_id, "failed", message=message, failures=(FailureText("call", message, text),))


def report(detail: RunDetail | None = None, hints: Sequence[Hint] = (), **tests: Sequence[TestRow]) -> Report:
    bad = tuple(tests.get("failed", ()))
    return Report(
        run=detail or run(), hints=tuple(hints), failed=bad, failed_total=len(bad), flaky=tuple(tests.get("flaky", ())),
        slowest=tuple(tests.get("slowest", ())),
    )  # fmt: skip


def part(attempt: int, shard: int, *events: Sequence[Event], **summary: Any) -> Part:
    body = lines([event for some in events for event in some])
    whose = {"run": {"uid": "u-1"}, "attempt": attempt, "shard": shard, "outcome": "passed"}
    described = {"pytest": "8.4.1", "python": "3.13.1", "firstTestAt": 100.0 + attempt, "endedAt": 200.0 + attempt}
    return Part(attempt, shard, Summary.parse({**whose, **described, **summary}), lambda: iter([body[:50], body[50:]]))
