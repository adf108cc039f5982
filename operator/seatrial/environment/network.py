"""Who may talk to whom: the environment's pods to each other and to the cluster's DNS; tests, and whoever fetches the
bundle, also to the archive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seatrial.api import labels
from seatrial.api.scope import Scope
from seatrial.environment import objects
from seatrial.settings import Settings

ARCHIVE_UPLOAD_PORT = 8080
"""The port of the archive's pods for environments: it takes uploads and gives bundles."""
_NAMESPACE_NAME = "kubernetes.io/metadata.name"


def policies(scope: Scope, settings: Settings, fetching: Sequence[str] = ()) -> tuple[objects.Manifest, ...]:
    """What the environment's NetworkPolicies allow; all else is denied in both directions.

    `fetching`: the components that fetch the bundle, the tests among them.
    """
    at_archive: objects.Manifest = {"matchLabels": {labels.ROLE: labels.Role.TESTS.value}}
    if fetching:
        at_archive = {"matchExpressions": [{"key": labels.COMPONENT, "operator": "In", "values": list(fetching)}]}
    anyone_here: objects.Manifest = {"podSelector": {}}
    archive = {
        "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: settings.operator_namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/component": "archive"}},
    }
    return (
        objects.manifest(
            scope,
            "networking.k8s.io/v1",
            "NetworkPolicy",
            labels.ENVIRONMENT,
            spec={
                "podSelector": {},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [anyone_here]}],
                "egress": [
                    {"to": [anyone_here]},
                    {
                        "to": [dict(peer) for peer in settings.dns],
                        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                    },
                ],
            },
        ),
        objects.manifest(
            scope,
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "results",
            spec={
                "podSelector": at_archive,
                "policyTypes": ["Egress"],
                "egress": [{"to": [archive], "ports": [{"protocol": "TCP", "port": ARCHIVE_UPLOAD_PORT}]}],
            },
        ),
    )


def service(
    scope: Scope, name: str, role: labels.Role, ports: Mapping[str, tuple[int, int]], *, only_ready: bool = False
) -> objects.Manifest:
    """The DNS name of a component; `ports`: name to (port, port of the container).

    A Service leads to its pods from the moment they run, because gates know better than the kubelet's probes when they
    can be used; `only_ready` is for those whose gate can't check. Without ports it is headless: then its name has an
    address exactly while a pod of it runs, which is all that a gate can ask of something that listens nowhere.
    """
    return objects.manifest(
        scope,
        "v1",
        "Service",
        name,
        name,
        role,
        spec={
            "type": "ClusterIP",
            **({} if ports else {"clusterIP": "None"}),
            "publishNotReadyAddresses": bool(ports) and not only_ready,
            "selector": {labels.COMPONENT: name},
            "ports": [
                {"name": port_name, "port": port, "targetPort": target, "protocol": "TCP"}
                for port_name, (port, target) in ports.items()
            ],
        },
    )
