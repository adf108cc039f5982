"""What every kind of backing service is made of; `services` makes manifests, gates and variables of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.environment import security
from seatrial.environment.credentials import Credential
from seatrial.environment.objects import Manifest
from seatrial.environment.pod import TMP, Mount


@dataclass(frozen=True)
class Backing:
    """One backing service, ready to be put into a pod and to be announced to the system."""

    image: str
    ports: Mapping[str, int]
    gate: str
    """URL that the launcher asks."""
    variables: Mapping[str, str]
    """What it adds to the contract, in an order in which each refers only to earlier ones and to credentials."""
    credentials: Sequence[Credential] = ()
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Sequence[Manifest] = ()
    readiness: Manifest | None = None
    clones: Sequence[str] = ()
    """URLs of databases that the launcher makes as copies when the last migration is done."""
    per_worker: Mapping[str, Any] | None = None
    """What a worker of pytest-xdist has of its own, as `seatrial_runner.workers` reads it."""
    only_ready: bool = False
    """Its Service leads to it only once the kubelet calls it ready."""
    mounts: Sequence[Mount] = field(default=(TMP,))
    user: int = security.USER
