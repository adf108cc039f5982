from __future__ import annotations

import json
from typing import Any

import pytest

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.keys import SetKey, check_path, check_sha256, set_key
from seatrial.archive.model.manifest import parse_manifest, parse_object, parse_vital


@pytest.mark.parametrize(
    "path",
    [
        "summary.json",
        "manifest",
        "manifest.json",
        "artifacts/a b/trace (1).zip",
        "artifacts/50%.txt",
        "artifacts/größe/測試.log",
        ".hidden",
        "a..b",
        "...",
        "-rf",
        "a" * 255,
        "/".join(["a" * 100] * 10),
    ],
)
def test_names_that_a_file_may_have(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../b",
        "a/..",
        ".",
        "./a",
        "a/./b",
        "a//b",
        "a/",
        "a\0b",
        "a\nb",
        "a\rb",
        "a\x1bb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\\b",
        "..\\x",
        "a\ufffdb",
        f"a{chr(0xD800)}b",
        "a" * 256,
        "é" * 128,
        "/".join(["a" * 100] * 11),
    ],
)
def test_names_that_no_file_may_have(path: str) -> None:
    with pytest.raises(InvalidError) as refused:
        check_path(path)
    assert str(refused.value).isprintable()
    assert refused.value.hint


@pytest.mark.parametrize(
    ("uid", "attempt", "part"),
    [
        ("", "1", "0"),
        ("..", "1", "0"),
        ("a/b", "1", "0"),
        ("a" * 64, "1", "0"),
        ("-a", "1", "0"),
        ("a\n", "1", "0"),
        ("a", "01", "0"),
        ("a", "1", "-1"),
        ("a", "1", "x"),
        ("a", "1", "100000"),
        ("a", "١", "0"),  # noqa: RUF001 - a digit, but not one of ours
        ("a", "", "0"),
        ("a", "1", "0\n"),
        ("a", "1", "Evidence"),
        ("a", "evidence", "0"),
    ],
)
def test_what_is_no_set(uid: str, attempt: str, part: str) -> None:
    with pytest.raises(InvalidError):
        set_key(uid, attempt, part)


@pytest.mark.parametrize(("part", "shard"), [("42", 42), ("evidence", None)])
def test_a_set_by_its_url(part: str, shard: int | None) -> None:
    key = set_key("0b5c-1", "1", part)
    assert (key, key.part) == (SetKey("0b5c-1", 1, shard), part)


@pytest.mark.parametrize("text", [None, "", "ab", "A" * 64, "g" * 64, "a" * 65, "a" * 64 + "\n"])
def test_what_is_no_digest(text: str | None) -> None:
    with pytest.raises(InvalidError, match="Content-SHA256"):
        check_sha256(text)


FILE = {"path": "summary.json", "size": 2, "sha256": "a" * 64}
MANIFEST: dict[str, Any] = {"schema": 1, "run": {"uid": "u", "name": "n", "namespace": "x"}, "files": [FILE]}


def test_a_manifest_may_say_more_than_it_must() -> None:
    manifest = parse_manifest(
        json.dumps(MANIFEST | {"attempt": 1, "made": "by a later runner"}).encode(), SetKey("u", 1, 0)
    )
    assert [file.path for file in manifest.files] == ["summary.json"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body"),
        (b"{", "the body"),
        (b"[]", "the body"),
        (json.dumps(MANIFEST | {"schema": 2}), "schema"),
        (json.dumps(MANIFEST | {"run": {"uid": "v"}}), "belongs to run 'v'"),
        (json.dumps(MANIFEST | {"run": {}}), "run.uid"),
        (json.dumps(MANIFEST | {"files": []}), "does not name summary.json"),
        (json.dumps(MANIFEST | {"files": [FILE, FILE]}), "twice"),
        (json.dumps(MANIFEST | {"files": [FILE, FILE | {"path": "summary.json/x"}]}), "as a file and as a folder"),
        (json.dumps(MANIFEST | {"files": [FILE | {"path": "../x"}]}), "plain relative path"),
        (json.dumps(MANIFEST | {"files": [FILE | {"size": -1}]}), r"files\[0\]\.size"),
        (json.dumps(MANIFEST | {"files": [FILE | {"size": "2"}]}), r"files\[0\]\.size"),
        (json.dumps(MANIFEST | {"files": [FILE | {"size": 2**30}]}), "are read|has 1073741824 bytes"),
        (json.dumps(MANIFEST | {"files": [FILE | {"sha256": "A" * 64}]}), r"files\[0\]\.sha256"),
    ],
)
def test_what_is_no_manifest_of_the_run(body: bytes | str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        parse_manifest(body.encode() if isinstance(body, str) else body, SetKey("u", 1, 0))


SUMMARY = {"run": {"uid": "u"}, "attempt": 1, "shard": 0}


def test_a_summary_of_the_shard() -> None:
    assert parse_vital(json.dumps(SUMMARY).encode(), SetKey("u", 1, 0)) == SUMMARY


@pytest.mark.parametrize("change", [{"run": {"uid": "v"}}, {"run": None}, {"attempt": 2}, {"shard": "0"}])
def test_a_summary_of_another_shard_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match="it was uploaded for run u attempt 1 shard 0"):
        parse_vital(json.dumps(SUMMARY | change).encode(), SetKey("u", 1, 0))


def test_evidence_needs_the_record_of_its_run() -> None:
    key = SetKey("u", 2, None)
    with pytest.raises(InvalidError, match=r"does not name run\.json"):
        parse_manifest(json.dumps(MANIFEST).encode(), key)
    parse_manifest(json.dumps(MANIFEST | {"files": [FILE | {"path": "run.json"}]}).encode(), key)
    assert parse_vital(b'{"uid": "u", "attempt": 2}', key) == {"uid": "u", "attempt": 2}
    for other in (b'{"uid": "v", "attempt": 2}', b'{"uid": "u", "attempt": 1}', b"{}"):
        with pytest.raises(InvalidError, match="it was uploaded for run u attempt 2 evidence"):
            parse_vital(other, key)


@pytest.mark.parametrize(
    "body", [b"", b"nul", b'"text"', b"[1]", b'{"a": NaN}', b"[" * 100_000, b'{"a": \xff}', b'{"a": 1e999}']
)
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(InvalidError, match="a line is"):
        parse_object(body, "a line")
