"""Manifests: what a set consists of. Pure; shared by the server and its clients."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.keys import SetKey, check_path, quoted
from seatrial_protocol import limits
from seatrial_protocol.decode import ProtocolError, load
from seatrial_protocol.limits import Bounds
from seatrial_protocol.manifest import Manifest


def parse_manifest(body: bytes, key: SetKey) -> Manifest:
    """The manifest in these bytes, if it is one for this set.

    Raises:
        InvalidError: it isn't JSON, isn't of schema 1, names a file twice or with a bad name, lacks the set's vital
        file,
            or belongs to another run.
    """
    hint = 'expected {"schema": 1, "run": {"uid", "name", "namespace"}, "files": [{"path", "size", "sha256"}]}'
    try:
        manifest = Manifest.parse(body)
    except ProtocolError as error:
        raise InvalidError(f"the manifest is wrong at {error.path or 'the body'}: {error.problem}", hint) from error
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
            f"the manifest does not name {key.vital}", f"upload {key.vital} and name it: it says what the set is of"
        )
    most = _bounds(key).size
    if vital.size > most:
        raise InvalidError(f"{key.vital} has {vital.size} bytes", f"at most {most} are read")
    return manifest


def parse_object(body: bytes | str, what: str, bounds: Bounds = limits.RUN_RECORD) -> dict[str, Any]:
    """The JSON object in these bytes; NaN, Infinity and numbers beyond a float's are no JSON.

    Raises:
        InvalidError: it isn't one, or exceeds the bounds. `what` says in the message what it should have been.
    """
    try:
        value = load(body, what, bounds)
    except ProtocolError as error:
        raise InvalidError(f"{what} is wrong: {error.problem}", "send one JSON object") from error
    if not isinstance(value, dict):
        raise InvalidError(f"{what} is JSON but no object", "send one JSON object")
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as error:  # 1e999 is read as infinity, and could not be passed on
        raise InvalidError(f"{what} is wrong: a number is too large", "send numbers that a float holds") from error
    return value


def parse_vital(body: bytes, key: SetKey) -> dict[str, Any]:
    """The vital file in these bytes, if it belongs to this set: a shard's summary, or the evidence's record of the run.

    Raises:
        InvalidError: it isn't a JSON object within its bounds, or says that it belongs elsewhere.
    """
    found = parse_object(body, key.vital, _bounds(key))
    run = found if key.shard is None else found.get("run")
    stated = [run.get("uid") if isinstance(run, dict) else None, found.get("attempt")]
    wanted: list[str | int] = [key.uid, key.attempt]
    if key.shard is not None:
        stated.append(found.get("shard"))
        wanted.append(key.shard)
    if stated != wanted:
        names = zip(("uid", "attempt", "shard"), stated, strict=False)
        raise InvalidError(
            f"{key.vital} says {', '.join(f'{name} {value!r}' for name, value in names)}; it was uploaded for {key}",
            "upload it where it belongs",
        )
    return found


def digest_of(body: bytes) -> str:
    """A digest as manifests and statuses write it: sha256:<hex>."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _bounds(key: SetKey) -> Bounds:
    """Of the set's vital file."""
    return limits.RUN_RECORD if key.shard is None else limits.SUMMARY
