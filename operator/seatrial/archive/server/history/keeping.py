"""Reads and marks of retention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import (
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from seatrial.archive.server.history.conditions import ACTIVE, NOT_DELETED
from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.schema import runs, sets


@dataclass(frozen=True, slots=True)
class Kept:
    """A run in the archive, as far as retention goes by it."""

    uid: str
    size: int
    """Of its complete sets, in bytes."""
    changed: float
    """When its record or one of its sets came last, in unix seconds."""
    active: bool
    """It has no verdict yet, and may still get one."""


class Keeping:
    """Reads and writes what is kept."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def uids(self) -> list[str]:
        """All runs that are not marked deleted."""
        with self.database.reading() as connection:
            return list(connection.scalars(select(runs.c.uid).where(NOT_DELETED)))

    def unknown(self, uids: Sequence[str]) -> set[str]:
        """Those of these runs that are not here, not even marked deleted."""
        with self.database.reading() as connection:
            return set(uids) - set(connection.scalars(select(runs.c.uid).where(runs.c.uid.in_(uids))))

    def total(self) -> tuple[int, int]:
        """How many runs have complete sets, and what these take in bytes."""
        query = select(func.count(sets.c.uid.distinct()), func.coalesce(func.sum(sets.c.size), 0))
        with self.database.reading() as connection:
            number, size = connection.execute(query.join(runs, runs.c.uid == sets.c.uid).where(NOT_DELETED)).one()
        return number, int(size)

    def least_recent(self, before: float, limit: int, after: Kept | None = None) -> list[Kept]:
        """Runs that did not change for longest.

        Args:
            before: only those that changed last before this moment, in unix seconds.
            limit: how many.
            after: only those that follow this one.
        """
        size = select(func.coalesce(func.sum(sets.c.size), 0)).where(sets.c.uid == runs.c.uid).scalar_subquery()
        query = (
            select(runs.c.uid, size.label("size"), runs.c.changed_at, ACTIVE.label("active"))
            .where(NOT_DELETED, runs.c.changed_at < datetime.fromtimestamp(before, UTC))
            .order_by(runs.c.changed_at, runs.c.uid)
        )
        if after is not None:
            at = datetime.fromtimestamp(after.changed, UTC)
            query = query.where(or_(runs.c.changed_at > at, and_(runs.c.changed_at == at, runs.c.uid > after.uid)))
        with self.database.reading() as connection:
            rows = connection.execute(query.limit(limit)).all()
        return [Kept(row.uid, int(row.size), row.changed_at.timestamp(), bool(row.active)) for row in rows]

    def mark_deleted(self, uids: Sequence[str]) -> None:
        """From now on these runs are shown nowhere."""
        with self.database.writing() as connection:
            connection.execute(update(runs).where(runs.c.uid.in_(uids)).values(deleted=True))

    def is_deleted(self, uid: str) -> bool:
        """Whether the run is marked so."""
        with self.database.reading() as connection:
            return bool(connection.scalar(select(runs.c.deleted).where(runs.c.uid == uid)))

    def marked_deleted(self) -> list[str]:
        """The runs that are marked so."""
        with self.database.reading() as connection:
            return list(connection.scalars(select(runs.c.uid).where(runs.c.deleted)))

    def forget(self, uid: str) -> None:
        """Deletes the run and all that hangs on it; nothing if it is unknown."""
        with self.database.writing() as connection:
            connection.execute(delete(runs).where(runs.c.uid == uid))
