"""What could not be read of a set."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds it: nothing is known of the sets that are here."""
    op.add_column("sets", sa.Column("problems", sa.JSON(), nullable=False, server_default="[]"))
