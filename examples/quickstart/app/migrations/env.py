"""How Alembic reaches the database."""

from __future__ import annotations

from alembic import context
from orders.models import Base
from orders.settings import Settings
from sqlalchemy import create_engine, pool

with create_engine(Settings.from_env().database_url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
