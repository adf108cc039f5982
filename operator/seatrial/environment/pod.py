"""Containers and pods: what all of them have in common, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seatrial.api import labels
from seatrial.api.scope import Scope
from seatrial.environment import access, objects, resources, security
from seatrial.settings import Settings

GRACE_SECONDS = 1
NODE_LOST_SECONDS = 30
"""How long a pod stays bound to a node that no longer answers. Kubernetes' default is 300."""


@dataclass(frozen=True)
class Mount:
    """A volume and where one container sees it. Mounts of the same name are the same volume."""

    name: str
    path: str
    source: Mapping[str, Any] = field(default_factory=lambda: {"emptyDir": {}})
    read_only: bool = False
    sub_path: str = ""

    def manifest(self) -> objects.Manifest:
        """The entry of `volumeMounts`."""
        mount: objects.Manifest = {"name": self.name, "mountPath": self.path}
        if self.sub_path:
            mount["subPath"] = self.sub_path
        if self.read_only:
            mount["readOnly"] = True
        return mount


TMP = Mount("tmp", "/tmp")  # noqa: S108 - the path inside the container
"""Every container's place to write; its HOME too."""
HOME = {"name": "HOME", "value": TMP.path}


_USERS = {
    "passwd": (
        "root:x:0:0:root:/root:/bin/sh\n"
        "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
        f"nonroot:x:{security.USER}:{security.USER}:nonroot:{TMP.path}:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "group": f"root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnonroot:x:{security.USER}:\nnogroup:x:65534:\n",
}
_USERS_SOURCE = {
    "downwardAPI": {
        "items": [
            {"path": name, "fieldRef": {"fieldPath": f"metadata.annotations['{labels.PREFIX}{name}']"}}
            for name in _USERS
        ]
    }
}
USERS = tuple(Mount("users", f"/etc/{name}", _USERS_SOURCE, read_only=True, sub_path=name) for name in _USERS)
"""The user that we run as has a name and a home in any image: `whoami`, `getpass` and many libraries need that.

The files come from the pod's annotations, so they cost no request and no object.
"""


@dataclass(frozen=True)
class Container:
    """One container of a pod; what is empty is left out of the manifest."""

    name: str
    image: str
    resources: Mapping[str, Any]
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    working_dir: str | None = None
    env: Sequence[Mapping[str, Any]] = ()
    ports: Sequence[int] = ()
    readiness: Mapping[str, Any] | None = None
    mounts: Sequence[Mount] = ()
    sidecar: bool = False
    """Native sidecar: starts before the others as an init container, and is ended after them."""

    def manifest(self, settings: Settings) -> objects.Manifest:
        """The entry of `containers` or `initContainers`."""
        optional = {
            "restartPolicy": "Always" if self.sidecar else None,
            "command": list(self.command),
            "args": list(self.args),
            "workingDir": self.working_dir,
            "env": [dict(e) for e in self.env],
            "ports": [{"containerPort": port} for port in self.ports],
            "readinessProbe": self.readiness,
            "volumeMounts": [m.manifest() for m in self.mounts],
        }
        return {
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": settings.image_pull_policy,
            **{key: value for key, value in optional.items() if value},
            "resources": self.resources,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": security.container_context(),
        }


def tcp_probe(port: int) -> objects.Manifest:
    """Shows people what is up: nothing is restarted by it, and the gates don't wait for it.

    It begins after a second, when most can be used: each probe that fails is an event, and a write to the API server.
    """
    return {
        "tcpSocket": {"port": port},
        "initialDelaySeconds": 1,
        "periodSeconds": 2,
        "timeoutSeconds": 2,
        "failureThreshold": 30,
    }


def tools(settings: Settings) -> Mount:
    """Our tools, as a container sees them."""
    source = security.tools_volume(settings)
    return Mount(
        security.TOOLS_VOLUME,
        security.TOOLS_PATH,
        source,
        read_only=True,
        sub_path=security.TOOLS_PATH.strip("/") if "image" in source else "",
    )


def _copy_tools(settings: Settings) -> Container:
    """Fills the volume of our tools where the cluster can't mount an image."""
    target = "/target"
    return Container(
        name="seatrial-tools",
        image=settings.images.runner,
        resources=resources.resources(resources.TOOL, None),
        command=(security.LAUNCH, "copy", security.TOOLS_PATH, target),
        mounts=(Mount(security.TOOLS_VOLUME, target, security.tools_volume(settings)),),
    )


def _bounded(mount: Mount, containers: Sequence[Container]) -> Mapping[str, Any]:
    """The volume's source; an emptyDir may become as large as what may be written by a container that writes to it."""
    if mount.source.get("emptyDir") != {}:
        return mount.source
    writers = [c for c in containers if any(m.name == mount.name and not m.read_only for m in c.mounts)]
    limits = [c.resources["limits"][resources.DISK] for c in writers or containers]
    return {"emptyDir": {"sizeLimit": max(limits, key=resources.quantity)}}


_TOLERATIONS = [
    {
        "key": f"node.kubernetes.io/{what}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": NODE_LOST_SECONDS,
    }
    for what in ("not-ready", "unreachable")
]
_ONE_NODE = {
    "podAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {
                "labelSelector": {"matchLabels": {labels.SHARED_VOLUME: "true"}},
                "topologyKey": "kubernetes.io/hostname",
            }
        ]
    }
}


def template(
    scope: Scope,
    settings: Settings,
    component: str,
    role: labels.Role,
    containers: Sequence[Container],
    *,
    init: Sequence[Container] = (),
    user: int = security.USER,
    restart: str = "Never",
    grace: int = GRACE_SECONDS,
    one_node: bool = False,
    low_ports: bool = False,
) -> objects.Manifest:
    """`metadata` (without a name) and `spec` of a pod; the volumes follow from the containers' mounts.

    `one_node`: it shares its node with all other pods that say so. `low_ports`: it may listen below port 1024.
    """
    mounts = [mount for c in (*init, *containers) for mount in c.mounts]
    if settings.tools == "Copy" and any(m.name == security.TOOLS_VOLUME for m in mounts):
        init = (_copy_tools(settings), *init)
    volumes = {m.name: {"name": m.name, **_bounded(m, (*init, *containers))} for m in mounts}
    pod_labels = objects.labels(scope, component, role)
    spec: objects.Manifest = {
        "serviceAccountName": access.SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": grace,
        "securityContext": security.pod_context(user, low_ports=low_ports),
        "tolerations": _TOLERATIONS,
    }
    if one_node:
        pod_labels[labels.SHARED_VOLUME] = "true"
        spec["affinity"] = _ONE_NODE
    if init:
        spec["initContainers"] = [c.manifest(settings) for c in init]
    spec["containers"] = [c.manifest(settings) for c in containers]
    if volumes:
        spec["volumes"] = list(volumes.values())
    annotations = {labels.SAFE_TO_EVICT: "false"}
    if any(mount.name == USERS[0].name for mount in mounts):
        annotations |= {f"{labels.PREFIX}{name}": text for name, text in _USERS.items()}
    return {"metadata": {"labels": pod_labels, "annotations": annotations}, "spec": spec}


def bare(
    scope: Scope,
    settings: Settings,
    component: str,
    role: labels.Role,
    containers: Sequence[Container],
    *,
    init: Sequence[Container] = (),
    user: int = security.USER,
    low_ports: bool = False,
) -> objects.Manifest:
    """A Pod of its own, never restarted and never replaced: its end is seen and ends the run."""
    pod = template(scope, settings, component, role, containers, init=init, user=user, low_ports=low_ports)
    metadata = {"name": component, "namespace": scope.namespace, **pod["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
