"""Service addresses keep working when kube-proxy starts again and compares what it finds with what it wants."""

from __future__ import annotations

import json
import secrets
import time

import pytest

from tests.cluster.test_network_policy import PROBE, SERVE, apply, kubectl, pod

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]

SYNC_SECONDS = 60.0


def service(namespace: str, name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 8080}]},
    }


def address(namespace: str, name: str) -> str:
    return kubectl("-n", namespace, "get", "service", name, "-o", "jsonpath={.spec.clusterIP}") + ":8080"


def reached(namespace: str, *targets: str) -> dict[str, bool]:
    return json.loads(kubectl("-n", namespace, "exec", "client", "--", "python", "-c", PROBE, *targets))


def reached_within(namespace: str, target: str) -> bool:
    deadline = time.monotonic() + SYNC_SECONDS
    while time.monotonic() < deadline:
        if reached(namespace, target)[target]:
            return True
    return False


def test_services_keep_their_addresses_when_kube_proxy_restarts() -> None:
    namespace = f"addresses-{secrets.token_hex(3)}"
    kubectl("create", "namespace", namespace)
    try:
        apply(
            pod(namespace, "server", "python", "-c", SERVE),
            pod(namespace, "client", "sleep", "infinity"),
            service(namespace, "before"),
        )
        kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")
        before = address(namespace, "before")
        assert reached_within(namespace, before)

        kubectl("-n", "kube-system", "delete", "pod", "-l", "k8s-app=kube-proxy")
        apply(service(namespace, "after"))

        after = address(namespace, "after")  # reached once the new kube-proxy has written its rules
        assert reached_within(namespace, after)
        assert reached(namespace, before, after) == {before: True, after: True}
    finally:
        kubectl("delete", "namespace", namespace, "--wait=false")
