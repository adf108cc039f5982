"""What Kubernetes says in words alone: it has no code for these, so its sentences are matched, all of them here.

Everything of our own carries a code (`seatrial_protocol`). Each table names who writes the words.
"""

from __future__ import annotations

import re

from seatrial.api.status import Reason

IMAGE_WAITING = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
"""Codes: the kubelet's reasons for a container that waits for its image (pkg/kubelet/images/types.go)."""
CONFIG_WAITING = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
"""Codes: the kubelet's reasons for a container that it can't start (pkg/kubelet/kuberuntime)."""
NODE_GONE = ("NodeLost", "NodeAffinity", "Shutdown", "Terminated")
"""Codes: a pod's reason when its node is gone (pkg/kubelet/nodeshutdown, pkg/kubelet/lifecycle)."""
DISRUPTIONS = {
    "DeletionByTaintManager": Reason.NODE_LOST,
    "DeletionByPodGC": Reason.NODE_LOST,
    "EvictionByEvictionAPI": Reason.EVICTED,
    "PreemptionByScheduler": Reason.EVICTED,
    "TerminationByKubelet": Reason.EVICTED,
}
"""Codes: reasons of a pod's condition DisruptionTarget."""

_IMAGE_FINAL = ("not found", "manifest unknown", "unauthorized", "denied", "invalid reference", "InvalidImageName",
                "no such host", "ErrImageNeverPull", "does not exist")  # fmt: skip
"""Registries and containerd, in a waiting message: another try would get the same answer."""
_PASSING = ("deadline exceeded", "timed out", "failed to reserve")
"""containerd and CRI-O on a busy node, which tries again."""
_AS_ROOT = ("non-root", "will run as root")
"""The kubelet, about an image whose user is root (pkg/kubelet/kuberuntime/security_context.go)."""
_STORAGE_LIMIT = re.compile(
    r"Container (?P<container>\S+) exceeded its local ephemeral storage limit"
    r"|Pod ephemeral local storage usage exceeds|Usage of EmptyDir volume"
)
"""The kubelet's eviction manager: a pod wrote more than it may, in distinction from a node whose disk is full."""
_PULL_STEPS = re.compile(
    r"Back-off pulling image \S+: |ErrImagePull: |rpc error: code = \w+ desc = "
    r"|failed to pull and unpack image \S+: |failed to resolve (?:reference|image) \S+: "
)
_RUNTIME_STEPS = re.compile(r".*(?:error during container init|unable to start container process): ", re.DOTALL)
"""What the kubelet, containerd and runc put before a cause: left out of messages, no decision."""
_SCHEDULER_ADDS = re.compile(r"\.? (?:no new claims to deallocate|preemption:)")
"""The scheduler, about what would not help either: left out of messages, no decision."""
_ADMISSION = ("violates PodSecurity", "admission webhook", "ValidatingAdmissionPolicy", "denied request")
"""The API server's admission plugins: a refusal by somebody's policy has no reason of its own."""
_QUOTA = "exceeded quota"
"""The API server's ResourceQuota plugin."""
_TERMINATING = "being terminated"
"""The API server's NamespaceLifecycle plugin."""


def is_final_pull_failure(text: str) -> bool:
    """Whether pulling an image again would fail the same way."""
    return any(sign in text for sign in _IMAGE_FINAL)


def is_passing(text: str) -> bool:
    """Whether a node is only busy."""
    return any(sign in text for sign in _PASSING)


def is_about_root(text: str) -> bool:
    """Whether a container is not started because its image runs as root."""
    return any(sign in text for sign in _AS_ROOT)


def over_storage_limit(text: str) -> str | None:
    """The container that wrote more than it may ("" when it is not named); None when that is not what happened."""
    match = _STORAGE_LIMIT.search(text)
    return None if match is None else match["container"] or ""


def is_admission(text: str) -> bool:
    """Whether a policy refused an object."""
    return any(sign in text for sign in _ADMISSION)


def is_quota(text: str) -> bool:
    """Whether a quota refused an object."""
    return _QUOTA in text


def is_terminating(text: str) -> bool:
    """Whether an object was refused because its namespace is being deleted."""
    return _TERMINATING in text


def pull_cause(text: str) -> str:
    """Why an image can't be pulled, without the steps on the way."""
    return " ".join(_PULL_STEPS.sub("", text).split())


def start_cause(text: str) -> str:
    """Why a container can't be started, without the steps on the way."""
    return _RUNTIME_STEPS.sub("", text)


def scheduler_cause(text: str) -> str:
    """Why a pod has no node."""
    return _SCHEDULER_ADDS.split(text)[0]
