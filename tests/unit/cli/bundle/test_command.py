"""`seatrial bundle`: the digest alone on standard output, without a cluster."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.unit.cli.bundle.trees import fill, members
from tests.unit.cli.conftest import Command


@pytest.fixture
def alone(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    return Command(capsys)


def test_the_digest_of_this_folder(alone: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"a.py": "1"})
    monkeypatch.chdir(tmp_path)
    assert alone("bundle") == 0
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", alone.out)
    assert alone.err == ""


def test_the_archive_can_be_kept(alone: Command, tmp_path: Path) -> None:
    root = fill(tmp_path / "tree", {"a.py": "1"})
    assert alone("bundle", str(root), "-o", str(tmp_path / "b.tar.gz")) == 0
    content = (tmp_path / "b.tar.gz").read_bytes()
    assert alone.out == f"sha256:{hashlib.sha256(content).hexdigest()}\n"
    assert members(tmp_path / "b.tar.gz") == {"a.py": "644 1"}
    assert alone.err.startswith(f"{tmp_path}/b.tar.gz: 1 file, ")


def test_what_is_left_out_is_named(alone: Command, tmp_path: Path) -> None:
    links = {f"l{number}": "-> /etc" for number in range(7)}
    assert alone("bundle", str(fill(tmp_path, {"a.py": "1", "e\x1b]0;": "-> /etc", **links}))) == 0
    lines = alone.err.splitlines()
    assert lines[0] == "! left out of the bundle: e ]0;: it links to /etc, outside of the bundle"
    assert lines[-1].strip() == "and 3 more"


@pytest.mark.parametrize(
    ("limit", "message"),
    [("50", "more than 50 B packed; the largest files:"), ("1M", "SEATRIAL_BUNDLE_LIMIT=1M is not a size")],
)
def test_a_limit_of_the_environment(
    alone: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str
) -> None:
    monkeypatch.setenv("SEATRIAL_BUNDLE_LIMIT", limit)
    assert alone("bundle", str(fill(tmp_path, {"a.py": "1"}))) == 4
    assert message in alone.err
    assert alone.out == ""


def test_nothing_there(alone: Command, tmp_path: Path) -> None:
    assert alone("bundle", str(tmp_path / "none")) == 4
    assert alone.err == f"seatrial: there is no folder {tmp_path}/none\n"
