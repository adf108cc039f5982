"""The archive's history in PostgreSQL: the same tests as in SQLite, on the Postgres image that runs get."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from tests.e2e.servers import DATABASE, PASSWORD, servers
from tests.unit.archive.history_cases import *  # noqa: F403  (the tests)

pytestmark = pytest.mark.cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[str]:
    """A PostgreSQL of its own; gives its URL."""
    async with servers("postgres") as namespace:
        forwarding = await asyncio.create_subprocess_exec(
            "kubectl", "-n", namespace, "port-forward", "pod/postgres", ":5432",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert forwarding.stdout is not None
            port = re.search(rb"127\.0\.0\.1:(\d+)", await forwarding.stdout.readline())
            assert port is not None
            yield f"postgresql://postgres:{PASSWORD}@127.0.0.1:{int(port[1])}/{DATABASE}?connect_timeout=60"
        finally:
            forwarding.terminate()
            await forwarding.wait()


@pytest.fixture
def history(server: str) -> Iterator[History]:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    made = History(database_url(server, Path()))
    made.migrate()
    yield made
    made.close()
