"""What containers request and may use at most: small requests, so that many environments fit a node; limits of memory
and disk, so that none of them takes the node from the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from seatrial.api.container import Resources
from seatrial.api.services import ServiceType


@dataclass(frozen=True)
class Defaults:
    """What a container gets whose resources the spec leaves open."""

    cpu: str
    memory: str
    memory_limit: str
    disk_limit: str = "2Gi"
    """What it may write: logs and all volumes that live as long as its pod. It is not requested (see `DISK`)."""


DISK = "ephemeral-storage"
"""Requested as 0: a pod is refused by no node for it, also not where the kubelet does not measure disks."""
APP = Defaults("25m", "64Mi", "1Gi")
MIGRATION = Defaults("10m", "32Mi", "1Gi")
TESTS = Defaults("25m", "64Mi", "2Gi", "4Gi")
COLLECTOR = Defaults("10m", "32Mi", "256Mi", "1Gi")
TOOL = Defaults("10m", "16Mi", "64Mi", "128Mi")
"""Init containers of ours, which copy or wait."""
SERVICES: Mapping[ServiceType, Defaults] = {
    ServiceType.POSTGRES: Defaults("25m", "64Mi", "1Gi"),
    ServiceType.MINIO: Defaults("25m", "64Mi", "1Gi"),
    ServiceType.TEMPORAL: Defaults("25m", "64Mi", "1Gi"),
    ServiceType.REDIS: Defaults("10m", "32Mi", "256Mi"),
    ServiceType.CUSTOM: Defaults("25m", "64Mi", "1Gi"),
}

_QUANTITY = re.compile(r"(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,3})?")
_SUFFIX = {
    "": Fraction(1),
    **{unit + "i": Fraction(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
    **{unit: Fraction(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{unit: Fraction(1, 1000**power) for power, unit in enumerate("mun", start=1)},
}


def quantity(text: int | str) -> Fraction:
    """The number that a Kubernetes quantity such as `250m` or `1.5Gi` stands for.

    Raises:
        ValueError: when it is not a quantity, or less than zero.
    """
    match = _QUANTITY.fullmatch(str(text))
    if not match:
        raise ValueError(f"{text!r} is not a quantity; write for example 250m, 1 or 512Mi")
    number, suffix = match[1], match[2] or ""
    scale = _SUFFIX[suffix] if suffix in _SUFFIX else Fraction("1" + suffix)
    return Fraction(number.rstrip(".")) * scale


def resources(defaults: Defaults, given: Resources | None) -> dict[str, Any]:
    """The defaults with what the user gave over them, key by key.

    Where one side is the user's and the other a default, the default yields, so that no request exceeds its limit.

    Raises:
        ValueError: for something that is not a quantity (`problems.problems` finds it first).
    """
    given = given or Resources()
    requests = {"cpu": defaults.cpu, "memory": defaults.memory, DISK: "0"} | given.requests
    limits = {"memory": defaults.memory_limit, DISK: defaults.disk_limit} | given.limits
    for key in requests.keys() & limits.keys():
        if quantity(requests[key]) > quantity(limits[key]):
            if key not in given.requests:
                requests[key] = limits[key]
            elif key not in given.limits:
                limits[key] = requests[key]
    return {"requests": requests, "limits": limits}
