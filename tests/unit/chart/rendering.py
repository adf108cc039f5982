"""The chart as `helm install` would make it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CHART = Path(__file__).resolve().parents[3] / "charts" / "seatrial"
NAMESPACE = "seatrial-system"
Object = dict[str, Any]


def find_helm() -> str | None:
    """The helm that `make cluster` puts into the cache, or the user's own."""
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seatrial" / "bin" / "helm"
    return str(cached) if cached.exists() else shutil.which("helm")


@dataclass(frozen=True)
class Rendered:
    """The objects of the chart."""

    objects: tuple[Object, ...]

    def __iter__(self) -> Iterator[Object]:
        return iter(self.objects)

    def get(self, kind: str, name: str) -> Object:
        found = [o for o in self if o["kind"] == kind and o["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
        return found[0]

    def has(self, kind: str, name: str) -> bool:
        return any(o["kind"] == kind and o["metadata"]["name"] == name for o in self)

    def pods(self) -> dict[str, Object]:
        """The pod specs by the name of what makes them."""
        found = {}
        for o in self:
            name, spec = o["metadata"]["name"], o.get("spec") or {}
            match o["kind"]:
                case "Pod":
                    found[name] = spec
                case "Deployment" | "Job":
                    found[name] = spec["template"]["spec"]
                case "CronJob":
                    found[name] = spec["jobTemplate"]["spec"]["template"]["spec"]
        return found


@cache
def run_helm(helm: str, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [helm, "template", "seatrial", str(CHART), "--namespace", NAMESPACE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
