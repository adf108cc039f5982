"""What each namespace takes of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import case, func, select, update

from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.schema import bundles, runs, sets


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a share: a namespace, made anew it is another one."""

    namespace: str
    namespace_uid: str


class ShareSizes:
    """Reads and writes it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def holder(self, uid: str) -> Holder | None:
        """Whose run this is; None as long as the operator sent no record of it. Results prove nothing: tests wrote
        them.
        """
        query = select(runs.c.namespace, runs.c.namespace_uid).where(runs.c.uid == uid, runs.c.recorded)
        with self.database.reading() as connection:
            found = connection.execute(query).first()
        return None if found is None else Holder(found.namespace, found.namespace_uid)

    def add(self, stored: Mapping[str, int]) -> set[str]:
        """Adds bytes that were stored, by the run's uid; returns the runs that are not here."""
        unknown = set()
        with self.database.writing() as connection:
            for uid, size in stored.items():
                changed = update(runs).where(runs.c.uid == uid).values(stored=runs.c.stored + size)
                if not connection.execute(changed).rowcount:
                    unknown.add(uid)
        return unknown

    def taken(self, holder: Holder) -> int:
        """Bytes of all that is kept of the namespace: results, evidence, bundles.

        Of a run its complete sets count, or what was stored of it, if that is more: a database that was lost knows only
        the sets.
        """
        complete = select(func.coalesce(func.sum(sets.c.size), 0)).where(sets.c.uid == runs.c.uid).scalar_subquery()
        of_run = case((complete > runs.c.stored, complete), else_=runs.c.stored)
        of_runs = select(func.coalesce(func.sum(of_run), 0)).where(
            runs.c.namespace == holder.namespace, runs.c.namespace_uid == holder.namespace_uid, runs.c.recorded
        )
        of_bundles = select(func.coalesce(func.sum(bundles.c.size), 0)).where(
            bundles.c.namespace_uid == holder.namespace_uid
        )
        with self.database.reading() as connection:
            return int(connection.scalar(of_runs) or 0) + int(connection.scalar(of_bundles) or 0)
