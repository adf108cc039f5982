"""Redis: nothing kept."""

from __future__ import annotations

from seatrial.api.services import Service, ServiceType
from seatrial.environment.backing import Backing
from seatrial.environment.credentials import Credential
from seatrial.environment.pod import tcp_probe
from seatrial.settings import Settings

PORT = 6379


def backing(name: str, service: Service, prefix: str, settings: Settings) -> Backing:
    """The Redis called `name`; variables' names begin with `prefix`."""
    if service.password == "":
        return _open(name, prefix, settings)
    password = Credential(name, "password", service.password)
    return Backing(
        image=settings.images.services[ServiceType.REDIS],
        ports={"redis": PORT},
        gate=f"redis://{name}:{PORT}?password-env={password.variable}",
        variables={f"{prefix}REDIS_URL": f"redis://:{password.reference}@{name}:{PORT}/0"},
        credentials=(password,),
        env=(password.env("REDIS_PASSWORD"),),
        readiness=tcp_probe(PORT),
    )


def _open(name: str, prefix: str, settings: Settings) -> Backing:
    """A Redis that asks for no password."""
    return Backing(
        image=settings.images.services[ServiceType.REDIS],
        ports={"redis": PORT},
        gate=f"redis://{name}:{PORT}",
        variables={f"{prefix}REDIS_URL": f"redis://{name}:{PORT}/0"},
        env=({"name": "REDIS_OPEN", "value": "true"},),
        readiness=tcp_probe(PORT),
    )
