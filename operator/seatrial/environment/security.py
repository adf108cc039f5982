"""What makes every pod pass Pod Security `restricted` with a read-only root, and how our tools get into pods."""

from __future__ import annotations

from typing import Any

from seatrial.settings import Settings

USER = 65532
"""uid, gid and fsGroup of users' containers and of ours, unless an image needs its own."""
TOOLS_PATH = "/seatrial"
"""Where the runner image's folder of the launcher and the plugin appears in a pod."""
LAUNCH = f"{TOOLS_PATH}/launch"
TOOLS_VOLUME = "seatrial-tools"


def pod_context(user: int = USER, *, low_ports: bool = False) -> dict[str, Any]:
    """The security context of a pod whose containers run as `user`; `low_ports`: and may listen below port 1024."""
    sysctls = {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]}
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
        **(sysctls if low_ports else {}),
    }


def container_context() -> dict[str, Any]:
    """The security context of every container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def tools_volume(settings: Settings) -> dict[str, Any]:
    """The source of the volume with our tools: the runner image itself, or a folder that an init container fills."""
    if settings.tools == "ImageVolume":
        return {"image": {"reference": settings.images.runner, "pullPolicy": settings.image_pull_policy}}
    return {"emptyDir": {}}
