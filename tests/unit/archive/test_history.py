"""The history in SQLite."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial.archive.model.errors import UnavailableError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.questions import RunFilter
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from tests.unit.archive.history_cases import *  # noqa: F403  (the tests)
from tests.unit.archive.history_cases import NOON, put, row, seal


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(database_url("", tmp_path))
    made.migrate()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "sqlite:////data/history.sqlite"),
        ("sqlite:////x/y.db", "sqlite:////x/y.db"),
        ("postgresql://u:p@db/history?sslmode=require", "postgresql+psycopg://u:***@db/history?sslmode=require"),
        ("postgres://db/history", "postgresql+psycopg://db/history"),
    ],
)
def test_the_database_is_where_its_url_says(given: str, expected: str) -> None:
    assert database_url(given, Path("/data")).render_as_string(hide_password=True) == expected


@pytest.mark.parametrize("given", ["mysql://u@db/history", "nonsense", "postgresql//x"])
def test_another_database_is_refused_with_what_would_be_right(given: str) -> None:
    with pytest.raises(ValueError, match="postgresql://user:password@host/database"):
        database_url(given, Path("/data"))


def test_a_database_of_a_newer_version_is_left_alone(history: History) -> None:
    with history.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RuntimeError, match="newer Seatrial"):
        history.migrate()


@pytest.mark.parametrize("url", ["sqlite:////proc/nowhere/x.db", "postgresql://u:secret@127.0.0.1:1/history"])
def test_a_database_that_is_away_is_reported_without_its_password(tmp_path: Path, url: str) -> None:
    history = History(database_url(url, tmp_path))
    with pytest.raises(UnavailableError, match="can't be used") as raised:
        history.runs.page(RunFilter(), 10)
    assert "secret" not in str(raised.value)
    history.close()


def test_flaky_tests_are_found_in_the_database_and_not_in_memory(history: History) -> None:
    put(history, "u")
    seal(history, SetKey("u", 1, 0), [row(number, f"t.py::{number}", "failed") for number in range(5_000)])
    seal(history, SetKey("u", 1, 1), [row(0, "t.py::1")])
    history.statistics.flaky(None, NOON, 10)
    tracemalloc.start()
    try:
        assert [test.id for test in history.statistics.flaky(None, NOON, 10)] == ["t.py::1"]
        assert tracemalloc.get_traced_memory()[1] < 2**19
    finally:
        tracemalloc.stop()


def test_a_reader_is_not_held_up_by_a_writer(history: History) -> None:
    with history.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM runs")
        assert history.runs.page(RunFilter(), 10).total == 0
