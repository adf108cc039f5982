"""Postgres: on tmpfs from a data folder baked into our image."""

from __future__ import annotations

from seatrial.api.services import Service, ServiceType
from seatrial.environment import resources
from seatrial.environment.backing import Backing
from seatrial.environment.credentials import Credential
from seatrial.environment.expansion import literal
from seatrial.environment.objects import Manifest
from seatrial.environment.pod import TMP, Mount, tcp_probe
from seatrial.settings import Settings

PORT = 5432
USER_ID = 999
"""The user postgres of our image: the server refuses a data folder that is not its own."""
SUPERUSER = "postgres"
"""Unless the run gives another name."""


def init_config_map(name: str) -> str:
    """The environment's copy of the ConfigMap with a service's initial SQL."""
    return f"init-{name}"


def backing(name: str, service: Service, prefix: str, settings: Settings) -> Backing:
    """The Postgres called `name`; variables' names begin with `prefix`."""
    databases = tuple(dict.fromkeys(service.databases or ()))
    database = databases[0] if databases else "postgres"
    user = service.user or SUPERUSER
    password = Credential(name, "password", service.password)
    url = f"postgresql://$({prefix}PGUSER):$({prefix}PGPASSWORD)@$({prefix}PGHOST):$({prefix}PGPORT)/$({prefix}PGDATABASE)"
    mounts = [TMP, Mount("run", "/run/postgresql"), _data(service)]
    if service.init_sql:
        source = {"configMap": {"name": init_config_map(name)}}
        mounts.append(Mount("initdb", "/initdb.d", source, read_only=True))
    return Backing(
        image=settings.images.services[ServiceType.POSTGRES],
        ports={"postgres": PORT},
        gate=f"postgres://{user}@{name}:{PORT}/{database}?password-env={password.variable}",
        variables={
            f"{prefix}PGHOST": name,
            f"{prefix}PGPORT": str(PORT),
            f"{prefix}PGUSER": user,
            f"{prefix}PGPASSWORD": password.reference,
            f"{prefix}PGDATABASE": database,
            f"{prefix}POSTGRES_URL": url,
            f"{prefix}DATABASE_URL": url,
        },
        credentials=(password,),
        env=(
            password.env("POSTGRES_PASSWORD"),
            {"name": "POSTGRES_DATABASES", "value": " ".join(databases)},
            {"name": "POSTGRES_EXTENSIONS", "value": " ".join(dict.fromkeys(service.extensions or ()))},
            *_given("POSTGRES_USER", service.user),
            *_given("POSTGRES_LOCALE", service.locale),
            *_given("POSTGRES_SETTINGS", "\n".join(f"{k}={v}" for k, v in sorted((service.settings or {}).items()))),
        ),
        readiness=tcp_probe(PORT),
        mounts=mounts,
        user=USER_ID,
    )


def _given(variable: str, value: str | None) -> tuple[Manifest, ...]:
    return ({"name": variable, "value": literal(value)},) if value else ()


def _data(service: Service) -> Mount:
    """What is on tmpfs counts as the container's memory, so the one limit bounds both."""
    if service.storage == "Disk":
        return Mount("data", "/data")
    limit = resources.resources(resources.SERVICES[ServiceType.POSTGRES], service.resources)["limits"]["memory"]
    return Mount("data", "/data", {"emptyDir": {"medium": "Memory", "sizeLimit": limit}})
