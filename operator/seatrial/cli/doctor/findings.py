"""What a check found, and what each observation means. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

OLDEST = (1, 30)
"""Of Kubernetes."""
_SKEW_SECONDS = 5.0
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")
_UPGRADE = "helm upgrade seatrial charts/seatrial --namespace {namespace}"


class State(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """Some runs can't work, or something is not as it should be."""
    PROBLEM = "problem"
    """No run can work."""
    UNKNOWN = "unknown"
    """It could not be seen."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str
    state: State
    text: str
    advice: str = ""
    """What to do."""


def kubernetes(version: Mapping[str, Any]) -> Finding:
    """The API server's version."""
    text = f"Kubernetes {version.get('gitVersion')}"
    numbers = [int(found[0]) for part in ("major", "minor") if (found := re.match(r"\d+", str(version.get(part))))]
    if len(numbers) == 2 and tuple(numbers) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return Finding("cluster", State.PROBLEM, f"{text} is too old", f"Seatrial needs Kubernetes {wanted} or newer")
    return Finding("cluster", State.OK, f"{text} answers")


def clock(ahead: float | None) -> Finding:
    """By how many seconds the API server's clock is ahead of this machine's; None: it does not say."""
    if ahead is None:
        return Finding("clock", State.UNKNOWN, "the API server does not say what time it is")
    if abs(ahead) > _SKEW_SECONDS:
        which = "behind" if ahead > 0 else "ahead of"
        text = f"the clock of this machine is {abs(ahead):.0f} s {which} that of the API server"
        return Finding("clock", State.WARNING, text, "set it by NTP: durations and credentials depend on it")
    return Finding("clock", State.OK, "this machine and the API server have the same time")


def rights(namespace: str, denied: Sequence[str]) -> Finding:
    """What the user may not do of all that the command does in a namespace."""
    if denied:
        advice = f"ask for the role `edit` or `seatrial-edit` in namespace {namespace}"
        return Finding("rights", State.PROBLEM, f"you may not {', '.join(denied)} in namespace {namespace}", advice)
    return Finding("rights", State.OK, f"you may start, watch and delete runs in namespace {namespace}")


def definition(known: Collection[str], wanted: Collection[str], namespace: str) -> Finding:
    """The fields of a spec that the cluster knows, and those that this command knows."""
    name = "IntegrationRun"
    missing, more = sorted(set(wanted) - set(known)), sorted(set(known) - set(wanted))
    if missing:
        text = f"the cluster's {name} is older than this command: it has no {', '.join(f'spec.{m}' for m in missing)}"
        return Finding("definition", State.WARNING, text, _UPGRADE.format(namespace=namespace))
    if more:
        text = f"the cluster's {name} is newer than this command: it has {', '.join(f'spec.{m}' for m in more)}"
        return Finding("definition", State.WARNING, text, "install the newer command")
    return Finding("definition", State.OK, f"the cluster and this command know the same fields of {name}")


def deployment(name: str, body: Mapping[str, Any], own: str, tag: str, namespace: str) -> Finding:
    """A Deployment of the chart: whether it is ready, and has the command's version."""
    if not (body.get("status") or {}).get("readyReplicas"):
        advice = f"kubectl describe pods -l app.kubernetes.io/component={name} -n {namespace}"
        return Finding(name, State.PROBLEM, f"the {name} {tag} is not ready", advice)
    if tag != own:
        text = f"the {name} has version {tag}, this command {own}"
        return Finding(name, State.WARNING, text, "use the same version of both")
    return Finding(name, State.OK, f"the {name} {tag} is ready")


def images(pods: Sequence[Mapping[str, Any]], namespace: str) -> Finding:
    """Whether the pods of the installation have their images; those of environments are only pulled by runs."""
    failing = sorted({str(each.get("image")) for pod in pods for each in _waiting(pod)})
    if failing:
        advice = "chart values images.registry and images.pullSecrets; environments.pullSecret for those of runs"
        return Finding("images", State.PROBLEM, f"can't be pulled in {namespace}: {', '.join(failing)}", advice)
    text = "those of the installation are there; not checked: images of runs, which only a run pulls"
    return Finding("images", State.OK, text)


def _waiting(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    listed = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    return [each for each in listed if ((each.get("state") or {}).get("waiting") or {}).get("reason") in _PULL_FAILURES]


def dns(pods: Sequence[Mapping[str, Any]]) -> Finding:
    """The pods that environments may ask for names by default."""
    ready = [pod for pod in pods if _is_ready(pod)]
    where = "kube-system with the label k8s-app=kube-dns"
    if not pods:
        advice = "say where the cluster's DNS is: chart value environments.dns"
        return Finding("dns", State.WARNING, f"no pod in {where}: environments may reach no DNS", advice)
    if not ready:
        return Finding("dns", State.PROBLEM, f"no pod in {where} is ready", "kubectl get pods -n kube-system")
    return Finding("dns", State.OK, f"{len(ready)} of {len(pods)} pods of the cluster's DNS are ready")


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def network_policies() -> Finding:
    """Nothing shows whether the network enforces them but a connection that it should refuse."""
    text = "not checked: whether the network enforces them, which only a connection shows"
    return Finding("network policies", State.UNKNOWN, text, "use a network plugin that does: Calico, Cilium, kindnet")


def storage(classes: Sequence[Mapping[str, Any]]) -> Finding:
    """Storage classes, for the archive's volume and shared volumes of runs."""
    names = [str(each["metadata"]["name"]) for each in classes]
    default = [
        str(each["metadata"]["name"])
        for each in classes
        if (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if not default:
        there = f"there is {', '.join(names)}" if names else "there is none at all"
        advice = "mark one as the default, or name it: spec.sharedVolume.storageClass, chart value archive.storageClass"
        return Finding("storage", State.WARNING, f"no storage class is the default: {there}", advice)
    return Finding("storage", State.OK, f"the default storage class is {default[0]}")
