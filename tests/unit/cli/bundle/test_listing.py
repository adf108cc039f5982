"""Which files of a tree belong into its bundle."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from seatrial.cli.bundle.listing import list_tree
from seatrial.cli.bundle.tree import File, Folder
from seatrial.cli.errors import CliError
from tests.unit.cli.bundle.trees import Files, fill, git, repository


def paths(root: Path) -> list[str]:
    return [entry.path for entry in list_tree(root).entries if not isinstance(entry, Folder)]


def left_out(root: Path) -> dict[str, str]:
    return {each.path: each.why for each in list_tree(root).left_out}


def test_git_decides(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.py": "", "sub/b.py": "", "gone.py": "", ".gitignore": "*.log\n/out/\n"})
    fill(root, {"new.py": "", "sub/x.log": "", "out/y": "", "ü\n.py": ""})
    (root / "gone.py").unlink()
    assert paths(root) == [".gitignore", "a.py", "new.py", "sub/b.py", "ü\n.py"]
    assert paths(root / "sub") == ["b.py"]


def test_a_hook_of_another_repository_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path / "one", {"a.py": ""})
    other = repository(tmp_path / "other", {"b.py": ""})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    assert paths(root) == ["a.py"]


def test_submodules_and_repositories_inside(tmp_path: Path) -> None:
    library = repository(tmp_path / "library", {"lib.py": "", ".gitignore": "x"})
    root = repository(tmp_path / "root", {"a.py": ""})
    for name in ("there", "absent"):
        git(root, "submodule", "--quiet", "add", str(library), f"vendor/{name}")
    git(root, "submodule", "--quiet", "deinit", "--force", "vendor/absent")
    fill(root, {"vendor/there/new.py": "", "vendor/there/x": ""})
    repository(root / "clone", {"c.py": ""})
    assert [path for path in paths(root) if path.endswith(".py")] == [
        "a.py", "clone/c.py", "vendor/there/lib.py", "vendor/there/new.py",
    ]  # fmt: skip
    assert left_out(root) == {"vendor/absent": "the submodule is not checked out: git submodule update --init"}


def test_what_git_tracks_can_be_left_out(tmp_path: Path) -> None:
    files = {"a.py": "", "docs/film.mp4": "", "docs/keep.md": "", "Dockerfile": ""}
    ignore = {".seatrialignore": "/docs/*\n!keep.md\n", ".dockerignore": "*.py"}
    root = repository(tmp_path, {**files, **ignore})
    assert paths(root) == [".dockerignore", ".seatrialignore", "Dockerfile", "a.py", "docs/keep.md"]


def test_a_folder_that_git_ignores_but_that_was_asked_for(tmp_path: Path) -> None:
    root = repository(tmp_path, {".gitignore": "build"})
    fill(root, {"build/a.py": ""})
    assert paths(root / "build") == ["a.py"]


def test_git_that_fails_says_why(tmp_path: Path) -> None:
    fill(tmp_path, {"a.py": "", ".git/HEAD": "nonsense"})
    with pytest.raises(CliError, match=r"git can't list the files in .*: fatal: not a git repository"):
        list_tree(tmp_path)


def test_without_git_in_a_work_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path, {"a.py": ""})
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CliError, match="there is no git") as raised:
        list_tree(root)
    assert raised.value.hint == "install git"


@pytest.mark.parametrize(
    ("ignore", "expected"),
    [
        ({}, ["a.py", "a.pyc", "tests/a.pyc", "tests/data/x.py", "tests/t.py"]),
        ({".dockerignore": "tests\n# no\n"}, ["a.py", "a.pyc"]),
        ({".dockerignore": " /tests/ \n"}, ["a.py", "a.pyc"]),
        ({".dockerignore": "*.pyc\n"}, ["a.py", "tests/a.pyc", "tests/data/x.py", "tests/t.py"]),
        ({".dockerignore": "**/*.pyc\n"}, ["a.py", "tests/data/x.py", "tests/t.py"]),
        ({".dockerignore": "tests\n!tests/data\n"}, ["a.py", "a.pyc", "tests/data/x.py"]),
        ({".dockerignore": "**\n!tests/t.py\n"}, ["tests/t.py"]),
        ({".seatrialignore": "*.pyc\n", ".dockerignore": "tests\n"}, ["a.py", "tests/data/x.py", "tests/t.py"]),
    ],
)
def test_outside_git_an_ignore_file_decides(tmp_path: Path, ignore: Files, expected: list[str]) -> None:
    files = {"a.py": "", "a.pyc": "", "tests/t.py": "", "tests/a.pyc": "", "tests/data/x.py": ""}
    assert [path for path in paths(fill(tmp_path, {**files, **ignore})) if "ignore" not in path] == expected


def test_what_tools_make_again_is_no_code(tmp_path: Path) -> None:
    made = {"env/pyvenv.cfg": "", "env/lib/x.py": "", ".cache/CACHEDIR.TAG": "", ".cache/y": "", "__pycache__/z": ""}
    fill(tmp_path, {"a.py": "", "pyvenv.cfg": "", "empty/": "", "sub/empty/": "", **made})
    assert [entry.path for entry in list_tree(tmp_path).entries] == [
        "a.py", "empty", "pyvenv.cfg", "sub", "sub/empty",
    ]  # fmt: skip


def test_an_ignore_file_that_is_wrong(tmp_path: Path) -> None:
    fill(tmp_path, {"a.py": "", ".seatrialignore": "*.log\n!\n"})
    with pytest.raises(CliError, match=r"\.seatrialignore: '!' is not a valid pattern"):
        list_tree(tmp_path)
    (tmp_path / ".seatrialignore").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CliError, match="it is not UTF-8 text"):
        list_tree(tmp_path)


def test_links_stay_when_they_stay_inside(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", {"secret": ""})
    root = fill(tmp_path / "root", {
        "sub/a.py": "", "sub/near": "-> a.py", "sub/up": "-> ../b", "b": "-> sub", "gone": "-> nothing/there",
        "absolute": f"-> {outside}", "above": "-> ../outside/secret", "sub/above": "-> ../../outside",
        "round": "-> ../root/sub", "away": f"-> {outside}", "through": "-> away/secret",
    })  # fmt: skip
    assert paths(root) == ["b", "gone", "sub/a.py", "sub/near", "sub/up"]
    assert left_out(root) == {
        name: f"it links to {target}, outside of the bundle"
        for name, target in {
            "absolute": outside, "away": outside, "above": "../outside/secret", "sub/above": "../../outside",
            "round": "../root/sub", "through": "away/secret",
        }.items()
    }  # fmt: skip


def test_a_link_in_place_of_a_tracked_folder_brings_nothing_in(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", {"a.py": "secret"})
    root = repository(tmp_path / "root", {"sub/a.py": "", "b.py": ""})
    (root / "sub/a.py").unlink()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(outside)
    assert paths(root) == ["b.py"]
    assert list(left_out(root)) == ["sub"]


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    fill(tmp_path, {"real/a.py": "", "link": "-> real"})
    assert paths(tmp_path / "link") == ["a.py"]


def test_devices_and_sockets_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, {"a.py": ""})
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
    assert paths(tmp_path) == ["a.py"]
    assert left_out(tmp_path) == dict.fromkeys(["pipe", "socket"], "it is neither a file nor a link")


def test_modes_and_sizes(tmp_path: Path) -> None:
    fill(tmp_path, {"run.sh": "abc", "data": ""})
    (tmp_path / "run.sh").chmod(0o700)
    (tmp_path / "data").chmod(0o600)
    assert list_tree(tmp_path).entries == (File("data", 0), File("run.sh", 3, is_executable=True))


@pytest.mark.parametrize(
    ("make", "path", "message"),
    [
        ({}, "none", "there is no folder"),
        ({"file": ""}, "file", "is not a folder"),
        ({"file": "", ".dockerignore": "**"}, ".", "there are no files in"),
    ],
)
def test_nothing_to_pack(tmp_path: Path, make: Files, path: str, message: str) -> None:
    with pytest.raises(CliError, match=message):
        list_tree(fill(tmp_path, make) / path)
