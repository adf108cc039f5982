"""Postgres: on tmpfs, from a data folder baked into our image, or an image of the user's own like the official one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seatrial.api.services import Service, ServiceType
from seatrial.environment import file_sources, resources, security
from seatrial.environment.backing import Backing
from seatrial.environment.credentials import Credential
from seatrial.environment.expansion import literal
from seatrial.environment.objects import Manifest
from seatrial.environment.pod import TMP, Mount, tcp_probe
from seatrial.settings import Settings

PORT = 5432
USER_ID = 999
"""The user postgres of our images: the server refuses a data folder that is not its own."""
SUPERUSER = "postgres"
"""Unless the run gives another name."""
VERSION = "17"
"""What our own image has; the others share a second one."""
WORKER = "{worker}"
"""Stands for the name of a worker, such as gw0."""
TEMPLATES = "zzzz-seatrial.sql"
"""The file that copies databases for workers; the last by name."""
SET_UP = "0000-seatrial.sql"
"""The file with databases and extensions in an image of the user's own; the first by name."""
_TEMPORARY = {
    "dynamic_shared_memory_type": "mmap",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
    "synchronous_commit": "off",
}
"""Settings of a database that lives as long as one run; our images have them in a file."""


def init_config_map(name: str) -> str:
    """The environment's ConfigMap with a service's initial SQL."""
    return f"init-{name}"


def databases(service: Service) -> tuple[str, ...]:
    """Its databases, the one in `PGDATABASE` first."""
    return tuple(dict.fromkeys(service.databases or ())) or ("postgres",)


def template(database: str) -> str:
    """The copy of a database from which the workers' ones are made; nobody else connects to it."""
    return f"seatrial_{database}"


def _clone_url(name: str, service: Service, database: str, source: str) -> str:
    variable = Credential(name, "password").variable
    user = service.user or SUPERUSER
    return f"postgres://{user}@{name}:{PORT}/{database}?template={source}&password-env={variable}"


def _per_worker(name: str, service: Service, prefix: str) -> dict[str, Any]:
    return {
        "address": f"{name}:{PORT}",
        "clones": {
            database: _clone_url(name, service, f"{database}_{WORKER}", template(database))
            for database in databases(service)
        },
        "variables": [f"{prefix}PGDATABASE"],
    }


def set_up_sql(service: Service) -> str:
    """What makes databases and extensions in an image of the user's own, run in the first database; empty if nothing.

    Names have letters, digits, `_` and `-` only.
    """
    first, *others = databases(service)
    lines = [f'CREATE DATABASE "{name}";' for name in others if name != "postgres"]
    extensions = [
        f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE;' for name in dict.fromkeys(service.extensions or ())
    ]
    if extensions:
        for name in dict.fromkeys(("postgres", first, *others)):
            lines += [f'\\connect "{name}"', *extensions]
    return "".join(f"{line}\n" for line in lines)


def initial_sql(service: Service, given: Mapping[str, str]) -> Mapping[str, str]:
    """The files of a service's ConfigMap: what the user gives, and with an image of the user's own, our set-up."""
    if not service.image:
        return given
    ours = {SET_UP: set_up_sql(service), TEMPLATES: _templates_sql(service)}
    return {**given, **{file: sql for file, sql in ours.items() if sql}}


def _templates_sql(service: Service) -> str:
    copies = [f'CREATE DATABASE "{template(name)}" TEMPLATE "{name}";\n' for name in databases(service)]
    return "".join(['\\connect "postgres"\n', *copies]) if service.per_worker else ""


def backing(name: str, service: Service, prefix: str, settings: Settings) -> Backing:
    """The Postgres called `name`; variables' names begin with `prefix`."""
    database = databases(service)[0]
    user = service.user or SUPERUSER
    password = Credential(name, "password", service.password)
    url = f"postgresql://$({prefix}PGUSER):$({prefix}PGPASSWORD)@$({prefix}PGHOST):$({prefix}PGPORT)/$({prefix}PGDATABASE)"
    container = _own(service, password) if service.image else _ours(service, password, settings)
    return Backing(
        image=container.image,
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
        clones=[_clone_url(name, service, template(each), each) for each in databases(service) if service.per_worker],
        per_worker=_per_worker(name, service, prefix) if service.per_worker else None,
        args=container.args,
        env=container.env,
        readiness=tcp_probe(PORT),
        mounts=(TMP, Mount("run", container.sockets), _data(service), *_initial_sql(name, service, container.initdb)),
        user=container.user,
    )


@dataclass(frozen=True)
class _Container:
    """What an image's entry point asks for."""

    image: str
    user: int
    sockets: str
    """The folder where it listens on a unix socket."""
    initdb: str
    """The folder with initial SQL."""
    env: Sequence[Manifest]
    args: Sequence[str] = ()


def _ours(service: Service, password: Credential, settings: Settings) -> _Container:
    version = service.version or VERSION
    images = settings.images
    return _Container(
        image=images.services[ServiceType.POSTGRES] if version == VERSION else images.postgres_versions,
        user=USER_ID,
        sockets="/run/postgresql",
        initdb="/initdb.d",
        env=(
            password.env("POSTGRES_PASSWORD"),
            {"name": "POSTGRES_DATABASES", "value": " ".join(dict.fromkeys(service.databases or ()))},
            {"name": "POSTGRES_EXTENSIONS", "value": " ".join(dict.fromkeys(service.extensions or ()))},
            *_given("POSTGRES_USER", service.user),
            *_given("POSTGRES_VERSION", version if version != VERSION else None),
            *_given("POSTGRES_TEMPLATES", "seatrial_" if service.per_worker else None),
            *_given("POSTGRES_LOCALE", service.locale),
            *_given("POSTGRES_SETTINGS", "\n".join(f"{k}={v}" for k, v in sorted((service.settings or {}).items()))),
        ),
    )


def _own(service: Service, password: Credential) -> _Container:
    """For the official image's entry point, which listens on no network until it has done its set-up."""
    values = _TEMPORARY | (service.settings or {})
    return _Container(
        image=service.image or "",
        user=security.USER,
        sockets="/var/run/postgresql",
        initdb="/docker-entrypoint-initdb.d",
        args=[word for key, value in sorted(values.items()) for word in ("-c", literal(f"{key}={value}"))],
        env=(
            password.env("POSTGRES_PASSWORD"),
            {"name": "POSTGRES_USER", "value": service.user or SUPERUSER},
            {"name": "POSTGRES_DB", "value": databases(service)[0]},
            {"name": "PGDATA", "value": "/data/cluster"},
            *_given("POSTGRES_INITDB_ARGS", " ".join(_initdb_options(service.locale))),
        ),
    )


def _initdb_options(locale: str | None) -> Sequence[str]:
    if locale and locale.startswith("icu:"):
        return ("--locale-provider=icu", f"--icu-locale={locale.removeprefix('icu:')}")
    return (f"--locale={locale}",) if locale else ()


def _initial_sql(name: str, service: Service, path: str) -> Iterator[Mount]:
    ours = tuple(initial_sql(service, {}))
    if service.init_sql or ours:
        source = file_sources.volume(service.init_sql, init_config_map(name), ours)
        yield Mount("initdb", path, source, read_only=True)


def _given(variable: str, value: str | None) -> tuple[Manifest, ...]:
    return ({"name": variable, "value": literal(value)},) if value else ()


def _data(service: Service) -> Mount:
    """What is on tmpfs counts as the container's memory, so the one limit bounds both."""
    if service.storage == "Disk":
        return Mount("data", "/data")
    limit = resources.resources(resources.SERVICES[ServiceType.POSTGRES], service.resources)["limits"]["memory"]
    return Mount("data", "/data", {"emptyDir": {"medium": "Memory", "sizeLimit": limit}})
