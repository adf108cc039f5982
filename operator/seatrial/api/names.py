"""Names that identify Seatrial and its objects in a cluster."""

from __future__ import annotations

import base64
import hashlib
import re

GROUP = "seatrial.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "IntegrationRun"
PLURAL = "integrationruns"
FINALIZER = f"{GROUP}/clean-up"
"""Keeps a deleted run until its environment is gone."""
OWN_FINALIZERS = frozenset({FINALIZER, f"{GROUP}/reclaim"})
"""With the one that version 0.1.0 set: its runs go too."""
RESERVED_NAMES = ("migrations", "tests", "collector")
"""Components of ours."""


def environment_namespace(run_name: str, uid: str, attempt: int) -> str:
    """`st-<run name, trimmed>-<5 characters>`; at most 63 characters, a DNS label, unique by uid and attempt."""
    digest = hashlib.sha256(f"{uid}/{attempt}".encode()).digest()
    suffix = base64.b32encode(digest).decode().lower()[:5]
    trimmed = re.sub(r"[^a-z0-9]+", "-", run_name.lower())[:40].strip("-")
    return f"st-{trimmed}-{suffix}"
