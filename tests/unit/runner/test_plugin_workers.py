"""Workers of pytest-xdist have what is to be their own before the suite's first line runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial_runner.workers import PER_WORKER, prepare
from tests.unit.runner.recorded import Recorded

pytest_plugins = ["pytester"]

CLONE = "postgres://me@postgres:5432/app_{worker}?template=seatrial_app&password-env=SEATRIAL_POSTGRES_PASSWORD"
POSTGRES = {"address": "postgres:5432", "clones": {"app": CLONE}, "variables": ["PGDATABASE"]}
REDIS = {"address": "redis:6379", "numbered": 16}


def launch(folder: Path, status: int = 0) -> str:
    """A launcher that writes down how it was called."""
    program = folder / "launch"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\necho "seatrial: no such template" >&2\nexit {status}\n'
    )
    program.chmod(0o755)
    return str(program)


def environ(launcher: str, **variables: str) -> dict[str, str]:
    own = {"launch": launcher, "services": [POSTGRES, REDIS]}
    return {PER_WORKER: json.dumps(own), "PYTEST_XDIST_WORKER": "gw3", **variables}


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("postgresql://me:pw@postgres:5432/app", "postgresql://me:pw@postgres:5432/app_gw3"),
        ("postgresql+psycopg://me:pw@postgres/app?sslmode=disable", "postgresql+psycopg://me:pw@postgres/app_gw3?sslmode=disable"),
        ("jdbc:postgresql://postgres:5432/app", "jdbc:postgresql://postgres:5432/app_gw3"),
        ("postgresql://me@postgres:5432/application", "postgresql://me@postgres:5432/application"),
        ("postgresql://me@postgres:5432/postgres", "postgresql://me@postgres:5432/postgres"),
        ("postgresql://me@other-postgres:5432/app", "postgresql://me@other-postgres:5432/app"),
        ("/srv/postgres/app", "/srv/postgres/app"),
        ("redis://:pw@redis:6379/0", "redis://:pw@redis:6379/64"),
        ("redis://redis", "redis://redis/64"),
        ("redis://redis:6379/2?timeout=1", "redis://redis:6379/66?timeout=1"),
        ("redis://redis:6380/0", "redis://redis:6380/0"),
        ("http://redis:6379/0", "http://redis:6379/0"),
    ],
)  # fmt: skip
def test_urls_name_what_is_the_workers_own(tmp_path: Path, given: str, becomes: str) -> None:
    variables = environ(launch(tmp_path), A_URL=given, PGDATABASE="app", SEATRIAL_X="redis://redis:6379/0")
    prepare(variables)
    assert variables["A_URL"] == becomes
    assert variables["PGDATABASE"] == "app_gw3"
    assert variables["SEATRIAL_X"] == "redis://redis:6379/0"
    assert PER_WORKER not in variables
    assert (tmp_path / "calls").read_text() == f"clone {CLONE.replace('{worker}', 'gw3')}\n"


def test_nothing_changes_without_workers(tmp_path: Path) -> None:
    variables = environ(launch(tmp_path), PGDATABASE="app")
    del variables["PYTEST_XDIST_WORKER"]
    before = dict(variables)
    prepare(variables)
    assert variables == before


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_conftest_sees_the_variables_of_its_worker(recorded: Recorded, tmp_path: Path, workers: str) -> None:
    own = {"launch": launch(tmp_path), "services": [POSTGRES]}
    recorded.env(**{PER_WORKER: json.dumps(own)}, PGDATABASE="app")
    recorded.pytester.makeconftest("import os\nDATABASE = os.environ['PGDATABASE']\n")
    result = recorded.run(
        """
        import os, pytest
        from conftest import DATABASE
        @pytest.mark.parametrize("n", range(4))
        def test_a(n):
            worker = os.environ.get("PYTEST_XDIST_WORKER")
            assert DATABASE == (f"app_{worker}" if worker else "app")
        """,
        "-p", "xdist", "-n", workers,
    )  # fmt: skip
    result.assert_outcomes(passed=4)


def test_a_worker_without_its_database_runs_no_test(recorded: Recorded, tmp_path: Path) -> None:
    own = {"launch": launch(tmp_path, status=74), "services": [POSTGRES]}
    recorded.env(**{PER_WORKER: json.dumps(own)})
    result = recorded.run("def test_a(): pass\n", "-p", "xdist", "-n", "1")
    assert result.ret != 0
    assert "seatrial: no such template" in result.stdout.str() + result.stderr.str()
