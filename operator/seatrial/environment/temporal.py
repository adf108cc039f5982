"""Temporal: its development server, everything in memory."""

from __future__ import annotations

from seatrial.api.services import Service, ServiceType
from seatrial.environment.backing import Backing
from seatrial.environment.expansion import literal
from seatrial.environment.pod import tcp_probe
from seatrial.settings import Settings

PORT = 7233
UI_PORT = 8233
DEFAULT_NAMESPACE = "default"
"""The development server always has it."""


def backing(name: str, service: Service, prefix: str, settings: Settings) -> Backing:
    """The Temporal called `name`; variables' names begin with `prefix`."""
    namespaces = tuple(dict.fromkeys(service.namespaces or ())) or (DEFAULT_NAMESPACE,)
    address = f"{name}:{PORT}"
    args = ["server", "start-dev", "--ip", "0.0.0.0", "--port", str(PORT)]  # noqa: S104
    args += ["--ui-ip", "0.0.0.0", "--ui-port", str(UI_PORT)] if service.ui else ["--headless"]  # noqa: S104
    args += ["--log-level", "warn"]
    for namespace in namespaces:
        if namespace != DEFAULT_NAMESPACE:
            args += ["--namespace", namespace]
    for attribute, kind in sorted((service.search_attributes or {}).items()):
        args += ["--search-attribute", literal(f"{attribute}={kind}")]
    query = "&".join(f"namespace={namespace}" for namespace in namespaces)
    return Backing(
        image=settings.images.services[ServiceType.TEMPORAL],
        ports={"grpc": PORT, **({"ui": UI_PORT} if service.ui else {})},
        gate=f"temporal://{address}?{query}",
        variables={
            f"{prefix}TEMPORAL_ADDRESS": address,
            f"{prefix}TEMPORAL_URL": address,
            f"{prefix}TEMPORAL_NAMESPACE": namespaces[0],
        },
        args=args,
        readiness=tcp_probe(PORT),
    )
