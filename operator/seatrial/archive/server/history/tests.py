"""Questions about tests."""

from __future__ import annotations

import statistics
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    case,
    func,
    or_,
    select,
)

from seatrial.archive.model.questions import TestFilter, TestOrder
from seatrial.archive.model.tests import TestHistory, TestPage, TestPoint, TestRow
from seatrial.archive.server.history.conditions import NOT_DELETED, PASSED, in_namespaces
from seatrial.archive.server.history.cursors import cursor_of, offset_of
from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.rows import (
    TEST_COLUMNS,
    test_row,
)
from seatrial.archive.server.history.schema import EVIDENCE, runs, sets, tests, texts
from seatrial.archive.server.history.text import bounded_id


class Tests:
    """Reads tests."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def page(
        self, uid: str, filter: TestFilter, limit: int, cursor: str | None = None, order: TestOrder = "bad-first"
    ) -> TestPage:
        """Tests of one attempt of a run.

        Raises:
            InvalidError: the cursor is none of ours.
        """
        offset = offset_of(cursor)
        joined = tests.join(sets).join(runs, runs.c.uid == sets.c.uid)
        attempt: Any = filter.attempt
        if attempt is None:
            attempt = (
                select(func.max(sets.c.attempt)).where(sets.c.uid == uid, sets.c.shard != EVIDENCE).scalar_subquery()
            )
        wanted = [NOT_DELETED, sets.c.uid == uid, sets.c.attempt == attempt]
        if filter.outcome == "bad":
            wanted.append(tests.c.bad)
        elif filter.outcome == "flaky":
            wanted.append(tests.c.flaky)
        elif filter.outcome is not None:
            wanted.append(tests.c.outcome == filter.outcome)
        if filter.shard is not None:
            wanted.append(sets.c.shard == filter.shard)
        if filter.ended:
            wanted.append(tests.c.ended_at.is_not(None))
        if filter.text:
            wanted.append(
                or_(*(c.icontains(filter.text, autoescape=True) for c in (tests.c.test_id, tests.c.catalogue_id)))
            )
        by_place: list[ColumnElement[Any]] = [sets.c.shard, tests.c.number]
        ordered: dict[TestOrder, list[ColumnElement[Any]]] = {
            "bad-first": [case((tests.c.bad, 0), (tests.c.flaky, 1), else_=2), *by_place],
            "duration": [tests.c.seconds.desc(), *by_place],
            "id": [tests.c.test_id, *by_place],
        }
        query = select(*TEST_COLUMNS).select_from(joined).where(*wanted).order_by(*ordered[order])
        with self.database.reading() as connection:
            total = connection.scalar(select(func.count()).select_from(joined).where(*wanted)) or 0
            rows = [test_row(row) for row in connection.execute(query.offset(offset).limit(limit))]
        end = offset + len(rows)
        return TestPage(tuple(rows), cursor_of(str(end)) if end < total else None, total)

    def slowest(self, uid: str, attempt: int | None, limit: int) -> tuple[TestRow, ...]:
        """The tests of an attempt that took longest, of those that ended; None: of the last attempt."""
        return self.page(uid, TestFilter(attempt=attempt, ended=True), limit, order="duration").tests

    def get(self, uid: str, attempt: int, test_id: str, shard: int | None = None) -> TestRow | None:
        """One test with the texts of its failures, or None. Without `shard`: of the last one that ran it."""
        joined = tests.join(sets).join(runs, runs.c.uid == sets.c.uid).outerjoin(texts)
        query = (
            select(*TEST_COLUMNS, texts.c.failures)
            .select_from(joined)
            .where(NOT_DELETED, sets.c.uid == uid, sets.c.attempt == attempt, tests.c.test_id == bounded_id(test_id))
            .order_by(sets.c.shard.desc(), tests.c.number.desc())
        )
        if shard is not None:
            query = query.where(sets.c.shard == shard)
        with self.database.reading() as connection:
            row = connection.execute(query.limit(1)).first()
        return None if row is None else test_row(row)

    def history(self, namespace: str, test_id: str, limit: int, uids: frozenset[str] | None = None) -> TestHistory:
        """A test's outcomes in the last runs of a namespace with one of these uids; no points if it is unknown."""
        at = func.coalesce(tests.c.started_at, runs.c.created_at).label("at")
        query = (
            select(
                *(tests.c[name] for name in ("outcome", "bad", "seconds", "flaky", "message", "catalogue_id")),
                *(sets.c[name] for name in ("uid", "attempt", "shard")),
                *(runs.c.name.label("run"), runs.c.spec_hash, at),
            )
            .select_from(tests.join(sets).join(runs, runs.c.uid == sets.c.uid))
            .where(NOT_DELETED, in_namespaces(frozenset({namespace}), uids), tests.c.test_id == bounded_id(test_id))
            .order_by(at.desc())
        )
        with self.database.reading() as connection:
            rows = connection.execute(query.limit(limit)).all()
        points = tuple(
            TestPoint(**{field.name: getattr(row, field.name) for field in fields(TestPoint)}) for row in rows
        )
        passes = [point.seconds for point in points if point.outcome in PASSED]
        return TestHistory(
            namespace=namespace,
            id=test_id,
            catalogue_id=next((row.catalogue_id for row in rows if row.catalogue_id), None),
            points=points,
            passed=len(passes),
            bad=sum(row.bad for row in rows),
            flaky=sum(row.flaky for row in rows),
            median_seconds=statistics.median(passes) if passes else None,
        )
