"""Reading what grows, and finding what was left behind."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from seatrial_protocol import limits
from seatrial_protocol.summary import OmittedFile, OmittedFiles
from seatrial_runner.artifacts import Omitted, archived_name, find, pattern
from seatrial_runner.lines import Lines
from seatrial_runner.tail import Tail
from tests.unit.runner.support import Event, sha256


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Tail]:
    tail = Tail(str(tmp_path / "events.jsonl"))
    yield tail
    tail.close()


def read(tail: Tail) -> bytes:
    return b"".join(tail.chunks())


def test_a_tail_reads_each_byte_once_and_knows_the_digest(tail: Tail) -> None:
    path = Path(tail.path)
    assert read(tail) == b""
    assert not tail.present
    data = random.Random(1).randbytes(3_000_000)
    with path.open("ab") as file:
        for begin in range(0, len(data), 700_001):
            file.write(data[begin : begin + 700_001])
            file.flush()
            assert read(tail) == data[begin : begin + 700_001]
    assert (tail.size, tail.sha256, tail.damage) == (len(data), sha256(data), "")


def test_a_deleted_file_can_still_be_sent(tail: Tail) -> None:
    path = Path(tail.path)
    path.write_bytes(b"one\n")
    assert read(tail) == b"one\n"
    path.unlink()
    assert read(tail) == b""
    assert os.pread(tail.fd, 100, 0) == b"one\n"


def test_a_file_cut_short_is_noticed_and_what_is_left_can_be_sent(tail: Tail) -> None:
    path = Path(tail.path)
    path.write_bytes(b"one\ntwo\n")
    read(tail)
    os.truncate(path, 4)
    assert read(tail) == b""
    assert "cut short" in tail.damage
    assert (tail.size, tail.sha256) == (4, sha256(b"one\n"))


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_only_regular_files_are_read(tail: Tail, kind: str) -> None:
    path = Path(tail.path)
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert read(tail) == b""
    assert not tail.present


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_lines_are_put_together_from_any_pieces(size: int) -> None:
    events: list[Event] = [{"t": 1.0, "event": "start", "id": f"é\u2028{n}"} for n in range(20)]
    data = b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)
    lines = Lines()
    found = [event.to_json() for at in range(0, len(data), size) for event in lines.feed(data[at : at + size])]
    assert found == events
    assert lines.bad == 0


@pytest.mark.parametrize(
    ("data", "events", "rest", "bad"),
    [
        (b'{"t":1,"event":"a"}\n{"t":1,"event":"b"', ["a"], [], 0),  # the writer was killed in the middle of a line
        (b'{"t":1,"event":"a"}\n{"t":1,"event":"b"}', ["a"], ["b"], 0),  # or right before its end
        (b'\n{"t":1,"event":"a"}\n\n', ["a"], [], 0),
        (b'nonsense\n{"t":1,"event":"a"}\n', ["a"], [], 1),
        (b'[1]\n{"x":1}\n{"t":1,"event":5}\n{"t":1,"event":"a"}\n', ["a"], [], 3),
        (b'{"t":1,"event":"a","x":NaN}\n{"t":1,"event":"b"}\n', ["b"], [], 1),
        (b'{"t":1,"event":"\xff"}\n', ["\ufffd"], [], 0),
        (b"[" * 200_000 + b'\n{"t":1,"event":"a"}\n', ["a"], [], 1),
    ],
)
def test_bad_lines_are_counted_and_left_out(data: bytes, events: list[str], rest: list[str], bad: int) -> None:
    lines = Lines()
    assert [event.to_json()["event"] for event in lines.feed(data)] == events
    assert [event.to_json()["event"] for event in lines.end()] == rest
    assert lines.bad == bad


def test_an_endless_line_is_not_kept() -> None:
    lines, piece = Lines(), b"x" * 1_000_000
    for _ in range(limits.EVENT.size // len(piece) + 5):
        assert list(lines.feed(piece)) == []
    assert [event.to_json()["event"] for event in lines.feed(b'x"}\n{"t":1,"event":"a"}\n')] == ["a"]
    assert lines.bad == 1


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("logs/**", ["logs/a", "logs/b/c.log", "logs/.hidden"], ["logs", "log/a", "xlogs/a"]),
        ("logs", ["logs", "logs/a", "logs/b/c"], ["logs2"]),
        ("./logs/", ["logs/a"], ["a"]),
        ("**/*.png", ["a.png", "x/a.png", "x/y/a.png"], ["a.jpg", "x/apng"]),
        ("*.log", ["a.log"], ["x/a.log"]),
        ("out/*/trace.zip", ["out/a/trace.zip"], ["out/trace.zip", "out/a/b/trace.zip"]),
        ("out/**/trace.zip", ["out/trace.zip", "out/a/b/trace.zip"], ["trace.zip"]),
        ("**", ["a", "x/y"], []),
        ("a?c[0-9].t[!x]t", ["abc1.tyt"], ["abc1.txt", "a/c1.tyt", "abcx.tyt"]),
        ("a[b/c", ["a[b/c"], ["ab"]),
        ("a.b+c(d)", ["a.b+c(d)"], ["aXb+c(d)"]),
        ("line\nbreak/**", ["line\nbreak/a\nb"], []),
    ],
)
def test_globs(glob: str, matching: list[str], other: list[str]) -> None:
    expression = pattern(glob)
    assert [path for path in matching if not expression.fullmatch(path)] == []
    assert [path for path in other if expression.fullmatch(path)] == []


@pytest.mark.parametrize("glob", ["", "/", ".", "../secrets", "logs/../../x", "[z-a]"])
def test_globs_that_are_none(glob: str) -> None:
    with pytest.raises(ValueError, match="is not a glob"):
        pattern(glob)


@pytest.mark.parametrize(
    ("name", "archived"),
    [
        ("logs/a b-é.txt", "logs/a b-é.txt"),
        ("a\nb", "a%0Ab"),
        ("a\\b", "a%5Cb"),
        ("100%", "100%25"),
        (os.fsdecode(b"\xffx"), "%FFx"),
        ("a\u2028b", "a%E2%80%A8b"),
    ],
)
def test_archived_names_hold_nothing_that_the_archive_refuses(name: str, archived: str) -> None:
    assert archived_name(name) == archived


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "artifacts"
    (base / "logs" / "deep").mkdir(parents=True)
    (base / "logs" / "b.log").write_bytes(b"bb")
    (base / "logs" / "a.log").write_bytes(b"a")
    (base / "logs" / "deep" / "c.log").write_bytes(b"ccc")
    (base / "other.txt").write_bytes(b"not asked for")
    return base


def names(base: Path, *globs: str, limit: int = 1000) -> tuple[list[str], Omitted]:
    omitted = Omitted()
    return [found.name for found in find(str(base), globs, limit, omitted)], omitted


def test_artifacts_are_found_in_order_with_their_digests(folder: Path) -> None:
    found = [(a.name, a.source.size, a.source.sha256) for a in find(str(folder), ["logs/**"], 1000, Omitted())]
    assert found == [
        ("logs/a.log", 1, sha256(b"a")),
        ("logs/b.log", 2, sha256(b"bb")),
        ("logs/deep/c.log", 3, sha256(b"ccc")),
    ]


def test_links_are_followed_only_inside(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("secret")
    (folder / "logs" / "to-file").symlink_to(folder / "other.txt")
    (folder / "logs" / "to-folder").symlink_to(folder / "logs" / "deep")
    (folder / "logs" / "out").symlink_to(tmp_path / "secret")
    (folder / "logs" / "up").symlink_to("../../secret")
    (folder / "logs" / "out-folder").symlink_to(tmp_path / "outside")
    (folder / "logs" / "nowhere").symlink_to("nothing")
    (folder / "logs" / "loop").symlink_to("loop")
    found, omitted = names(folder, "logs/**")
    assert found == ["logs/a.log", "logs/b.log", "logs/deep/c.log", "logs/to-file"]
    reasons = {each.path: each.reason for each in omitted.examples}
    leading_out = {path for path, reason in reasons.items() if "leads out" in reason}
    assert leading_out == {"logs/out", "logs/up", "logs/out-folder"}
    assert reasons.keys() - leading_out == {"logs/nowhere", "logs/loop"}


def test_special_files_are_left_out_without_waiting_for_them(folder: Path) -> None:
    os.mkfifo(folder / "logs" / "pipe")
    found, omitted = names(folder, "logs/**")
    assert "logs/pipe" not in found
    assert omitted.examples == [OmittedFile("logs/pipe", "not a regular file")]


def test_what_does_not_fit_is_counted_and_named(folder: Path) -> None:
    found, omitted = names(folder, "logs/**", limit=4)
    assert found == ["logs/a.log", "logs/b.log"]
    example = OmittedFile("logs/deep/c.log", "artifacts of more than 4 bytes in total")
    assert omitted.in_summary() == OmittedFiles(1, 3, (example,))


def test_a_bad_glob_does_not_lose_the_others(folder: Path) -> None:
    found, omitted = names(folder, "../x", "other.txt")
    assert found == ["other.txt"]
    assert omitted.examples[0].path == "../x"


def test_no_artifacts_at_all(tmp_path: Path) -> None:
    found, omitted = names(tmp_path / "none", "logs/**")
    assert found == []
    assert omitted.in_summary() is None


@pytest.mark.parametrize("exchanged", ["logs", "logs/deep", "logs/deep/shard-0"])
def test_an_artifact_exchanged_for_a_link_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanged: str
) -> None:
    """The exchange comes after the path was found to stay below the folder, before it is opened."""
    base, tokens = tmp_path / "artifacts", tmp_path / "tokens"
    (base / "logs" / "deep").mkdir(parents=True)
    (base / "logs" / "deep" / "shard-0").write_text("an artifact")
    for secret in (tokens / "shard-0", tokens / "deep" / "shard-0"):
        secret.parent.mkdir(parents=True, exist_ok=True)
        secret.write_text("token")
    realpath = os.path.realpath

    def resolved(path: str) -> str:
        found = realpath(path)
        if found.endswith("shard-0"):
            (base / exchanged).rename(base / "away")
            (base / exchanged).symlink_to(tokens / "shard-0" if exchanged.endswith("shard-0") else tokens)
        return found

    monkeypatch.setattr(os.path, "realpath", resolved)
    omitted = Omitted()
    assert list(find(str(base), ["**"], 100, omitted)) == []
    assert [example.path for example in omitted.examples] == ["logs/deep/shard-0"]
