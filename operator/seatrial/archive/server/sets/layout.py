"""Where the files of a set lie in the storage."""

from __future__ import annotations

from seatrial.archive.model.keys import SetKey


def set_folder(key: SetKey) -> str:
    """`runs/<uid>/<attempt>/<shard or evidence>`."""
    return f"runs/{key.uid}/{key.attempt}/{key.part}"


def manifest_path(key: SetKey) -> str:
    """The set is complete when this file is there."""
    return f"{set_folder(key)}/manifest.json"


def files_folder(key: SetKey) -> str:
    """Holds the files that the manifest names."""
    return f"{set_folder(key)}/files"


def file_path(key: SetKey, path: str) -> str:
    """Of one file of the set."""
    return f"{files_folder(key)}/{path}"
