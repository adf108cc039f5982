"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes them."""
    op.create_table(
        "runs",
        sa.Column("uid", sa.String(length=63), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("heard_at", sa.Double(), nullable=False),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_with", sa.Text(), nullable=False),
        sa.Column("started_link", sa.Text(), nullable=False),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("tests", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )
    op.create_index("runs_by_name", "runs", ["namespace", "name", "created_at"], unique=False)
    op.create_index("runs_by_time", "runs", ["created_at", "uid"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("uid", sa.String(length=63), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("verdict", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("timeline", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["runs.uid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "attempt"),
    )
    op.create_table(
        "labels",
        sa.Column("uid", sa.String(length=63), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["uid"], ["runs.uid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "key"),
    )
    op.create_index("labels_by_value", "labels", ["key", "value"], unique=False)
    op.create_table(
        "components",
        sa.Column("uid", sa.String(length=63), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ready_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("restarts", sa.Integer(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["uid", "attempt"], ["attempts.uid", "attempts.attempt"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", "attempt", "number"),
    )
    op.create_table(
        "sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.String(length=63), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("archived_at", sa.Double(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("ingested", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["uid", "attempt"], ["attempts.uid", "attempts.attempt"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uid", "attempt", "shard"),
    )
    op.create_table(
        "tests",
        sa.Column("set_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("test_id", sa.Text(), nullable=False),
        sa.Column("catalogue_id", sa.Text()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("bad", sa.Boolean(), nullable=False),
        sa.Column("flaky", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("file", sa.Text()),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("markers", sa.JSON(), nullable=False),
        sa.Column("reruns", sa.Integer(), nullable=False),
        sa.Column("timed_out", sa.Boolean(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["set_id"], ["sets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("set_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("tests_by_id", "tests", ["test_id"], unique=False)
    op.create_index(
        "tests_suspicious",
        "tests",
        ["test_id"],
        unique=False,
        sqlite_where=sa.text("bad = 1 OR flaky = 1"),
        postgresql_where=sa.text("bad OR flaky"),
    )
    op.create_table(
        "texts",
        sa.Column("set_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("failures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["set_id", "number"], ["tests.set_id", "tests.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("set_id", "number"),
    )
