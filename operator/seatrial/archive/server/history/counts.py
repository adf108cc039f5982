"""Counts and verdicts of a run, from the summaries of its last attempt's shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import (
    Connection,
    select,
    update,
)

from seatrial.archive.model.runs import (
    Counts,
)
from seatrial.archive.server.history.schema import EVIDENCE, runs, sets

_VERDICTS = {"passed": ("Passed", "TestsPassed"), "failed": ("Failed", "TestsFailed")}


def recount(connection: Connection, uid: str) -> None:
    """Sums the counts of the last attempt's shards; without a record, takes the verdict from them too."""
    query = select(sets.c.attempt, sets.c.summary).where(sets.c.uid == uid, sets.c.shard != EVIDENCE)
    found = connection.execute(query).all()
    if not found:
        return
    last = max(row.attempt for row in found)
    summaries = [row.summary for row in found if row.attempt == last]
    connection.execute(update(runs).where(runs.c.uid == uid).values(tests=asdict(counts_of(summaries))))
    outcomes = [str(summary.get("outcome")) for summary in summaries]
    worst = next((outcome for outcome in outcomes if outcome not in _VERDICTS), None) or (
        "failed" if "failed" in outcomes else "passed"
    )
    verdict, reason = _VERDICTS.get(worst, ("Errored", worst))
    judged = {"attempt": last, "phase": verdict, "verdict": verdict, "reason": reason}
    connection.execute(update(runs).where(runs.c.uid == uid, runs.c.recorded.is_(False)).values(**judged))


def counts_of(summaries: Iterable[Mapping[str, Any] | None]) -> Counts:
    """The counts of several shards together; numbers that no shard can have count for nothing."""
    counted = dict.fromkeys((field.name for field in fields(Counts)), 0)
    for summary in summaries:
        tests = (summary or {}).get("tests")
        for name in counted:
            number = tests.get(name) if isinstance(tests, dict) else None
            counted[name] += number if isinstance(number, int) and 0 <= number < 2**31 else 0
    return Counts(**counted)
