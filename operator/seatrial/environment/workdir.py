"""The tests' working directory: always writable, so that suites may write beside themselves, and seen by the collector.

Where it lies in the image, an empty volume takes its place (`image_folders`); below `spec.code.mountPath` it is part of
the bundle's. Then no artifact folder is a mount point: suites delete and make them as they like.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from seatrial.api.run import IntegrationRunSpec
from seatrial.environment import code, image_folders, pod, shared
from seatrial.environment.paths import is_within, normal
from seatrial.environment.pod import Mount

ARTIFACTS = "/artifacts"
"""Where the collector sees it."""
SOURCE_TARGET = "/tests"
TESTS = Mount("tests", SOURCE_TARGET)
"""The files of `tests.source`."""


def path(spec: IntegrationRunSpec) -> str | None:
    """Where pytest runs; None for the image's own working directory."""
    if spec.tests.working_dir:
        return normal(spec.tests.working_dir)
    if spec.tests.source:
        return SOURCE_TARGET
    return code.working_dir(None, spec.code)


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


def _volumes(spec: IntegrationRunSpec) -> tuple[Mount, ...]:
    """What the tests' container mounts, where the working directory may be."""
    source = (TESTS,) if spec.tests.source else ()
    bundle = (code.volume(spec.code),) if spec.code else ()
    return (*source, *bundle, pod.TMP, *shared.mounts(spec.shared_volume))


def of(spec: IntegrationRunSpec) -> WorkDir | None:
    """The working directory; None where it is not known, or a folder of the system, and so stays read-only."""
    base = path(spec)
    if base is None:
        return None
    around = [each for each in _volumes(spec) if is_within(base, each.path)]
    if around:
        return WorkDir(base, max(around, key=lambda each: len(each.path)))
    if base in image_folders.SYSTEM:
        return None
    return WorkDir(base, Mount("workdir", base), from_image=True)


def of_image(work_dir: WorkDir | None) -> tuple[Mount, ...]:
    """The volume that has to be filled with what the image has there."""
    return (work_dir.volume,) if work_dir is not None and work_dir.from_image else ()


@dataclass(frozen=True)
class Collected:
    """The working directory as the collector sees it."""

    mounts: tuple[Mount, ...] = ()
    below: str = ""
    """Where it is below `ARTIFACTS`; empty for that folder itself."""


def collected(spec: IntegrationRunSpec, work_dir: WorkDir | None) -> Collected:
    """What the collector mounts, so that it sees under `ARTIFACTS` what pytest sees in its working directory.

    Of the bundle's volume it mounts the whole: for a part of a volume the kubelet makes its folder, which then belongs
    to root, before the launcher can.
    """
    if work_dir is None:
        return Collected()
    volume, below = work_dir.volume, ""
    sub_path, top = work_dir.sub_path, work_dir.path
    if spec.code and volume == code.volume(spec.code):
        sub_path, below, top = "", sub_path, volume.path
    nested = tuple(
        Mount(each.name, posixpath.join(ARTIFACTS, posixpath.relpath(each.path, top)), each.source, True)
        for each in _volumes(spec)
        if each.name != volume.name and is_within(each.path, work_dir.path)
    )
    # The runtime makes the nested mount's folder in the volume, so that one can't be read-only.
    return Collected((Mount(volume.name, ARTIFACTS, volume.source, not nested, sub_path), *nested), below)
