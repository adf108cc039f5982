"""Redis: nothing kept."""

from __future__ import annotations

from seatrial.api.services import Service, ServiceType
from seatrial.environment.backing import Backing
from seatrial.environment.credentials import Credential
from seatrial.environment.pod import tcp_probe
from seatrial.settings import Settings

PORT = 6379


def backing(name: str, service: Service, prefix: str, settings: Settings) -> Backing:
    """The Redis called `name`; variables' names begin with `prefix`. With an empty `password` it asks for none."""
    password = None if service.password == "" else Credential(name, "password", service.password)
    return Backing(
        image=settings.images.services[ServiceType.REDIS],
        ports={"redis": PORT},
        gate=f"redis://{name}:{PORT}" + (f"?password-env={password.variable}" if password else ""),
        variables={f"{prefix}REDIS_URL": f"redis://{f':{password.reference}@' if password else ''}{name}:{PORT}/0"},
        credentials=(password,) if password else (),
        env=(password.env("REDIS_PASSWORD") if password else {"name": "REDIS_OPEN", "value": "true"},),
        readiness=tcp_probe(PORT),
    )
