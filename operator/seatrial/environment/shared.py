"""The shared volume: one volume that all apps and the tests see."""

from __future__ import annotations

from seatrial.api.run import IntegrationRun
from seatrial.environment import meta
from seatrial.environment.paths import normal
from seatrial.environment.pod import Mount

NAME = "shared"


def claim(run: IntegrationRun) -> meta.Manifest | None:
    """The claim of the volume, if the run wants one."""
    volume = run.spec.shared_volume
    if volume is None:
        return None
    spec: meta.Manifest = {
        "accessModes": ["ReadWriteMany" if volume.storage_class else "ReadWriteOnce"],
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class:
        spec["storageClassName"] = volume.storage_class
    return meta.manifest(run, "v1", "PersistentVolumeClaim", NAME, spec=spec)


def path(run: IntegrationRun) -> str | None:
    """Where apps and tests see it; None if there is none."""
    return normal(run.spec.shared_volume.mount_path) if run.spec.shared_volume else None


def mounts(run: IntegrationRun) -> tuple[Mount, ...]:
    """The volume as apps and tests see it, if there is one."""
    where = path(run)
    return (Mount(NAME, where, {"persistentVolumeClaim": {"claimName": NAME}}),) if where else ()


def one_node(run: IntegrationRun) -> bool:
    """Whether all pods that mount it must share a node."""
    return run.spec.shared_volume is not None and run.spec.shared_volume.storage_class is None
