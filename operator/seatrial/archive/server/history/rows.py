"""From rows to views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    Row,
)

from seatrial.archive.model.runs import (
    Attempt,
    Component,
    Counts,
    Evidence,
    RunRow,
    Timeline,
    complete_shard,
)
from seatrial.archive.model.tests import FailureText, TestRow
from seatrial.archive.server.history.schema import EVIDENCE, runs, sets, tests

AnyRow = Row[*tuple[Any, ...]]


RUN_COLUMNS = [runs.c[field.name] for field in fields(RunRow)]


TEST_COLUMNS = [
    sets.c.uid,
    sets.c.attempt,
    sets.c.shard,
    tests.c.test_id.label("id"),
    *(
        tests.c[field.name]
        for field in fields(TestRow)
        if field.name not in ("uid", "attempt", "shard", "id", "failures")
    ),
]


def run_values(row: AnyRow) -> dict[str, Any]:
    """The fields that a run in a list and a whole run share."""
    return {column.name: getattr(row, column.name) for column in RUN_COLUMNS} | {"tests": Counts(**row.tests)}


def run_row(row: AnyRow) -> RunRow:
    """A run in a list."""
    return RunRow(**run_values(row))


def attempt_of(row: AnyRow, parts: Sequence[AnyRow], its_sets: Sequence[AnyRow]) -> Attempt:
    """An attempt with its components and sets."""
    evidence = next((part for part in its_sets if part.shard == EVIDENCE), None)
    return Attempt(
        attempt=row.attempt,
        verdict=row.verdict,
        reason=row.reason,
        message=row.message,
        environment=row.environment,
        digest=row.digest,
        timeline=Timeline(**row.timeline),
        components=tuple(
            Component(**{field.name: getattr(part, field.name) for field in fields(Component)}) for part in parts
        ),
        shards=tuple(
            complete_shard(part.shard, part.digest, part.archived_at, part.summary, part.problems)
            for part in its_sets
            if part.shard != EVIDENCE
        ),
        evidence=None if evidence is None else Evidence(evidence.digest, evidence.archived_at),
    )


def test_row(row: AnyRow) -> TestRow:
    """A test."""
    values = dict(row._mapping)
    values["markers"] = tuple(values["markers"])
    values["failures"] = tuple(FailureText(**failure) for failure in values.get("failures") or ())
    return TestRow(**values)
