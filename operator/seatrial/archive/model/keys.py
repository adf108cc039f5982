"""How sets and their files are named: run, attempt, shard, path. Pure; shared by the server and its clients."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from seatrial.archive.model.errors import InvalidError

MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_NUMBER = 99_999
SUMMARY = "summary.json"
RECORD = "run.json"
EVIDENCE = "evidence"

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SetKey:
    """What is uploaded and sealed as one: the results of one shard of an attempt, or the attempt's evidence."""

    uid: str
    attempt: int
    shard: int | None  # None: the evidence

    def __str__(self) -> str:
        part = EVIDENCE if self.shard is None else f"shard {self.shard}"
        return f"run {self.uid} attempt {self.attempt} {part}"

    @property
    def part(self) -> str:
        """The set's name among those of its attempt: a shard's number, or `evidence`."""
        return EVIDENCE if self.shard is None else str(self.shard)

    @property
    def vital(self) -> str:
        """The file without which the set can't be: it says what the others are of."""
        return RECORD if self.shard is None else SUMMARY


def set_path(key: SetKey) -> str:
    """Where the API has the set, behind `/v1/`."""
    part = EVIDENCE if key.shard is None else f"shards/{key.shard}"
    return f"runs/{key.uid}/attempts/{key.attempt}/{part}"


def is_uid(text: str) -> bool:
    """Whether this can be the uid of a run (a Kubernetes uid: letters, digits, dashes)."""
    return _UID.fullmatch(text) is not None


def check_uid(uid: str) -> str:
    """The uid itself if it can be one.

    Raises:
        InvalidError: it can't.
    """
    if not is_uid(uid):
        raise InvalidError(f"{quoted(uid)} is not the uid of a run", "use metadata.uid of the IntegrationRun")
    return uid


def set_key(uid: str, attempt: str, part: str) -> SetKey:
    """The key written in a URL; `part` is the number of a shard, or `evidence`.

    Raises:
        InvalidError: one of the three can't be what it should be.
    """
    numbers = {"attempt": attempt} | ({"shard": part} if part != EVIDENCE else {})
    for what, text in numbers.items():
        if not _NUMBER.fullmatch(text):
            raise InvalidError(
                f"{quoted(text)} is not the number of a {what}", f"use 0 to {MAX_NUMBER}, without leading zeros"
            )
    return SetKey(check_uid(uid), int(attempt), None if part == EVIDENCE else int(part))


def check_path(path: str) -> str:
    """The name itself if a file of a set may have it: a relative path with `/` between its parts.

    Raises:
        InvalidError: it is empty, absolute, too long, climbs with `..`, or holds characters that no file name should.
    """
    hint = "use a relative path such as artifacts/trace.zip"
    if not path:
        raise InvalidError("the file's name is empty", hint)
    for character in path:
        if character in "\\\ufffd" or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise InvalidError(
                f"the file's name {quoted(path)} holds the character U+{ord(character):04X}",
                "control characters, backslashes and bytes that are not UTF-8 are refused",
            )
    if len(path.encode()) > MAX_PATH_BYTES:
        raise InvalidError(f"the file's name is longer than {MAX_PATH_BYTES} bytes: {quoted(path)}", "shorten the path")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise InvalidError(f"the file's name {quoted(path)} is not a plain relative path", hint)
        if len(part.encode()) > MAX_NAME_BYTES:
            raise InvalidError(
                f"a part of the file's name is longer than {MAX_NAME_BYTES} bytes: {quoted(part)}", "shorten it"
            )
    return path


def by_name(path: str) -> tuple[bool, str]:
    """For sorting files of a set where people see them: the many of coverage's HTML last."""
    return path.startswith("coverage/html/"), path


def check_sha256(text: str | None) -> str:
    """The digest given in a Content-SHA256 header.

    Raises:
        InvalidError: there is none, or it isn't 64 lower-case hex digits.
    """
    if text is None or not _SHA256.fullmatch(text):
        raise InvalidError(
            "the header Content-SHA256 is missing or wrong", "send the body's SHA-256 as 64 lower-case hex digits"
        )
    return text


def quoted(text: str) -> str:
    """Text from outside, safe and short enough for a message."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 120 else quoted[:117] + "..."
