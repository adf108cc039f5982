"""Manifests: what a set consists of. Pure; shared by the server and its clients."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.keys import SetKey, check_path, quoted

MAX_VITAL_BYTES = 4 * 1024 * 1024


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
        InvalidError: it isn't JSON, isn't of schema 1, names a file twice or with a bad name, lacks the set's vital file,
            or belongs to another run.
    """
    hint = 'expected {"schema": 1, "run": {"uid", "name", "namespace"}, "files": [{"path", "size", "sha256"}]}'
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise InvalidError(f"the manifest is wrong at {where}: {first['msg']}", hint) from error
    if manifest.run.uid != key.uid:
        raise InvalidError(
            f"the manifest belongs to run {quoted(manifest.run.uid)}, not to {key.uid}", "upload it to its own run"
        )
    seen: set[str] = set()
    for file in manifest.files:
        check_path(file.path)
        if file.path in seen:
            raise InvalidError(f"the manifest names {quoted(file.path)} twice", "name each file once")
        seen.add(file.path)
    for path in seen:
        for folder in PurePosixPath(path).parents:
            if str(folder) in seen:
                raise InvalidError(
                    f"the manifest names {quoted(str(folder))} as a file and as a folder", "use another name"
                )
    vital = manifest.file(key.vital)
    if vital is None:
        raise InvalidError(
            f"the manifest does not name {key.vital}", f"upload {key.vital} and name it: it tells what the set is of"
        )
    if vital.size > MAX_VITAL_BYTES:
        raise InvalidError(f"{key.vital} has {vital.size} bytes", f"at most {MAX_VITAL_BYTES} are read")
    return manifest


def parse_object(body: bytes | str, what: str) -> dict[str, Any]:
    """The JSON object in these bytes; NaN and Infinity are no JSON.

    Raises:
        InvalidError: it isn't one. `what` says in the message what it should have been.
    """
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"{what} is not JSON: {error}", "send one JSON object") from error
    if not isinstance(value, dict):
        raise InvalidError(f"{what} is JSON but no object", "send one JSON object")
    return value


def parse_vital(body: bytes, key: SetKey) -> dict[str, Any]:
    """What is in the vital file with these bytes, if it is that of this set: a shard's summary, or the evidence's record of the run.

    Raises:
        InvalidError: it isn't a JSON object, or says that it belongs elsewhere.
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
        raise InvalidError(
            f"{key.vital} says {', '.join(f'{name} {value!r}' for name, value in names)}; it was uploaded for {key}",
            "upload it where it belongs",
        )
    return found


def digest_of(body: bytes) -> str:
    """A digest as manifests and statuses write it: sha256:<hex>."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
