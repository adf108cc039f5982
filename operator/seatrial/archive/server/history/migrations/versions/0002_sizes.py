"""What each set takes, so that retention need not ask the storage."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds it; the sets that are here are taken once more, since only their manifests have it."""
    op.add_column("sets", sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("runs_by_heard", "runs", ["heard_at", "uid"], unique=False)
    op.execute("UPDATE sets SET ingested = false")
