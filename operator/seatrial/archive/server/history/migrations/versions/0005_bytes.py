"""Bundles, and when they were used last; what all files of a run take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds both: retention finds the bundles that are stored; of a run that is here its sets' sizes count."""
    op.add_column("runs", sa.Column("stored", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "bundles",
        sa.Column("namespace_uid", sa.String(63), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=False),
    )
    op.create_index("bundles_by_use", "bundles", ["used_at"])
