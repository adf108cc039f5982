"""Specs by which a tenant wants more than a run may have, each with a name and a part of what the refusal says."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]
IMAGE = "seatrial/pytest:0.1.0"
TESTS: Spec = {"tests": {"image": IMAGE}}


def _app(**more: Any) -> Spec:
    return {**TESTS, "apps": {"app": {"image": IMAGE, "command": ["true"], **more}}}


def _doubling(levels: int) -> list[dict[str, str]]:
    first = [{"name": "A0", "value": "x" * 16}]
    return first + [{"name": f"A{i}", "value": f"$(A{i - 1})$(A{i - 1})"} for i in range(1, levels)]


AT_ADMISSION: dict[str, tuple[Spec, str]] = {
    "host-path": (_app(volumes=[{"name": "h", "hostPath": {"path": "/"}}]), "volumes"),
    "privileged": (_app(securityContext={"privileged": True}), "securityContext"),
    "root": (_app(runAsUser=0), "runAsUser"),
    "capabilities": (_app(capabilities={"add": ["SYS_ADMIN"]}), "capabilities"),
    "host-network": ({**TESTS, "hostNetwork": True}, "hostNetwork"),
    "host-pid": ({**TESTS, "hostPID": True}, "hostPID"),
    "host-port": (_app(hostPort=80), "hostPort"),
    "service-account": ({**TESTS, "serviceAccountName": "seatrial-operator"}, "serviceAccountName"),
    "service-account-of-app": (_app(serviceAccountName="seatrial-operator"), "serviceAccountName"),
    "token": (_app(automountServiceAccountToken=True), "automountServiceAccountToken"),
    "node": ({**TESTS, "nodeName": "node-1"}, "nodeName"),
    "namespace": ({**TESTS, "namespace": "kube-system"}, "namespace"),
    "configmap-of-another-namespace": (
        {"tests": {"source": {"configMapRef": {"name": "x", "namespace": "kube-system"}}}}, "namespace"
    ),
    "configmap-by-dots": ({"tests": {"source": {"configMapRef": {"name": "../x"}}}}, "name"),
    "secret-as-source": ({"tests": {"source": {"secretRef": {"name": "seatrial-key"}}}}, "secretRef"),
    "env-from-secret": (
        _app(env=[{"name": "K", "valueFrom": {"secretKeyRef": {"name": "seatrial-upload", "key": "shard-0"}}}]),
        "valueFrom",
    ),
    "env-from": (_app(envFrom=[{"secretRef": {"name": "seatrial-upload"}}]), "envFrom"),
    "image-pull-secret": ({**TESTS, "imagePullSecrets": [{"name": "x"}]}, "imagePullSecrets"),
    "image-with-space": ({"tests": {"image": "a b"}}, "image"),
    "bomb-of-duplicates": (
        {**TESTS, "env": [{"name": "A", "value": "$(A)$(A)"} for _ in range(25)]}, "Duplicate value"
    ),
    "too-many-variables": ({**TESTS, "env": [{"name": f"A{i}", "value": ""} for i in range(201)]}, "200"),
    "too-long-value": ({**TESTS, "env": [{"name": "A", "value": "x" * 32769}]}, "32768"),
    "too-many-apps": (
        {**TESTS, "apps": {f"a{i}": {"image": IMAGE, "command": ["true"]} for i in range(31)}}, "30"
    ),
    "network": ({**TESTS, "networkPolicy": {"enabled": False}}, "networkPolicy"),
}  # fmt: skip
"""What the API server refuses, unknown fields included."""

BY_THE_OPERATOR: dict[str, tuple[Spec, str]] = {
    "bomb": ({**TESTS, "env": _doubling(25)}, "64.0 KiB are allowed"),
    "bomb-in-a-command": (
        {**_app(command=["echo", *["$(A11)" * 2000] * 20]), "env": _doubling(12)}, "KiB"
    ),
    "reserved-variable": (_app(env=[{"name": "SEATRIAL_TOKEN_DIR", "value": "/tmp"}]), "SEATRIAL_"),
    "mount-over-the-tools": ({**TESTS, "sharedVolume": {"mountPath": "/seatrial"}}, "/seatrial"),
    "mount-over-the-results": ({**TESTS, "sharedVolume": {"mountPath": "/results"}}, "/results"),
    "mount-over-proc": ({**TESTS, "sharedVolume": {"mountPath": "/proc/1"}}, "/proc"),
    "mount-by-dots": ({**TESTS, "sharedVolume": {"mountPath": "/a/../proc"}}, "/proc"),
    "artifacts-of-the-token": (
        {"tests": {"image": IMAGE, "artifacts": ["../var/run/seatrial/upload/*"]}}, "artifacts"
    ),
    "our-name": ({**TESTS, "apps": {"seatrial-x": {"image": IMAGE, "command": ["true"]}}}, "seatrial-"),
    "too-many-replicas": (
        {**TESTS, "apps": {f"a{i}": {"image": IMAGE, "command": ["true"], "replicas": 20} for i in range(6)}}, "100"
    ),
    "too-much-cpu": (_app(resources={"requests": {"cpu": "65"}}), "64"),
    "too-much-memory": (_app(resources={"requests": {"memory": "257Gi"}}), "256Gi"),
    "too-much-storage": ({**TESTS, "sharedVolume": {"mountPath": "/s", "size": "2Ti"}}, "1Ti"),
    "too-long-a-life": ({**TESTS, "retention": {"maxLifetime": "25h"}}, "24h"),
}  # fmt: skip
"""What the operator refuses (`InvalidSpec`, and nothing is created); some of it the API server may refuse before."""
