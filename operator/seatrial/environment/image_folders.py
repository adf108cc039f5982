"""Folders of images that volumes take the place of, so that they can be written; the launcher fills each with what its
image has there, while the gates wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.environment import pod, resources, security
from seatrial.environment.pod import Mount
from seatrial.settings import Settings

IMAGE = "/seatrial-image"
"""Where a container sees the files of its own image, under the volumes."""
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


def launcher_flags(volumes: Sequence[Mount], settings: Settings) -> list[str]:
    """What the launcher does to fill them."""
    if settings.tools == "Copy":
        return []
    return [word for volume in volumes for word in ("--workdir", f"{IMAGE}{volume.path}:{volume.path}")]


def mounts(volumes: Sequence[Mount], image: str, settings: Settings, suffix: str = "") -> tuple[Mount, ...]:
    """What the container mounts; `suffix` tells its volumes from those of other containers of its pod."""
    if not volumes or settings.tools == "Copy":
        return tuple(volumes)
    source: Mapping[str, Any] = {"image": {"reference": image, "pullPolicy": settings.image_pull_policy}}
    return (*volumes, Mount(f"image{suffix}", IMAGE, source, read_only=True))


def init_containers(
    volumes: Sequence[Mount], image: str, settings: Settings, *, optional: bool
) -> tuple[pod.Container, ...]:
    """Fill them where the cluster can't mount an image; `optional`: the image need not have these folders."""
    if settings.tools != "Copy":
        return ()
    target = "/seatrial-target"
    return tuple(
        pod.Container(
            name=f"seatrial-{volume.name}",
            image=image,
            resources=resources.resources(resources.TOOL, None),
            command=(security.LAUNCH, "workdir", *(("--optional",) if optional else ()), volume.path, target),
            mounts=(pod.tools(settings), Mount(volume.name, target)),
        )
        for volume in volumes
    )
