"""The tables. `migrations/` makes them; a test holds both together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    or_,
)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, as unix seconds: the same in every database, and in the order of time."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:
        """Into the database."""
        return None if value is None else value.timestamp()

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Out of the database."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


EVIDENCE = -1
"""Stands for the number of a shard in the set that holds the evidence."""

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("uid", String(63), primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("namespace_uid", Text, nullable=False),  # a recreated namespace has another; empty: not known
    Column("name", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),  # when its record or one of its sets came last
    Column("recorded", Boolean, nullable=False),  # the operator sent its record; else all is known from the results
    Column("deleted", Boolean, nullable=False),  # its files are being deleted: it is shown no more
    Column("attempt", Integer, nullable=False),
    Column("phase", Text, nullable=False),
    Column("verdict", Text),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_with", Text, nullable=False),
    Column("started_link", Text, nullable=False),
    Column("spec_hash", Text, nullable=False),
    Column("spec", JSON, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("tests", JSON, nullable=False),  # counts of the last attempt that has results
    Column("stored", BigInteger, nullable=False, server_default="0"),  # bytes that came, also of sets without an end
    Index("runs_by_time", "created_at", "uid"),
    Index("runs_by_change", "changed_at", "uid"),
    Index("runs_by_name", "namespace", "name", "created_at"),
)

bundles = Table(
    "bundles",
    metadata,
    Column("namespace_uid", String(63), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),  # bytes
    Column("used_at", Moment, nullable=False),  # when somebody put it, asked for it or fetched it last
    Index("bundles_by_use", "used_at"),
)

labels = Table(
    "labels",
    metadata,
    Column("uid", ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Index("labels_by_value", "key", "value"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("uid", ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("verdict", Text),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("timeline", JSON, nullable=False),
)

components = Table(
    "components",
    metadata,
    Column("uid", String(63), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("shard", Integer),  # of the tests' pods
    Column("container", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("image_id", Text, nullable=False),
    Column("created_at", Moment),
    Column("started_at", Moment),
    Column("ready_at", Moment),
    Column("ended_at", Moment),
    Column("exit_code", Integer),
    Column("restarts", Integer, nullable=False),
    Column("ended", Text, nullable=False),
    ForeignKeyConstraint(["uid", "attempt"], ["attempts.uid", "attempts.attempt"], ondelete="CASCADE"),
)

sets = Table(
    "sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", String(63), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("archived_at", Moment, nullable=False),
    Column("size", BigInteger, nullable=False),  # bytes of its files and of its manifest
    Column("summary", JSON, nullable=False),  # of a shard: its summary.json
    Column("ingested", Boolean, nullable=False),  # all its tests are here
    Column("problems", JSON, nullable=False, server_default="[]"),  # of a shard: what of its events could not be read
    UniqueConstraint("uid", "attempt", "shard"),
    ForeignKeyConstraint(["uid", "attempt"], ["attempts.uid", "attempts.attempt"], ondelete="CASCADE"),
)

tests = Table(
    "tests",
    metadata,
    Column("set_id", ForeignKey("sets.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # in the order in which they ended
    Column("test_id", Text, nullable=False),
    Column("catalogue_id", Text),
    Column("outcome", Text, nullable=False),
    Column("bad", Boolean, nullable=False),
    Column("flaky", Boolean, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("file", Text),
    Column("line", Integer),
    Column("markers", JSON, nullable=False),
    Column("reruns", Integer, nullable=False),
    Column("timed_out", Boolean, nullable=False),
    Column("message", Text, nullable=False),
    Index("tests_by_id", "test_id"),
    sqlite_with_rowid=False,
)
_suspicious = or_(tests.c.bad, tests.c.flaky)
Index("tests_suspicious", tests.c.test_id, sqlite_where=_suspicious, postgresql_where=_suspicious)

texts = Table(
    "texts",
    metadata,
    Column("set_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("failures", JSON, nullable=False),
    ForeignKeyConstraint(["set_id", "number"], ["tests.set_id", "tests.number"], ondelete="CASCADE"),
)
