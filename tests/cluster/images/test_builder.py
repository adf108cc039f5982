"""When an image is rebuilt, by the archives' names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.images import builder

TABLE = """
[base]
image = "seatrial/base:{version}"
context = "base"

[child]
image = "seatrial/child:{version}"
context = "."
dockerfile = "child/Dockerfile"
inputs = ["child/source", "lock"]
from = "base"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "pyproject.toml": '[project]\nversion = "1.2.3"\n',
        "images.toml": TABLE,
        "lock": "a==1",
        "base/Dockerfile": "FROM docker.io/library/debian:trixie-slim",
        "base/entrypoint": "#!/bin/sh",
        "child/Dockerfile": "FROM docker.io/library/golang:1.26-trixie AS build",
        "child/source/main.go": "package main",
        "child/notes.txt": "not an input",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def keys(project: Path) -> dict[str, str]:
    return {image.name: image.key for image in builder.read_table(project, project / "images.toml", [])}


def test_the_table_says_what_an_image_is(project: Path) -> None:
    (child,) = builder.read_table(project, project / "images.toml", ["child"])
    assert child.full_name == "docker.io/seatrial/child:1.2.3"
    assert child.dockerfile == project / "child/Dockerfile"
    assert child.context == project
    assert child.parent
    assert child.parent.name == "base"
    assert child.archive.name == f"child-{child.key}.tar"
    assert set(child.bases) == {builder.DEBIAN, builder.GOLANG}


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("base/entrypoint", {"base", "child"}),  # what starts from a changed image changes with it
        ("base/Dockerfile", {"base", "child"}),
        ("child/Dockerfile", {"child"}),
        ("child/source/new.go", {"child"}),
        ("lock", {"child"}),
        ("child/notes.txt", set()),
        ("child/source/main_test.go", set()),
        ("child/source/__pycache__/main.pyc", set()),
    ],
)
def test_only_what_depends_on_a_changed_file_is_built_again(project: Path, file: str, changed: set[str]) -> None:
    before = keys(project)
    (project / file).parent.mkdir(exist_ok=True)
    (project / file).write_text("changed")
    after = keys(project)
    assert {name for name in after if after[name] != before[name]} == changed


def test_mode_name_and_version_count_too(project: Path) -> None:
    seen = [keys(project)["base"]]
    (project / "base/entrypoint").chmod(0o755)
    seen.append(keys(project)["base"])
    (project / "base/entrypoint").rename(project / "base/start")
    seen.append(keys(project)["base"])
    (project / "pyproject.toml").write_text('[project]\nversion = "1.2.4"\n')
    seen.append(keys(project)["base"])
    assert len(set(seen)) == 4
    assert keys(project)["base"] == seen[-1]


def test_an_unknown_name_and_a_missing_input_are_reported(project: Path) -> None:
    with pytest.raises(builder.BuildError, match="no such image: other; there are base, child"):
        builder.read_table(project, project / "images.toml", ["other"])
    (project / "lock").unlink()
    with pytest.raises(builder.BuildError, match="lock does not exist"):
        builder.read_table(project, project / "images.toml", [])


def test_a_failed_command_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with pytest.raises(builder.BuildError) as caught:
        builder.run(["sh", "-c", "seq 100; echo the cause >&2; exit 3"], log)
    assert "ended with 3" in str(caught.value)
    assert "the cause" in str(caught.value)
    assert str(log) in str(caught.value)
    assert "    1\n" not in str(caught.value)
