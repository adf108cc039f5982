"""What can be wrong with the fields of typed services that the schema can't say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from seatrial.api.run import IntegrationRunSpec
from seatrial.api.services import Service, ServiceType
from seatrial.environment import postgres, redis
from seatrial.environment.problem import Problem

MINIO_KEY, MINIO_SECRET = 3, 8
"""Characters that MinIO asks for at least."""
DATABASE_NAME = 52
"""Characters of a database's name that is copied: PostgreSQL cuts names at 63."""
_WORKERS_NAME = re.compile(r"^(seatrial_|postgres$)|_gw[0-9]+$")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_OURS = {
    ServiceType.POSTGRES: {
        "data_directory": "use `storage`",
        "listen_addresses": "everyone in the environment reaches it",
        "port": "it is 5432; tests reach it on another one by `forwards`",
        "unix_socket_directories": "use TCP",
    },
    ServiceType.REDIS: {
        "bind": "everyone in the environment reaches it",
        "port": "it is 6379; tests reach it on another one by `forwards`",
        "requirepass": "use `password`",
        "protected-mode": "with an empty `password` it is off",
    },
}
"""Settings that Seatrial makes, by type, and what to do instead."""


def problems(spec: IntegrationRunSpec) -> Iterator[Problem]:
    """What is wrong with the fields of services of one type."""
    checks = {ServiceType.POSTGRES: _postgres, ServiceType.MINIO: _minio, ServiceType.REDIS: _redis}
    for name, service in sorted(spec.services.items()):
        path, kind = f"spec.services.{name}", service.type_under(name)
        yield from _settings(f"{path}.settings", service, _OURS.get(kind, {}))
        if check := checks.get(kind):
            yield from check(path, service)


def _settings(path: str, service: Service, ours: Mapping[str, str]) -> Iterator[Problem]:
    for setting in sorted(service.settings or {}):
        if not _SETTING.fullmatch(setting):
            yield Problem(path, f"{setting!r} is not the name of a setting")
        elif instead := ours.get(setting.lower()):
            yield Problem(f"{path}.{setting}", f"Seatrial makes this one: {instead}")


def _postgres(path: str, service: Service) -> Iterator[Problem]:
    if service.per_worker:
        yield from _per_worker_databases(path, service)
    if service.password == "":
        yield Problem(
            f"{path}.password", "Postgres needs a password; give one, or leave it out for one made for the run"
        )
    if service.image or service.version in (None, postgres.VERSION):
        return
    if service.locale and service.locale.startswith("icu:"):
        yield Problem(
            f"{path}.locale",
            f"version {service.version} has no ICU here; use version {postgres.VERSION}, or an `image` of your own",
        )
    for i, extension in enumerate(service.extensions or ()):
        if extension.startswith(("postgis", "address_standardizer")):
            yield Problem(
                f"{path}.extensions[{i}]",
                f"version {service.version} has no {extension} here; use version {postgres.VERSION}, "
                "or an `image` of your own, such as postgis/postgis",
            )


def _per_worker_databases(path: str, service: Service) -> Iterator[Problem]:
    if not service.databases:
        yield Problem(f"{path}.perWorker", "the database `postgres` is not copied; give the suite's own in `databases`")
    for i, name in enumerate(service.databases or ()):
        if len(name) > DATABASE_NAME or _WORKERS_NAME.search(name):
            yield Problem(
                f"{path}.databases[{i}]",
                f"{name} can't be copied for workers: take at most {DATABASE_NAME} characters, and no name that begins "
                "with seatrial_ or ends with _gw0 or such",
            )


def _minio(path: str, service: Service) -> Iterator[Problem]:
    if service.user is not None and len(service.user) < MINIO_KEY:
        yield Problem(f"{path}.user", f"MinIO takes no access key under {MINIO_KEY} characters; give a longer one")
    if service.password is not None and len(service.password) < MINIO_SECRET:
        yield Problem(
            f"{path}.password", f"MinIO takes no secret key under {MINIO_SECRET} characters; give a longer one"
        )


def _redis(path: str, service: Service) -> Iterator[Problem]:
    if service.per_worker and (service.settings or {}).get(redis.CLUSTER) == "yes":
        yield Problem(f"{path}.perWorker", "a cluster has one database only; leave out cluster-enabled or perWorker")
