"""What Dockerfiles, configurations, test code and scripts say."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from seatrial.cli.init.folder import Folder
from seatrial.cli.init.places import ReadError
from seatrial.cli.init.sources import alembic, dependencies, dockerfile, pytest_config, scripts, test_code
from tests.unit.cli.init.projects import unpack

STAGES = """\
# syntax=docker/dockerfile:1
ARG PY=3.12
FROM python:${PY}-slim AS base
ENV A=1 B="two words" \\
    # a comment in between
    C=${A}3
ENV OLD form of it
WORKDIR /srv
WORKDIR app
RUN <<EOF
apt-get update
CMD not this one
EOF
FROM base AS build
RUN pip install build
FROM base
COPY --from=build /x /y
COPY pyproject.toml uv.lock ./
COPY --chown=1:1 ["./src", "/srv/app/src"]
COPY $UNKNOWN/x /x
EXPOSE 8000/tcp 9000 53/udp
ENTRYPOINT ["/entry"]
CMD uvicorn a:b \\
  --port 8000
"""


def test_a_dockerfile_is_its_last_stage_with_what_that_begins_with() -> None:
    found = dockerfile.parse(STAGES, "Dockerfile", args={"PY": "3.13"})
    assert (found.base.value, str(found.base.place)) == ("python:3.13-slim", "Dockerfile:3")
    assert {name: text.value for name, text in found.env.items()} == {
        "A": "1", "B": "two words", "C": "3", "OLD": "form of it",
    }  # fmt: skip
    assert found.workdir is not None
    assert found.workdir.value == "/srv/app"
    assert [(copied.source, copied.target) for copied in found.copies] == [
        ("pyproject.toml", "/srv/app"), ("uv.lock", "/srv/app"), ("src", "/srv/app/src"),
    ]  # fmt: skip
    assert [port for port, _ in found.ports] == [8000, 9000]
    assert found.entrypoint is not None
    assert found.entrypoint.words == ("/entry",)
    assert found.command is not None
    assert found.command.words[:2] == ("/bin/sh", "-c")
    assert str(found.command.place) == "Dockerfile:23"
    assert not found.only_copies


def test_a_stage_can_be_asked_for() -> None:
    assert dockerfile.parse(STAGES, "Dockerfile", target="Base").copies == ()
    with pytest.raises(ReadError, match="no stage gone"):
        dockerfile.parse(STAGES, "Dockerfile", target="gone")
    with pytest.raises(ReadError, match="no FROM"):
        dockerfile.parse("RUN x\n", "Dockerfile")


@pytest.mark.parametrize("text", ["", "\\\n" * 50, "FROM", "FROM a\nCOPY <<EOF /x\nnever ends", "FROM a\nCMD [broken"])
def test_an_odd_dockerfile_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ReadError):
        assert dockerfile.parse(text, "Dockerfile").base.value == "a"


OPTIONS = "addopts = -q -m 'not slow and not e2e'\nmarkers =\n  slow: s\n  e2e\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", f"[pytest]\ntestpaths = a b\n{OPTIONS}"),
        ("setup.cfg", f"[tool:pytest]\ntestpaths =\n  a\n  b\n{OPTIONS}"),
        ("tox.ini", f"[tox]\n[pytest]\ntestpaths = a b\n{OPTIONS}"),
        ("pyproject.toml", '[tool.pytest.ini_options]\ntestpaths = ["a", "b"]\n'
         'addopts = ["-q", "-m", "not slow and not e2e"]\nmarkers = ["slow: s", "e2e"]\n'),
        ("pyproject.toml", '[tool.pytest.ini_options]\ntestpaths = "a b"\n'
         'addopts = "-q -m \'not slow and not e2e\'"\nmarkers = ["slow: s", "e2e"]\n'),
    ],
)  # fmt: skip
def test_pytests_configuration_says_the_same_in_each_of_its_files(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    found = pytest_config.read(Folder(tmp_path), ".")
    assert found is not None
    assert found.testpaths == ("a", "b")
    assert [marker.value for marker in found.markers] == ["slow", "e2e"]
    assert found.deselected == ("slow", "e2e")
    assert found.place.file == name


def test_a_marker_expression_that_leaves_out_nothing_by_itself_deselects_nothing() -> None:
    place = pytest_config.Place("x")
    for words in (("-m", "smoke"), ("-m", "not slow or not e2e"), ()):
        assert pytest_config.PytestConfig(".", place, addopts=words).deselected == ()


def test_a_file_without_pytests_section_is_none(tmp_path: Path) -> None:
    unpack("-- setup.cfg --\n[metadata]\nname = x\n-- pyproject.toml --\n[project]\nname = 'x'\n", tmp_path)
    assert pytest_config.read(Folder(tmp_path), ".") is None
    (tmp_path / "pyproject.toml").write_text("[broken")
    with pytest.raises(ReadError, match="not valid TOML"):
        pytest_config.read(Folder(tmp_path), ".")


def test_alembic_says_whether_its_database_is_local(tmp_path: Path) -> None:
    unpack("-- alembic.ini --\n[alembic]\nsqlalchemy.url = postgresql://a:b@localhost:5432/%(DB)s\n", tmp_path)
    found = alembic.read(Folder(tmp_path), ".")
    assert found is not None
    assert found.is_local
    assert str(found.url_place) == "alembic.ini:2"


def test_an_image_made_for_pytest_has_it(tmp_path: Path) -> None:
    for base, found in (("seatrial/pytest:0.1.0", True), ("registry.example/team/pytest-base@sha256:0", True),
                        ("python:3.12", False)):  # fmt: skip
        image = dockerfile.parse(f"FROM {base}\nCOPY . /app\n", "Dockerfile")
        assert (dependencies.pytest_in_image(Folder(tmp_path), image, ".") is not None) is found


def test_containers_of_test_code_are_found(tmp_path: Path) -> None:
    text = """\
-- tests/conftest.py --
from testcontainers.postgres import PostgresContainer
import testcontainers.redis as tr
from testcontainers.core.container import DockerContainer
pg = PostgresContainer(image="postgres:15", driver=None)
again = PostgresContainer("postgres:15")
redis = tr.RedisContainer()
mail = DockerContainer("axllent/mailpit:v1")
-- tests/test_broken.py --
import testcontainers (
-- tests/test_other.py --
PostgresContainer("postgres:9")
"""
    found = test_code.containers(Folder(unpack(text, tmp_path)))
    assert [(each.name, each.image, each.place.line) for each in found] == [
        ("postgres", "postgres:15", 4), ("redis", "redis:latest", 6), ("", "axllent/mailpit:v1", 7),
    ]  # fmt: skip


SCRIPT = """\
#!/bin/bash
set -e
export A="one" # said
export B=$A-two
export C=$(date)
PORT=${PORT:-8000}
(cd infra && docker compose up -d)
poetry run alembic upgrade head
WORKER=1 nohup uv run uvicorn app.main:app --port $PORT > logs/api.log 2>&1 &
python -m app.worker &
celery -A app worker --queues $1 &
sleep 5 &
pytest -v "$@" -m "slow or fast" tests
"""


def test_a_script_is_read_without_running_it() -> None:
    found = scripts.parse(SCRIPT, "run.sh")
    assert found is not None
    assert {name: variable.value for name, variable in found.exports.items()} == {"A": "one", "B": "one-two"}
    assert [(process.name, process.words) for process in found.processes] == [
        ("api", ("uvicorn", "app.main:app", "--port", "8000")),
        ("worker", ("python", "-m", "app.worker")),
    ]  # fmt: skip
    assert found.processes[0].env["WORKER"].value == "1"
    assert found.migrations[0][0] == ("alembic", "upgrade", "head")
    assert found.pytest == ("-v", "-m", "slow or fast", "tests")
    assert [name for name, _ in found.unread] == ["C", "celery"]


@pytest.mark.parametrize("text", ["", "make build\n", "echo 'pytest\n", "\\\n" * 100, "export =\n& & &\n| pytest\n"])
def test_a_script_without_pytest_is_none(text: str) -> None:
    assert scripts.parse(text, "run.sh") is None


GROUP = "[dependency-groups]\ndev = ['pytest']\n"
POETRY = "[tool.poetry.group.dev.dependencies]\npytest = '*'\n"


@pytest.mark.parametrize(
    ("run", "files", "found"),
    [
        ("pip install pytest", "", True),
        ("pip install -r requirements/dev.txt", "-- requirements/dev.txt --\n-r base.txt\npytest\n", True),
        ("pip install -r requirements.txt", "-- requirements.txt --\nrequests\n", False),
        ("pip install '.[test]'", "-- pyproject.toml --\n[project]\noptional-dependencies.test = ['pytest']\n", True),
        ("pip install .", "-- pyproject.toml --\n[project]\noptional-dependencies.test = ['pytest']\n", False),
        ("uv sync", f"-- pyproject.toml --\n{GROUP}", True),
        ("uv sync --no-dev", f"-- pyproject.toml --\n{GROUP}", False),
        ("poetry install", f"-- pyproject.toml --\n{POETRY}", True),
        ("poetry install --only main", f"-- pyproject.toml --\n{POETRY}", False),
        ("pipenv install --system --dev", "-- Pipfile --\n[dev-packages]\npytest = '*'\n", True),
    ],
)  # fmt: skip
def test_whether_an_image_has_pytest(run: str, files: str, found: bool, tmp_path: Path) -> None:
    folder = Folder(unpack(files, tmp_path))
    image = dockerfile.parse(f"FROM python\nCOPY . /app\nRUN {run}\n", "Dockerfile")
    assert (dependencies.pytest_in_image(folder, image, ".") is not None) is found
