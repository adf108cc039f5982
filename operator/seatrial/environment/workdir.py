"""The tests' working directory: always writable, so that suites may write beside themselves, and seen by the collector.

Where it lies in the image, an empty volume takes its place, and the launcher copies the image's files into it while the
gates wait. Then no artifact folder is a mount point: suites delete and make them as they like.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.api.system import SharedVolume
from seatrial.api.system import Tests as TestsSpec
from seatrial.environment import pod, resources, security, shared
from seatrial.environment.paths import is_within, normal
from seatrial.environment.pod import Mount
from seatrial.settings import Settings

ARTIFACTS = "/artifacts"
"""Where the collector sees it."""
IMAGE = "/seatrial-image"
"""Where the tests' container sees the files of its own image, under the volume."""
SOURCE_TARGET = "/tests"
TESTS = Mount("tests", SOURCE_TARGET)
"""The files of `tests.source`."""
SYSTEM = (
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var",
)
"""Folders that no volume can take the place of."""


def path(tests: TestsSpec) -> str | None:
    """Where pytest runs; None for the image's own working directory."""
    if tests.working_dir:
        return normal(tests.working_dir)
    return SOURCE_TARGET if tests.source else None


@dataclass(frozen=True)
class WorkDir:
    """The working directory as part of a volume."""

    path: str
    volume: Mount
    """As the tests' container sees it: the working directory itself, or a folder above it."""
    from_image: bool = False
    """The volume has to be filled with what the image has there."""

    @property
    def sub_path(self) -> str:
        """The working directory inside the volume; empty for the volume itself."""
        return "" if self.path == self.volume.path else posixpath.relpath(self.path, self.volume.path)


def of(tests: TestsSpec, volume: SharedVolume | None) -> WorkDir | None:
    """The working directory; None where it is not known, or a folder of the system, and so stays read-only."""
    base = path(tests)
    if base is None:
        return None
    volumes = (*((TESTS,) if tests.source else ()), pod.TMP, *shared.mounts(volume))
    around = [each for each in volumes if is_within(base, each.path)]
    if around:
        return WorkDir(base, max(around, key=lambda each: len(each.path)))
    if base in SYSTEM:
        return None
    return WorkDir(base, Mount("workdir", base), from_image=True)


def launcher_flags(work_dir: WorkDir | None, settings: Settings) -> list[str]:
    """What the launcher of the tests does for it."""
    if work_dir is None or not work_dir.from_image or settings.tools == "Copy":
        return []
    return ["--workdir", f"{IMAGE}{work_dir.path}:{work_dir.path}"]


def mounts(work_dir: WorkDir | None, image: str, settings: Settings) -> tuple[Mount, ...]:
    """What the tests' container mounts for it."""
    if work_dir is None or not work_dir.from_image:
        return ()
    if settings.tools == "Copy":
        return (work_dir.volume,)
    source: Mapping[str, Any] = {"image": {"reference": image, "pullPolicy": settings.image_pull_policy}}
    return (work_dir.volume, Mount("tests-image", IMAGE, source, read_only=True))


def init_containers(work_dir: WorkDir | None, image: str, settings: Settings) -> tuple[pod.Container, ...]:
    """Fills the volume where the cluster can't mount an image."""
    if work_dir is None or not work_dir.from_image or settings.tools != "Copy":
        return ()
    target = "/seatrial-workdir"
    return (
        pod.Container(
            name="seatrial-workdir",
            image=image,
            resources=resources.resources(resources.TOOL, None),
            command=(security.LAUNCH, "workdir", work_dir.path, target),
            mounts=(pod.tools(settings), Mount(work_dir.volume.name, target)),
        ),
    )


def collected(work_dir: WorkDir | None, volume: SharedVolume | None) -> tuple[Mount, ...]:
    """What the collector mounts, so that it sees under `ARTIFACTS` what pytest sees in its working directory."""
    if work_dir is None:
        return ()
    inside = [
        each
        for each in shared.mounts(volume)
        if each.name != work_dir.volume.name and is_within(each.path, work_dir.path)
    ]
    nested = tuple(
        Mount(each.name, posixpath.join(ARTIFACTS, posixpath.relpath(each.path, work_dir.path)), each.source, True)
        for each in inside
    )
    # The runtime makes the nested mount's folder in the volume, so that one can't be read-only.
    of_volume = work_dir.volume
    return (Mount(of_volume.name, ARTIFACTS, of_volume.source, not nested, work_dir.sub_path), *nested)
