"""What is known of bundles: their size, and when they were used last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import delete, func, select

from seatrial.archive.model.bundles import BundleKey
from seatrial.archive.server.history.database import Database
from seatrial.archive.server.history.schema import bundles
from seatrial.archive.server.history.writing import upsert


class BundleUse:
    """Reads and writes it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def used(self, key: BundleKey, size: int, at: float) -> None:
        """The bundle is there and was used at this moment, in unix seconds."""
        this = {"namespace_uid": key.namespace_uid, "sha256": key.sha256}
        with self.database.writing() as connection:
            upsert(connection, bundles, this, {"size": size, "used_at": datetime.fromtimestamp(at, UTC)})

    def unknown(self, keys: Iterable[BundleKey]) -> set[BundleKey]:
        """Those of these bundles that are not here."""
        with self.database.reading() as connection:
            known = connection.execute(select(bundles.c.namespace_uid, bundles.c.sha256))
            return set(keys) - {BundleKey(row.namespace_uid, row.sha256) for row in known}

    def unused_since(self, moment: float, limit: int) -> list[BundleKey]:
        """At most so many bundles that nobody used since this moment (unix seconds), the longest unused first."""
        query = (
            select(bundles.c.namespace_uid, bundles.c.sha256)
            .where(bundles.c.used_at < datetime.fromtimestamp(moment, UTC))
            .order_by(bundles.c.used_at)
        )
        with self.database.reading() as connection:
            return [BundleKey(row.namespace_uid, row.sha256) for row in connection.execute(query.limit(limit))]

    def forget(self, key: BundleKey) -> None:
        """The bundle is gone."""
        this = (bundles.c.namespace_uid == key.namespace_uid, bundles.c.sha256 == key.sha256)
        with self.database.writing() as connection:
            connection.execute(delete(bundles).where(*this))

    def total(self) -> tuple[int, int]:
        """How many bundles there are, and what they take in bytes."""
        with self.database.reading() as connection:
            number, size = connection.execute(
                select(func.count(), func.coalesce(func.sum(bundles.c.size), 0)).select_from(bundles)
            ).one()
        return number, int(size)
