"""Counts and verdicts of a run, from the summaries of its last attempt's shards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields

from sqlalchemy import (
    Connection,
    select,
    update,
)

from seatrial.archive.model.runs import (
    Counts,
)
from seatrial.archive.model.summaries import parse_summary
from seatrial.archive.server.history.schema import EVIDENCE, runs, sets
from seatrial_protocol.summary import Summary

_UNREADABLE = "unreadable"
"""In place of the outcome of a shard whose summary can't be used."""
_VERDICTS = {"passed": ("Passed", "TestsPassed"), "failed": ("Failed", "TestsFailed")}


def recount(connection: Connection, uid: str) -> None:
    """Sums the counts of the last attempt's shards; without a record, takes the verdict from them too."""
    query = select(sets.c.attempt, sets.c.summary).where(sets.c.uid == uid, sets.c.shard != EVIDENCE)
    found = connection.execute(query).all()
    if not found:
        return
    last = max(row.attempt for row in found)
    summaries = [parse_summary(row.summary)[0] for row in found if row.attempt == last]
    connection.execute(update(runs).where(runs.c.uid == uid).values(tests=asdict(counts_of(summaries))))
    outcomes = [summary.outcome if summary else _UNREADABLE for summary in summaries]
    worst = next((outcome for outcome in outcomes if outcome not in _VERDICTS), None) or (
        "failed" if "failed" in outcomes else "passed"
    )
    verdict, reason = _VERDICTS.get(worst, ("Errored", worst))
    judged = {"attempt": last, "phase": verdict, "verdict": verdict, "reason": reason}
    connection.execute(update(runs).where(runs.c.uid == uid, runs.c.recorded.is_(False)).values(**judged))


def counts_of(summaries: Iterable[Summary | None]) -> Counts:
    """The counts of several shards together."""
    found = [summary.tests for summary in summaries if summary is not None]
    return Counts(**{field.name: sum(getattr(counts, field.name) for counts in found) for field in fields(Counts)})
