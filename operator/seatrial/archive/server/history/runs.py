"""Questions about runs."""

from __future__ import annotations

from sqlalchemy import (
    and_,
    func,
    or_,
    select,
)

from seatrial.archive.model.questions import RunFilter
from seatrial.archive.model.runs import (
    RunDetail,
    RunPage,
)
from seatrial.archive.server.history.conditions import NOT_DELETED, matching
from seatrial.archive.server.history.cursors import cursor_of, run_cursor
from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.rows import (
    RUN_COLUMNS,
    attempt_of,
    run_row,
    run_values,
)
from seatrial.archive.server.history.schema import attempts, components, runs, sets


class Runs:
    """Reads runs."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def page(self, filter: RunFilter, limit: int, cursor: str | None = None) -> RunPage:
        """Runs, the newest first.

        Raises:
            InvalidError: the cursor is none of ours.
        """
        wanted = matching(filter)
        query = select(*RUN_COLUMNS).where(*wanted).order_by(runs.c.created_at.desc(), runs.c.uid.desc())
        if cursor is not None:
            at, uid = run_cursor(cursor)
            query = query.where(or_(runs.c.created_at < at, and_(runs.c.created_at == at, runs.c.uid < uid)))
        with self.database.reading() as connection:
            total = connection.scalar(select(func.count()).select_from(runs).where(*wanted)) or 0
            rows = [run_row(row) for row in connection.execute(query.limit(limit + 1))]
        more = len(rows) > limit
        rows = rows[:limit]
        following = cursor_of(f"{rows[-1].created_at.isoformat()} {rows[-1].uid}") if more else None
        return RunPage(tuple(rows), following, total)

    def get(self, uid: str) -> RunDetail | None:
        """All of one run but its tests; None if it is unknown."""
        with self.database.reading() as connection:
            found = connection.execute(select(runs).where(runs.c.uid == uid, NOT_DELETED)).first()
            if found is None:
                return None
            of_run = {
                table: connection.execute(select(table).where(table.c.uid == uid).order_by(*table.primary_key)).all()
                for table in (attempts, components)
            }
            its_sets = connection.execute(select(sets).where(sets.c.uid == uid).order_by(sets.c.shard)).all()
        tried = tuple(
            attempt_of(
                row,
                [part for part in of_run[components] if part.attempt == row.attempt],
                [part for part in its_sets if part.attempt == row.attempt],
            )
            for row in of_run[attempts]
        )
        return RunDetail(**run_values(found), spec=found.spec, attempts=tried)

    def namespace(self, uid: str) -> tuple[str, str] | None:
        """Name and uid of a run's namespace; None if the run is unknown."""
        query = select(runs.c.namespace, runs.c.namespace_uid).where(runs.c.uid == uid, NOT_DELETED)
        with self.database.reading() as connection:
            found = connection.execute(query).first()
        return None if found is None else (found.namespace, found.namespace_uid)

    def namespaces(self) -> frozenset[str]:
        """All namespaces that have runs here."""
        with self.database.reading() as connection:
            return frozenset(connection.scalars(select(runs.c.namespace).where(NOT_DELETED).distinct()))
