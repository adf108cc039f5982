"""`seatrial init` as one types it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from seatrial.cli.run_file import parse
from tests.unit.cli.conftest import Command
from tests.unit.cli.init.projects import golden, project, unpack

E2E = Path(__file__).resolve().parents[3] / "e2e" / "projects"
PROJECT = "07-test-overlay"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(PROJECT, tmp_path)


def test_a_manifest_is_written_once(command: Command, root: Path) -> None:
    assert command("init", str(root)) == 0
    manifest = root / "seatrial.yaml"
    assert manifest.read_text() == golden(PROJECT).read_text()
    assert "2 services, 1 app, 1 forward" in command.out
    assert "Images to build (1)" in command.out
    assert f"seatrial run {manifest} --follow" in command.out
    assert command("init", str(root)) == 4
    assert "is there already" in command.err
    assert manifest.read_text() == golden(PROJECT).read_text()


def test_a_manifest_can_go_elsewhere(command: Command, root: Path, tmp_path: Path) -> None:
    assert command("init", str(root), "-o", "-") == 0
    assert command.out == golden(PROJECT).read_text()
    assert command("init", str(root), "-o", str(tmp_path / "other.yaml")) == 0
    assert (tmp_path / "other.yaml").read_text() == golden(PROJECT).read_text()
    assert command("init", str(root), "-o", str(tmp_path / "no" / "folder.yaml")) == 4


def test_compose_files_can_be_named(command: Command, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("init", str(root), "--compose", "docker-compose.yml", "-o", "-") == 0
    assert "level: info" not in command.out
    assert "value: info" in command.out
    monkeypatch.chdir(root.parent)
    named = ("--compose", f"{root.name}/docker-compose.yml", "--compose", f"{root.name}/docker-compose.test.yml")
    assert command("init", root.name, *named, "-o", "-") == 0
    assert command.out == golden(PROJECT).read_text()


def test_a_wrong_compose_file_is_told_with_its_line(command: Command, tmp_path: Path) -> None:
    unpack("-- compose.yml --\nservices:\n  a: {image: a, ports: [x]}\n", tmp_path)
    assert command("init", str(tmp_path)) == 4
    assert "compose.yml:2: 'x' is no port" in command.err
    assert command("init", str(tmp_path), "--compose", "/etc/hostname") == 4
    assert "outside of" in command.err
    assert command("init", str(tmp_path), "--compose", "gone.yml") == 4
    assert command("init", str(tmp_path / "gone")) == 4
    assert not (tmp_path / "seatrial.yaml").exists()


def test_a_project_without_compose_file_gets_its_tests(command: Command, tmp_path: Path) -> None:
    unpack("-- tests/test_a.py --\n-- pytest.ini --\n[pytest]\n", tmp_path / "shop")
    assert command("init", str(tmp_path / "shop"), "-o", "-") == 0
    assert parse(command.out, "-").run["spec"] == {
        "code": {"local": ".", "mountPath": "/app"}, "tests": {"workingDir": "/app"},
    }  # fmt: skip


def test_the_project_of_the_end_to_end_tests_gets_the_manifest_that_runs_there(
    command: Command, tmp_path: Path
) -> None:
    laptop = shutil.copytree(E2E / "laptop", tmp_path / "shop")
    wanted = parse((laptop / "seatrial.yaml").read_text(), "seatrial.yaml").run["spec"]
    assert command("init", str(laptop), "-o", "-") == 0
    assert "To decide" not in command.out
    spec = parse(command.out, "-").run["spec"]
    for name in ("code", "forwards"):
        assert spec[name] == wanted[name]
    for each in (*wanted["services"].values(), *spec["services"].values()):
        each.pop("version", None)
    assert spec["services"] == wanted["services"]
    for of in (lambda s: s["apps"]["api"], lambda s: s["migrations"][0], lambda s: s["tests"]):
        made, given = of(spec), of(wanted)
        assert {key: made.get(key, "/app") for key in given} == given
    assert spec["apps"]["api"]["env"] == spec["migrations"][0]["env"] == wanted["env"]


def check(command: Command, root: Path, old: str, new: str) -> list[str]:
    manifest = root / "seatrial.yaml"
    if not manifest.exists():
        assert command("init", str(root)) == 0
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))
    code = command("init", str(root), "--check")
    lines = command.out.splitlines()
    assert code == (0 if lines == [f"{manifest} says what the project does"] else 1)
    return [line.removeprefix(f"{manifest}:") for line in lines[:-1]] if code else []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("kind:", "kind:", ""),
        ("value: debug", "value: trace", "spec.apps.api.env[2].value: is trace, the project has debug"),
        ('"300"', '"100"', 'spec.services.database.settings.max_connections: is "100", the project has "300"'),
        ("- {name: TESTING", "- {name: MINE", "spec.apps.api.env: TESTING is missing (docker-compose.test.yml:3)"),
        ("port: 8080", "resources: {}", "spec.apps.api.port: is missing (docker-compose.test.yml:5)"),
        ('"18080": api', '"18081": api', 'spec.forwards.18080: is missing'),
        ("    cache:", "    second: {type: redis}\n    cache:", "spec.services.second: is not in the project any more"),
        ("  tests:", "  timeouts: {tests: 5m}\n  tests:", ""),
        ("value: debug}", "value: trace}  # init: keep\n          #", ""),
        ("  services:", "  services:  # init: keep\n    second: {type: redis}", ""),
    ],
)  # fmt: skip
def test_differences_are_told(old: str, new: str, told: str, command: Command, root: Path) -> None:
    found = check(command, root, old, new)
    assert any(told in line for line in found) if told else found == []


def test_a_change_of_the_project_is_told_with_the_manifests_line(command: Command, root: Path) -> None:
    assert command("init", str(root)) == 0
    compose = root / "docker-compose.yml"
    compose.write_text(compose.read_text().replace("postgres:17", "redis:7"))
    found = check(command, root, "kind:", "kind:")
    assert any("spec.services.database.type: is postgres, the project has redis" in line for line in found)
    line = int(found[0].partition(":")[0])
    assert (root / "seatrial.yaml").read_text().splitlines()[line - 1].strip()


def test_checking_needs_a_manifest(command: Command, root: Path) -> None:
    assert command("init", str(root), "--check") == 4
    assert "can't read" in command.err
