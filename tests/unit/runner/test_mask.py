"""Secrets are in nothing that the collector uploads, however they are written and wherever a piece of a file ends."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from seatrial.masking.forms import forms
from seatrial_runner.mask import Mask, Masked, masked_file
from seatrial_runner.tail import Tail
from seatrial_runner.upload import Source

SECRET = 'hunter2"öp\\ss'
MASK = Mask(forms([SECRET, "s3cr3t-token"]))


def test_the_list_comes_from_a_file_and_may_be_missing(tmp_path: Path) -> None:
    assert Mask.read(str(tmp_path / "absent"))(b"s3cr3t-token") == b"s3cr3t-token"
    (tmp_path / "masks").write_text(json.dumps(["s3cr3t-token"]))
    assert Mask.read(str(tmp_path / "masks"))(b"a s3cr3t-token b") == b"a *** b"
    (tmp_path / "masks").write_text("nonsense")
    with pytest.raises(ValueError):
        Mask.read(str(tmp_path / "masks"))


@pytest.mark.parametrize("seed", range(20))
def test_a_secret_in_two_pieces_is_found(seed: int) -> None:
    rng = random.Random(seed)
    data = b"".join(
        rng.choice([b"x" * 7, b"\n", b"s3cr3t-token", b"s3cr3t-", b"tokens3cr3t", b"s3cr3t-tokens3cr3t-token"])
        for _ in range(200)
    )
    stream, out, at = Masked(MASK), b"", 0
    while at < len(data):
        step = rng.randrange(1, 40)
        out += stream.feed(data[at : at + step])
        at += step
    out += stream.end()
    assert b"s3cr3t-token" not in out
    assert out == MASK(data)


@pytest.mark.parametrize("same_size", [False, True])
@pytest.mark.parametrize("seed", range(100))
def test_pieces_of_a_stream_make_no_difference(seed: int, same_size: bool) -> None:
    """Secrets that overlap and lie in each other, cut anywhere."""
    chance = random.Random(seed)
    mask = Mask("".join(chance.choices("abc", k=chance.randint(1, 6))) for _ in range(chance.randint(1, 6)))
    data = bytes(chance.choices(b"abcd", k=chance.randint(0, 80)))
    stream, out, at = Masked(mask, same_size=same_size), b"", 0
    while at < len(data):
        step = chance.randint(1, 9)
        out += stream.feed(data[at : at + step])
        at += step
    out += stream.end()
    whole = Masked(mask, same_size=same_size)
    assert out == whole.feed(data) + whole.end()
    assert (len(out) == len(data)) if same_size else (out == mask(data))


def test_a_whole_line_is_never_held_back() -> None:
    stream = Masked(MASK)
    assert stream.feed(b"one line\nhalf a") == b"one line\n"
    assert stream.end() == b"half a"


def test_a_file_without_secrets_is_sent_as_it_is_and_one_with_them_as_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"nothing here\n")
    tail = Tail(str(path), MASK)
    assert b"".join(tail.chunks()) == b"nothing here\n"
    own = tail.fd
    with path.open("ab") as file:
        file.write(b"login with s3cr3t-token\n")
    assert b"".join(tail.chunks()) == b"login with ***\n"
    tail.seal()
    assert tail.fd != own
    body = Source(tail.fd, tail.size, tail.sha256).body()
    assert body == b"nothing here\nlogin with ***\n"
    assert path.read_bytes().endswith(b"s3cr3t-token\n")  # what is the tests' own stays theirs
    tail.close()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"plain\n", None),
        (b"key=s3cr3t-token;\n" * 3, b"key=***;\n" * 3),
        (b"\0\1s3cr3t-token\2", b"\0\1************\2"),
    ],
    ids=["nothing", "text", "binary, in which places count"],
)
def test_artifacts(tmp_path: Path, content: bytes, expected: bytes | None) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(content)
    with path.open("rb") as file:
        spool = masked_file(Source(file.fileno(), len(content), ""), MASK)
    if expected is None:
        assert spool is None
    else:
        assert spool is not None
        assert Source(spool.fd, len(expected), "").body() == expected
        spool.close()


@pytest.mark.parametrize(
    "written",
    [
        SECRET, json.dumps(SECRET), json.dumps(SECRET, ensure_ascii=False), repr(SECRET), "hunter2%22%C3%B6p%5Css",
        base64.b64encode(SECRET.encode()).decode(), base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"ab{SECRET}".encode()).decode(), SECRET.upper(), SECRET[::-1],
        SECRET.encode().hex(), SECRET.encode().hex().upper(), base64.b32encode(SECRET.encode()).decode(),
    ],
)  # fmt: skip
def test_all_ways_of_writing(written: str) -> None:
    masked = MASK(f"x {written} y".encode()).decode()
    assert "***" in masked
    assert written not in masked
    assert "hunter2" not in masked.lower()
    inner = base64.b64encode(SECRET.encode()).decode()[4:12]
    assert inner not in masked
