"""Which namespace a run was in, by uid; which shard a container belongs to; and a better name for when a run changed
last.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds them: not known of the runs that are here."""
    op.add_column("runs", sa.Column("namespace_uid", sa.Text(), nullable=False, server_default=""))
    op.add_column("components", sa.Column("shard", sa.Integer(), nullable=True))
    op.drop_index("runs_by_heard", "runs")
    op.execute("ALTER TABLE runs RENAME COLUMN heard_at TO changed_at")
    op.create_index("runs_by_change", "runs", ["changed_at", "uid"], unique=False)
