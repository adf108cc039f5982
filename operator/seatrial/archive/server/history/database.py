"""The database's engine: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import alembic.util
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, ProgrammingError, TimeoutError

from seatrial.archive.model.errors import UnavailableError

_BUSY_SECONDS = 30
_CONNECT_SECONDS = 5
_NO_SUCH_TABLE = "42P01"
"""So PostgreSQL says that nothing has been migrated yet."""
_MIGRATION_LOCK = 0x5EA7
"""PostgreSQL's advisory lock: archives that start at the same time migrate one after the other."""


def database_url(given: str, folder: Path) -> URL:
    """Where the history is: as given, or in a file of this folder.

    Raises:
        ValueError: this is neither SQLite nor PostgreSQL.
    """
    if not given:
        return URL.create("sqlite", database=str(folder / "history.sqlite"))
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise ValueError("the database's URL can't be read; use postgresql://user:password@host/database") from error
    match url.get_backend_name():
        case "sqlite":
            return url
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise ValueError(f"the history can't be kept in {other}: use postgresql://user:password@host/database")


class Database:
    """Connections, transactions and the schema."""

    def __init__(self, url: URL) -> None:
        """Connects to nothing yet."""
        self._sqlite = url.get_backend_name() == "sqlite"
        self._where = url.render_as_string(hide_password=True)
        if self._sqlite:
            self._engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
            event.listen(self._engine, "connect", _set_up_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        else:
            own = {"connect_timeout": _CONNECT_SECONDS, "application_name": "seatrial-archive"}
            options = {name: value for name, value in own.items() if name not in url.query}
            self._engine = create_engine(url, connect_args=options, pool_pre_ping=True)

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's own."""
        return self._engine

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Migrates the schema. Two that do it at once wait for each other.

        Raises:
            UnavailableError: the database can't be reached.
            RuntimeError: it was made by a newer version.
        """
        config = alembic.config.Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.writing() as connection:
            if not self._sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config.attributes["connection"] = connection
            try:
                alembic.command.upgrade(config, "head")
            except alembic.util.CommandError as error:
                raise RuntimeError(
                    f"the history in {self._where} was made by a newer Seatrial ({error}): "
                    "use that one, or another database"
                ) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database.

        Raises:
            UnavailableError: it can't be reached.
        """
        with self._named_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, committed at its end.

        Raises:
            UnavailableError: it can't be reached.
        """
        with self._named_errors(), self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, ProgrammingError, TimeoutError) as error:
            if isinstance(error, ProgrammingError) and getattr(error.orig, "sqlstate", "") != _NO_SUCH_TABLE:
                raise  # an error of ours
            cause = error if isinstance(error, TimeoutError) else error.orig
            first_line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            raise UnavailableError(
                f"the history in {self._where} can't be used: {first_line}", "results are kept all the same; try again"
            ) from error


def _set_up_sqlite(connection: Any, _: object) -> None:
    # The driver's own transactions begin too late to hold a read together, and end before each change of the schema.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={_BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # Who reads first and then writes would be refused when somebody else wrote in between; so a writer waits at its
    # beginning.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
