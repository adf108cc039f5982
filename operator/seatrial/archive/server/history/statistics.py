"""What many runs show of a test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    case,
    exists,
    func,
    or_,
    select,
)

from seatrial.archive.model.questions import RunFilter
from seatrial.archive.model.tests import DurationRow, FlakyTest
from seatrial.archive.server.history.conditions import NOT_DELETED, PASSED, in_namespaces, matching
from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.rows import (
    AnyRow,
)
from seatrial.archive.server.history.schema import EVIDENCE, runs, sets, tests

_PASSES_FOR_A_DURATION = 5


class Statistics:
    """Reads over many runs."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def flaky(
        self, namespaces: frozenset[str] | None, since: datetime, limit: int, uids: frozenset[str] | None = None
    ) -> list[FlakyTest]:
        """Tests that passed when run again, or passed and failed on the same spec; the flakiest first.

        Args:
            namespaces: those that the reader may see; None: all.
            since: only runs created at this moment or later.
            limit: how many.
            uids: of these namespaces as they are now; None: runs of predecessors count as well.
        """
        joined = tests.join(sets).join(runs, runs.c.uid == sets.c.uid)
        wanted = [NOT_DELETED, runs.c.created_at >= since, in_namespaces(namespaces, uids)]
        suspicious = or_(tests.c.bad, tests.c.flaky)
        by_test = (runs.c.namespace, tests.c.test_id)
        of_spec = (
            select(
                *by_test,
                runs.c.spec_hash,
                func.max(tests.c.catalogue_id).label("catalogue_id"),
                *(
                    func.sum(case((condition, 1), else_=0)).label(name)
                    for name, condition in (
                        ("passed", tests.c.outcome.in_(PASSED)), ("bad", tests.c.bad), ("flaky", tests.c.flaky)
                    )
                ),
            )
            .select_from(joined)
            .where(*wanted, tests.c.test_id.in_(select(tests.c.test_id).where(suspicious)))
            .group_by(*by_test, runs.c.spec_hash)
            .subquery()
        )  # fmt: skip
        both_ways = case(
            (of_spec.c.spec_hash == "", 0), (of_spec.c.passed < of_spec.c.bad, of_spec.c.passed), else_=of_spec.c.bad
        )
        flaked, passed, bad = (
            func.sum(each) for each in (of_spec.c.flaky + both_ways, of_spec.c.passed, of_spec.c.bad)
        )
        rate = flaked / case((passed + bad > 0, passed + bad), else_=1)
        query = (
            select(
                of_spec.c.namespace,
                of_spec.c.test_id,
                func.max(of_spec.c.catalogue_id).label("catalogue_id"),
                *(flaked.label("flaked"), passed.label("passed"), bad.label("bad")),
            )
            .group_by(of_spec.c.namespace, of_spec.c.test_id)
            .having(flaked > 0)
            .order_by(flaked.desc(), rate.desc(), of_spec.c.namespace, of_spec.c.test_id)
        )
        with self.database.reading() as connection:
            found = connection.execute(query.limit(limit)).all()
            return [self._flaky_test(connection, counted, joined, wanted) for counted in found]

    @staticmethod
    def _flaky_test(connection: Connection, counted: AnyRow, joined: Any, wanted: Iterable[Any]) -> FlakyTest:
        last = connection.execute(
            select(runs.c.created_at, runs.c.uid, tests.c.message)
            .select_from(joined)
            .where(
                *wanted,
                runs.c.namespace == counted.namespace,
                tests.c.test_id == counted.test_id,
                or_(tests.c.bad, tests.c.flaky),
            )
            .order_by(runs.c.created_at.desc())
            .limit(1)
        ).one()
        return FlakyTest(
            counted.namespace, counted.test_id, counted.catalogue_id, int(counted.flaked), int(counted.passed),
            int(counted.bad), last.created_at, last.uid, last.message,
        )  # fmt: skip

    def durations(
        self,
        namespace: str,
        name: str | None = None,
        labels: Sequence[tuple[str, str]] = (),
        runs_back: int = 10,
        uids: frozenset[str] | None = None,
    ) -> list[DurationRow]:
        """How long each test takes when it passes: the median of its last five passes, the longest first.

        Args:
            namespace: of the runs.
            name: only runs of this name.
            labels: only runs that have these labels.
            runs_back: how many of these runs, the newest ones.
            uids: see `flaky`.
        """
        wanted = matching(RunFilter(namespace_uids=uids, namespace=namespace, name=name, labels=tuple(labels)))
        lately = (
            select(runs.c.uid, runs.c.created_at)
            .where(*wanted, exists().where(sets.c.uid == runs.c.uid, sets.c.shard != EVIDENCE))
            .order_by(runs.c.created_at.desc(), runs.c.uid.desc())
            .limit(runs_back)
            .subquery()
        )
        newest_first = (
            lately.c.created_at.desc(), sets.c.attempt.desc(), tests.c.set_id.desc(), tests.c.number.desc()
        )  # fmt: skip
        passes = (
            select(
                tests.c.test_id,
                tests.c.seconds,
                func.row_number().over(partition_by=tests.c.test_id, order_by=newest_first).label("age"),
            )
            .select_from(tests.join(sets).join(lately, lately.c.uid == sets.c.uid))
            .where(tests.c.outcome.in_(PASSED))
            .subquery()
        )
        last = (
            select(
                passes.c.test_id,
                passes.c.seconds,
                func.row_number().over(partition_by=passes.c.test_id, order_by=passes.c.seconds).label("place"),
                func.count().over(partition_by=passes.c.test_id).label("number"),
            )
            .where(passes.c.age <= _PASSES_FOR_A_DURATION)
            .subquery()
        )
        median = func.avg(last.c.seconds)
        query = (
            select(last.c.test_id, median, func.max(last.c.number))
            .where((2 * last.c.place).between(last.c.number, last.c.number + 2))  # the one in the middle, or both
            .group_by(last.c.test_id)
            .order_by(median.desc(), last.c.test_id)
        )
        with self.database.reading() as connection:
            return [DurationRow(*row) for row in connection.execute(query)]
