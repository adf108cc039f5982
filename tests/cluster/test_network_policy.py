"""The cluster that these tests run on enforces NetworkPolicies in both directions, also by the labels of namespaces.

The product's isolation rests on this, so a cluster that silently lets everything through must not pass for a test
cluster. Runs on the cluster of the current context (`eval "$(tests/cluster/cluster env)"`); needs the image below on
its nodes.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

IMAGE = "seatrial/pytest:0.1.0"  # any with Python
SETTLES = 15.0  # seconds within which a policy must show its effect

SERVE = """
import http.server, threading
for port in (8080, 8085):
    server = http.server.ThreadingHTTPServer(("", port), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever).start()
"""

# prints for each HOST:PORT of its arguments whether a TCP connection to it comes about; a bare name asks the DNS
PROBE = """
import concurrent.futures, json, socket, sys
def reaches(target):
    host, _, port = target.partition(":")
    try:
        if port:
            socket.create_connection((host, int(port)), timeout=1.5).close()
        else:
            socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True
targets = sys.argv[1:]
with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps(dict(zip(targets, pool.map(reaches, targets)))))
"""

DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
}


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        ["kubectl", *arguments], input=stdin, text=True, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def apply(*objects: dict[str, Any]) -> None:
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


def pod(namespace: str, name: str, *command: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "dnsConfig": {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "1"}]},
            "containers": [
                {"name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": list(command)}
            ],
        },
    }


class Network:
    """Two namespaces, `a` (with a server and a client) and `b` (the same), and what reaches what."""

    def __init__(self) -> None:
        unique = secrets.token_hex(3)
        self.a, self.b = f"netpol-{unique}-a", f"netpol-{unique}-b"

    def create(self) -> None:
        for namespace, team in ((self.a, "one"), (self.b, "two")):
            apply(
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"team": team}}},
                pod(namespace, "server", "python3", "-c", SERVE),
                pod(namespace, "client", "sleep", "infinity"),
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "server", "namespace": namespace},
                    "spec": {
                        "selector": {"app": "server"},
                        "ports": [{"name": f"p{p}", "port": p} for p in (8080, 8085)],
                    },
                },
            )
        for namespace in (self.a, self.b):
            kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s")

    def delete(self) -> None:
        kubectl("delete", "namespace", self.a, self.b, "--wait=false")

    def server(self, namespace: str, port: int = 8080) -> str:
        """The server's Service by its cluster address, which needs no DNS."""
        address = kubectl("-n", namespace, "get", "service", "server", "-o", "jsonpath={.spec.clusterIP}")
        return f"{address}:{port}"

    def reaches(self, namespace: str, *targets: str) -> dict[str, bool]:
        out = kubectl("-n", namespace, "exec", "client", "--", "python3", "-c", PROBE, *targets)
        answer: dict[str, bool] = json.loads(out)
        return answer

    def expect(self, namespace: str, wanted: dict[str, bool]) -> None:
        """Waits until the client reaches exactly what is wanted: policies take effect a moment after the write."""
        deadline = time.monotonic() + SETTLES
        while (seen := self.reaches(namespace, *wanted)) != wanted:
            assert time.monotonic() < deadline, f"from {namespace}: seen {seen}, wanted {wanted}"

    def policy(self, namespace: str, name: str, **spec: Any) -> None:
        apply(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"podSelector": {}, **spec},
            }
        )


@pytest.fixture(scope="module")
def both() -> Iterator[Network]:
    network = Network()
    network.create()
    yield network
    network.delete()


@pytest.fixture
def network(both: Network) -> Iterator[Network]:
    yield both
    for namespace in (both.a, both.b):
        kubectl("-n", namespace, "delete", "networkpolicy", "--all")


def test_without_a_policy_everything_is_reached(network: Network) -> None:
    a, b = network.server(network.a), network.server(network.b)
    network.expect(network.a, {a: True, b: True, f"server.{network.b}.svc.cluster.local": True})


def test_default_deny_cuts_both_directions_and_ends_with_the_policy(network: Network) -> None:
    a, b = network.server(network.a), network.server(network.b)
    network.policy(network.a, "deny", policyTypes=["Ingress", "Egress"])
    network.expect(
        network.a,
        {a: False, b: False, f"server.{network.b}.svc.cluster.local": False, "kubernetes.default.svc:443": False},
    )
    network.expect(network.b, {a: False, b: True})
    kubectl("-n", network.a, "delete", "networkpolicy", "deny")
    network.expect(network.a, {a: True, b: True})
    network.expect(network.b, {a: True})


def test_egress_to_the_dns_and_to_a_namespace_by_its_labels(network: Network) -> None:
    a, b, name = network.server(network.a), network.server(network.b), f"server.{network.b}.svc.cluster.local"
    api = kubectl(
        "-n",
        "default",
        "get",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=kubernetes",
        "-o",
        "jsonpath={.items[0].endpoints[0].addresses[0]}",
    )
    network.policy(network.a, "egress", policyTypes=["Egress"], egress=[DNS])
    network.expect(network.a, {name: True, a: False, b: False, f"{api}:6443": False})
    network.policy(
        network.a,
        "more",
        policyTypes=["Egress"],
        egress=[{"to": [{"namespaceSelector": {"matchLabels": {"team": "two"}}}]}],
    )
    network.expect(network.a, {name: True, f"{name}:8080": True, b: True, a: False, f"{api}:6443": False})
    network.expect(network.b, {a: True})


def test_ingress_from_a_namespace_by_its_labels(network: Network) -> None:
    a, b = network.server(network.a), network.server(network.b)
    allowed = {"namespaceSelector": {"matchLabels": {"team": "two"}}, "podSelector": {"matchLabels": {"app": "client"}}}
    network.policy(network.a, "ingress", policyTypes=["Ingress"], ingress=[{"from": [allowed]}])
    network.expect(network.a, {a: False, b: True})
    network.expect(network.b, {a: True})
    kubectl("label", "namespace", network.b, "team=three", "--overwrite")
    network.expect(network.b, {a: False})
    kubectl("label", "namespace", network.b, "team=two", "--overwrite")
    network.expect(network.b, {a: True})


def test_ports_and_ranges(network: Network) -> None:
    low, high = network.server(network.b, 8080), network.server(network.b, 8085)
    to_b = {"namespaceSelector": {"matchLabels": {"team": "two"}}}
    network.policy(
        network.a, "ports", policyTypes=["Egress"], egress=[{"to": [to_b], "ports": [{"port": 8081, "endPort": 8090}]}]
    )
    network.expect(network.a, {low: False, high: True})
    network.policy(network.a, "ports", policyTypes=["Egress"], egress=[{"to": [to_b], "ports": [{"port": 8080}]}])
    network.expect(network.a, {low: True, high: False})


def test_address_blocks(network: Network) -> None:
    a, b = network.server(network.a), network.server(network.b)
    server = kubectl("-n", network.b, "get", "pod", "server", "-o", "jsonpath={.status.podIP}")
    block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": [f"{server}/32"]}}
    network.policy(network.a, "block", policyTypes=["Egress"], egress=[{"to": [block]}])
    network.expect(network.a, {a: True, b: False})


def test_a_pod_is_never_outside_its_policies(network: Network) -> None:
    """Policies hold for the first connection of a pod's first process: our agent's promise, not Kubernetes'."""
    if not kubectl("-n", "kube-system", "get", "daemonset", "podnet", "--ignore-not-found"):
        pytest.skip("this cluster's network is not the project's own")
    a, b = network.server(network.a), network.server(network.b)
    network.policy(
        network.a,
        "egress",
        policyTypes=["Egress"],
        egress=[{"to": [{"namespaceSelector": {"matchLabels": {"team": "two"}}}]}],
    )
    network.expect(network.a, {a: False, b: True})
    names = [f"first-{n}" for n in range(4)]
    apply(*(pod(network.a, name, "python3", "-c", PROBE, a, b) for name in names))
    for name in names:
        kubectl("-n", network.a, "wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=60s")
        assert json.loads(kubectl("-n", network.a, "logs", name)) == {a: False, b: True}
