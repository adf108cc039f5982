"""Alembic runs this for each command; the connection, in its transaction, comes from `Database.migrate`."""

from __future__ import annotations

from alembic import context

from seatrial.archive.server.history.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
