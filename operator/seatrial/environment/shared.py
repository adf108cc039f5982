"""The shared volume: one volume that all apps and the tests see."""

from __future__ import annotations

from seatrial.api.scope import Scope
from seatrial.api.system import SharedVolume
from seatrial.environment import objects
from seatrial.environment.paths import normal
from seatrial.environment.pod import Mount

NAME = "shared"


def claim(scope: Scope, volume: SharedVolume | None) -> objects.Manifest | None:
    """The claim of the volume, if the run wants one."""
    if volume is None:
        return None
    spec: objects.Manifest = {
        "accessModes": ["ReadWriteMany" if volume.storage_class else "ReadWriteOnce"],
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class:
        spec["storageClassName"] = volume.storage_class
    return objects.manifest(scope, "v1", "PersistentVolumeClaim", NAME, spec=spec)


def path(volume: SharedVolume | None) -> str | None:
    """Where apps and tests see it, or None."""
    return normal(volume.mount_path) if volume else None


def mounts(volume: SharedVolume | None) -> tuple[Mount, ...]:
    """The volume as apps and tests see it, if there is one."""
    where = path(volume)
    return (Mount(NAME, where, {"persistentVolumeClaim": {"claimName": NAME}}),) if where else ()


def one_node(volume: SharedVolume | None) -> bool:
    """Whether all pods that mount it must share a node."""
    return volume is not None and volume.storage_class is None
