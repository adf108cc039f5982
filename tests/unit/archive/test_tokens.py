from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

import pytest

from seatrial import tokens

KEY = bytes(range(32))


def test_an_upload_token_is_the_hmac_of_what_it_is_for() -> None:
    expected = hmac.new(KEY, b"upload/uid-1/1/0", hashlib.sha256).hexdigest()
    assert tokens.upload_token(KEY, "uid-1", 1, 0) == expected


def test_an_evidence_token_is_good_for_one_attempt() -> None:
    expected = hmac.new(KEY, b"evidence/uid-1/2", hashlib.sha256).hexdigest()
    assert tokens.evidence_token(KEY, "uid-1", 2) == expected


def test_a_bundle_token_is_good_for_one_digest_in_one_namespace() -> None:
    expected = hmac.new(KEY, b"bundle/team-a/" + b"a" * 64, hashlib.sha256).hexdigest()
    assert tokens.bundle_token(KEY, "team-a", "a" * 64) == expected


def test_the_feed_token_is_the_hmac_of_feed() -> None:
    assert tokens.feed_token(KEY) == hmac.new(KEY, b"feed", hashlib.sha256).hexdigest()


def test_every_value_differs_from_every_other() -> None:
    values = [
        tokens.feed_token(KEY),
        *(tokens.upload_token(KEY, uid, attempt, shard) for uid in "ab" for attempt in (1, 2) for shard in (0, 1)),
        *(tokens.evidence_token(KEY, uid, attempt) for uid in "ab" for attempt in (1, 2)),
        *(tokens.bundle_token(KEY, namespace, sha256) for namespace in "ab" for sha256 in ("c" * 64, "d" * 64)),
        *(tokens.password(KEY, scope, name) for scope in ("a.1", "a.2", "b.1") for name in ("postgres", "redis")),
        tokens.feed_token(KEY[::-1]),
    ]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", ["postgres", "minio", "", "é"])
def test_a_password_needs_no_quoting_and_is_always_the_same(name: str) -> None:
    password = tokens.password(KEY, "uid-1.1", name)
    assert re.fullmatch("[a-z0-9]{32}", password)
    assert password == tokens.password(KEY, "uid-1.1", name)


@pytest.mark.parametrize(
    ("given", "equal"), [("abc", True), ("abd", False), ("", False), ("abcd", False), ("é", False), ("\udcff", False)]
)
def test_tokens_are_compared_whatever_was_sent(given: str, equal: bool) -> None:
    assert tokens.same("abc", given) is equal


def test_the_key_is_the_files_bytes_unchanged(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert tokens.read_key(tmp_path / "key") == KEY + b"\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "can't be read: No such file"), (b"", "holds 0 bytes"), (b"k" * 31, "holds 31 bytes")],
)
def test_a_missing_or_short_key_is_reported(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        tokens.read_key(tmp_path / "key")
