"""Inserts and upserts, the same for both databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Table,
    insert,
)
from sqlalchemy.dialects import postgresql, sqlite

from seatrial.archive.server.history.text import cleaned


def insert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows, if there are any."""
    if rows:
        connection.execute(insert(table), [cleaned(dict(row)) for row in rows])


def upsert(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    at_first: Mapping[str, Any] | None = None,
) -> None:
    """Inserts a row, or changes the values of the one that is there; `at_first` counts only for a new row."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    changed = cleaned(dict(values))
    statement = dialect.insert(table).values(**key, **changed, **(at_first or {}))
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed))
