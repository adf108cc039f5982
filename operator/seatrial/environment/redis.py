"""Redis: nothing kept."""

from __future__ import annotations

from seatrial.api.services import Service, ServiceType
from seatrial.environment.backing import Backing
from seatrial.environment.credentials import Credential
from seatrial.environment.expansion import literal
from seatrial.environment.pod import tcp_probe
from seatrial.settings import Settings

PORT = 6379
CLUSTER = "cluster-enabled"
DATABASES_PER_WORKER = 16
WORKERS = 64


def backing(name: str, service: Service, prefix: str, settings: Settings) -> Backing:
    """The Redis called `name`; variables' names begin with `prefix`. With an empty `password` it asks for none."""
    lines = configuration(name, service)
    password = None if service.password == "" else Credential(name, "password", service.password)
    return Backing(
        image=settings.images.services[ServiceType.REDIS],
        ports={"redis": PORT},
        gate=_gate(name, service, password),
        variables={f"{prefix}REDIS_URL": f"redis://{f':{password.reference}@' if password else ''}{name}:{PORT}/0"},
        credentials=(password,) if password else (),
        env=(
            password.env("REDIS_PASSWORD") if password else {"name": "REDIS_OPEN", "value": "true"},
            *([{"name": "REDIS_SETTINGS", "value": literal(lines)}] if lines else []),
        ),
        readiness=tcp_probe(PORT),
        per_worker={"address": f"{name}:{PORT}", "numbered": DATABASES_PER_WORKER} if service.per_worker else None,
    )


def _gate(name: str, service: Service, password: Credential | None) -> str:
    parameters = [f"password-env={password.variable}"] if password else []
    if (service.settings or {}).get(CLUSTER) == "yes":
        parameters.append("cluster=true")
    return f"redis://{name}:{PORT}" + (f"?{'&'.join(parameters)}" if parameters else "")


def configuration(name: str, service: Service) -> str:
    """The lines of `settings` for Redis' configuration; empty if there are none."""
    values = {key: value or '""' for key, value in (service.settings or {}).items()}
    if values.get(CLUSTER) == "yes":  # so that clients are led to its name
        values = {"cluster-announce-hostname": name, "cluster-preferred-endpoint-type": "hostname", **values}
    if service.per_worker:
        values["databases"] = str(DATABASES_PER_WORKER * (1 + WORKERS))
    return "\n".join(f"{key} {value}" for key, value in sorted(values.items()))
