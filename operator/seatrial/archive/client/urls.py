"""Addresses of runs, sets and files."""

from __future__ import annotations

from urllib.parse import quote

from seatrial.archive.model.bundles import bundle_path
from seatrial.archive.model.keys import EVIDENCE


def bundle_url(namespace: str, sha256: str) -> str:
    """Of a bundle of a namespace.

    Raises:
        InvalidError: it can't be one.
    """
    return f"v1/{bundle_path(namespace, sha256)}"


def run_url(uid: str) -> str:
    """Of a run."""
    return f"v1/runs/{quote(uid, safe='')}"


def set_url(uid: str, attempt: int, shard: int | None) -> str:
    """Of a shard's set, or (None) of the evidence."""
    return f"{run_url(uid)}/attempts/{attempt}/{EVIDENCE if shard is None else f'shards/{shard}'}"


def file_url(uid: str, attempt: int, shard: int | None, path: str) -> str:
    """Of a file of a set."""
    return f"{set_url(uid, attempt, shard)}/files/{quote(path)}"
