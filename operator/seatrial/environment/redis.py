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
    password = Credential(name, "password")
    return Backing(
        image=settings.images.services[ServiceType.REDIS],
        ports={"redis": PORT},
        gate=f"redis://{name}:{PORT}?password-env={password.variable}",
        variables={f"{prefix}REDIS_URL": f"redis://:{password.reference}@{name}:{PORT}/0"},
        credentials=(password,),
        env=(password.env("REDIS_PASSWORD"),),
        readiness=tcp_probe(PORT),
    )
