"""One archive for one tree, and its digest."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
from pathlib import Path

import pytest

from seatrial.cli.bundle.listing import list_tree
from seatrial.cli.bundle.pack import Bundle, Limits, pack
from seatrial.cli.errors import CliError
from tests.unit.cli.bundle.trees import fill, members

FILES = {"b.py": "b", "a/run.sh": "go", "a/link": "-> ../b.py", "a-b": "c", "empty": ""}


DEFAULT = Limits()


def packed(root: Path, target: Path, limits: Limits = DEFAULT) -> Bundle:
    return pack(root, list_tree(root), target, limits)


def test_what_is_in_it(tmp_path: Path) -> None:
    root = fill(tmp_path / "tree", FILES)
    (root / "a/run.sh").chmod(0o711)
    (root / "b.py").chmod(0o600)
    bundle = packed(root, tmp_path / "out")
    assert members(bundle.path) == {
        "a": "/", "a-b": "644 c", "a/link": "-> ../b.py", "a/run.sh": "755 go", "b.py": "644 b", "empty": "644 ",
    }  # fmt: skip
    content = bundle.path.read_bytes()
    assert bundle.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert (bundle.size, bundle.files) == (len(content), 4)


def test_the_same_tree_has_the_same_digest(tmp_path: Path) -> None:
    first = fill(tmp_path / "one", FILES)
    second = fill(tmp_path / "two", dict(reversed(FILES.items())))
    os.utime(second / "b.py", (0, 0))
    digest = packed(first, tmp_path / "1").digest
    assert packed(second, tmp_path / "2").digest == digest
    (second / "empty").chmod(0o755)
    assert packed(second, tmp_path / "3").digest != digest


def test_odd_names(tmp_path: Path) -> None:
    deep = "/".join(["d" * 60] * 3)
    names = {f"{deep}/{'n' * 200}": "1", "a\nb": "2", "ü": "3", os.fsdecode(b"not-\xff-utf8"): "4"}
    bundle = packed(fill(tmp_path / "tree", names), tmp_path / "out")
    assert {name: text for name, text in members(bundle.path).items() if text != "/"} == {
        name: f"644 {text}" for name, text in names.items()
    }


def test_a_file_that_vanishes_or_is_no_file_any_more(tmp_path: Path) -> None:
    root = fill(tmp_path / "tree", {"a": "1", "b": "2", "c": "3", "sub/d": "4", "e": "5"})
    tree = list_tree(root)
    for name in ("a", "b", "c", "sub/d"):
        (root / name).unlink()
    (root / "sub").rmdir()
    (root / "b").symlink_to("/etc/passwd")
    os.mkfifo(root / "c")
    bundle = pack(root, tree, tmp_path / "out")
    assert members(bundle.path) == {"sub": "/", "e": "644 5"}
    assert bundle.files == 1


def test_a_file_that_grew_is_whole(tmp_path: Path) -> None:
    root = fill(tmp_path / "tree", {"a": "1"})
    tree = list_tree(root)
    (root / "a").write_text("much more")
    assert members(pack(root, tree, tmp_path / "out").path) == {"a": "644 much more"}


def test_a_file_that_never_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path / "tree", {"a": "1"})
    tree, real = list_tree(root), os.fstat

    def changing(opened: int) -> os.stat_result:
        with (root / "a").open("a") as file:
            file.write("x")
        return real(opened)

    monkeypatch.setattr(os, "fstat", changing)
    with pytest.raises(CliError, match=r"tree/a changes while it is packed"):
        pack(root, tree, tmp_path / "out")


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    root = fill(tmp_path / "tree", {"a": "1"})
    tree = list_tree(root)
    (root / "a").chmod(0)
    if os.access(root / "a", os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(CliError, match=r"can't read .*/a: Permission denied"):
        pack(root, tree, tmp_path / "out")


def test_the_largest_files_are_named(tmp_path: Path) -> None:
    noise = random.Random(1)
    files = {f"{number}.bin": noise.randbytes(number * 10_000) for number in range(1, 8)}
    root = fill(tmp_path / "tree", files)
    for limits, amount in (
        (Limits(packed=100_000), "more than 97.7 KiB packed"),
        (Limits(unpacked=200_000), "273.4 KiB of files, at most 195.3 KiB"),
    ):
        with pytest.raises(CliError, match=amount) as raised:
            packed(root, tmp_path / "out", limits)
        assert [line.split()[-1] for line in raised.value.details] == ["7.bin", "6.bin", "5.bin", "4.bin", "3.bin"]
        assert ".seatrialignore" in raised.value.hint


def test_too_many_files(tmp_path: Path) -> None:
    root = fill(tmp_path / "tree", {"a/b": "", "a/c": ""})
    with pytest.raises(CliError, match="has 3 files and folders, a bundle at most 2"):
        packed(root, tmp_path / "out", Limits(entries=2))


def test_a_target_that_can_not_be_written(tmp_path: Path) -> None:
    root = fill(tmp_path / "tree", {"a": ""})
    with pytest.raises(CliError, match=r"can't write .*: No such file or directory"):
        packed(root, tmp_path / "none/out")


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar")
def test_tar_unpacks_it(tmp_path: Path) -> None:
    root = fill(tmp_path / "tree", FILES)
    (root / "a/run.sh").chmod(0o755)
    bundle = packed(root, tmp_path / "out")
    (tmp_path / "there").mkdir()
    shutil.unpack_archive(bundle.path, tmp_path / "there", "gztar", filter="tar")
    assert (tmp_path / "there/a/link").read_text() == "b"
    assert stat.S_IMODE((tmp_path / "there/a/run.sh").stat().st_mode) == 0o755
