"""What the archive keeps and how it is named: sets, file names, manifests. Pure; shared by the server and its client."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_NUMBER = 99_999
SUMMARY = "summary.json"
RECORD = "run.json"
EVIDENCE = "evidence"
MAX_VITAL_BYTES = 4 * 1024 * 1024

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ArchiveRule(Exception):  # noqa: N818 - its kinds read as what is wrong: Invalid, Conflict, ...
    """Something asked of the archive that it will not do: what is wrong, and what to do instead."""

    def __init__(self, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.hint = hint


class Invalid(ArchiveRule):
    """The request makes no sense: a bad name, a bad number, a body that is not what it should be."""


class NotThere(ArchiveRule):
    """No such run, set or file."""


class Conflict(ArchiveRule):
    """Something else is already stored there, and what is stored stays."""


class WrongDigest(ArchiveRule):
    """The bytes that arrived are not those that were announced."""


class Incomplete(ArchiveRule):
    """A manifest names files that are not there, or other ones."""


class TooLarge(ArchiveRule):
    """More bytes than the archive takes in one piece."""


class VolumeFull(ArchiveRule):
    """No space is left."""


class Unavailable(ArchiveRule):
    """Something that the archive stands on does not answer: a bucket, the history's database, the API server."""


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


def is_uid(text: str) -> bool:
    """Whether this can be the uid of a run (a Kubernetes uid: letters, digits, dashes)."""
    return _UID.fullmatch(text) is not None


def check_uid(uid: str) -> str:
    """The uid itself if it can be one.

    Raises:
        Invalid: it can't.
    """
    if not is_uid(uid):
        raise Invalid(f"{_shown(uid)} is not the uid of a run", "use metadata.uid of the IntegrationRun")
    return uid


def set_key(uid: str, attempt: str, part: str) -> SetKey:
    """The key written in a URL; `part` is the number of a shard, or `evidence`.

    Raises:
        Invalid: one of the three can't be what it should be.
    """
    numbers = {"attempt": attempt} | ({"shard": part} if part != EVIDENCE else {})
    for what, text in numbers.items():
        if not _NUMBER.fullmatch(text):
            raise Invalid(
                f"{_shown(text)} is not the number of a {what}", f"use 0 to {MAX_NUMBER}, without leading zeros"
            )
    return SetKey(check_uid(uid), int(attempt), None if part == EVIDENCE else int(part))


def check_path(path: str) -> str:
    """The name itself if a file of a set may have it: a relative path with `/` between its parts.

    Raises:
        Invalid: it is empty, absolute, too long, climbs with `..`, or holds characters that no file name should.
    """
    hint = "use a relative path such as artifacts/trace.zip"
    if not path:
        raise Invalid("the file's name is empty", hint)
    for character in path:
        if character in "\\\ufffd" or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise Invalid(
                f"the file's name {_shown(path)} holds the character U+{ord(character):04X}",
                "control characters, backslashes and bytes that are not UTF-8 are refused",
            )
    if len(path.encode()) > MAX_PATH_BYTES:
        raise Invalid(f"the file's name is longer than {MAX_PATH_BYTES} bytes: {_shown(path)}", "shorten the path")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise Invalid(f"the file's name {_shown(path)} is not a plain relative path", hint)
        if len(part.encode()) > MAX_NAME_BYTES:
            raise Invalid(
                f"a part of the file's name is longer than {MAX_NAME_BYTES} bytes: {_shown(part)}", "shorten it"
            )
    return path


def by_name(path: str) -> tuple[bool, str]:
    """For sorting files of a set where people see them: the many of coverage's HTML last."""
    return path.startswith("coverage/html/"), path


def check_sha256(text: str | None) -> str:
    """The digest given in a Content-SHA256 header.

    Raises:
        Invalid: there is none, or it isn't 64 lower-case hex digits.
    """
    if text is None or not _SHA256.fullmatch(text):
        raise Invalid(
            "the header Content-SHA256 is missing or wrong", "send the body's SHA-256 as 64 lower-case hex digits"
        )
    return text


class ManifestFile(BaseModel):
    """One file that a manifest vouches for."""

    model_config = ConfigDict(frozen=True, strict=True)

    path: str
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ManifestRun(BaseModel):
    """Whose results these are."""

    model_config = ConfigDict(frozen=True, strict=True)

    uid: str
    name: str = ""
    namespace: str = ""


class Manifest(BaseModel):
    """The last thing uploaded for a set: names every file with its size and digest, and seals the set."""

    model_config = ConfigDict(frozen=True, strict=True)

    schema_: Annotated[Literal[1], Field(alias="schema")]
    run: ManifestRun
    files: list[ManifestFile]

    def file(self, path: str) -> ManifestFile | None:
        """The entry of the file with this name, if the manifest has one."""
        return next((file for file in self.files if file.path == path), None)


def parse_manifest(body: bytes, key: SetKey) -> Manifest:
    """The manifest in these bytes, if it is one for this set.

    Raises:
        Invalid: it isn't JSON, isn't of schema 1, names a file twice or with a bad name, lacks the set's vital file,
            or belongs to another run.
    """
    hint = 'expected {"schema": 1, "run": {"uid", "name", "namespace"}, "files": [{"path", "size", "sha256"}]}'
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise Invalid(f"the manifest is wrong at {where}: {first['msg']}", hint) from error
    if manifest.run.uid != key.uid:
        raise Invalid(
            f"the manifest belongs to run {_shown(manifest.run.uid)}, not to {key.uid}", "upload it to its own run"
        )
    seen: set[str] = set()
    for file in manifest.files:
        check_path(file.path)
        if file.path in seen:
            raise Invalid(f"the manifest names {_shown(file.path)} twice", "name each file once")
        seen.add(file.path)
    for path in seen:
        for folder in PurePosixPath(path).parents:
            if str(folder) in seen:
                raise Invalid(f"the manifest names {_shown(str(folder))} as a file and as a folder", "use another name")
    vital = manifest.file(key.vital)
    if vital is None:
        raise Invalid(
            f"the manifest does not name {key.vital}", f"upload {key.vital} and name it: it tells what the set is of"
        )
    if vital.size > MAX_VITAL_BYTES:
        raise Invalid(f"{key.vital} has {vital.size} bytes", f"at most {MAX_VITAL_BYTES} are read")
    return manifest


def parse_object(body: bytes | str, what: str) -> dict[str, Any]:
    """The JSON object in these bytes; NaN and Infinity are no JSON.

    Raises:
        Invalid: it isn't one. `what` says in the message what it should have been.
    """
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{what} is not JSON: {error}", "send one JSON object") from error
    if not isinstance(value, dict):
        raise Invalid(f"{what} is JSON but no object", "send one JSON object")
    return value


def parse_vital(body: bytes, key: SetKey) -> dict[str, Any]:
    """What is in the vital file with these bytes, if it is that of this set: a shard's summary, or the evidence's record of the run.

    Raises:
        Invalid: it isn't a JSON object, or says that it belongs elsewhere.
    """
    found = parse_object(body, key.vital)
    run = found if key.shard is None else found.get("run")
    said = [run.get("uid") if isinstance(run, dict) else None, found.get("attempt")]
    wanted: list[str | int] = [key.uid, key.attempt]
    if key.shard is not None:
        said.append(found.get("shard"))
        wanted.append(key.shard)
    if said != wanted:
        names = zip(("uid", "attempt", "shard"), said, strict=False)
        raise Invalid(
            f"{key.vital} says {', '.join(f'{name} {value!r}' for name, value in names)}; it was uploaded for {key}",
            "upload it where it belongs",
        )
    return found


def digest_of(body: bytes) -> str:
    """A digest as manifests and statuses write it: sha256:<hex>."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _shown(text: str) -> str:
    """Text from outside, safe and short enough for a message."""
    quoted = ascii(text)
    return quoted if len(quoted) <= 120 else quoted[:117] + "..."
