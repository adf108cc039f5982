"""What can be wrong with the fields of typed services that the schema can't say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from seatrial.api.run import IntegrationRunSpec
from seatrial.api.services import Service, ServiceType
from seatrial.environment import postgres
from seatrial.environment.problem import Problem

MINIO_KEY, MINIO_SECRET = 3, 8
"""Characters that MinIO asks for at least."""
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_REDIS_OURS = {
    "bind": "everyone in the environment reaches it",
    "port": "it is 6379",
    "requirepass": "use `password`",
    "protected-mode": "with an empty `password` it is off",
}
"""Redis' settings that Seatrial makes, and what to do instead."""


def problems(spec: IntegrationRunSpec) -> Iterator[Problem]:
    """What is wrong with the fields of services of one type."""
    checks = {ServiceType.POSTGRES: _postgres, ServiceType.MINIO: _minio, ServiceType.REDIS: _redis}
    for name, service in sorted(spec.services.items()):
        path = f"spec.services.{name}"
        for setting in service.settings or {}:
            if not _SETTING.fullmatch(setting):
                yield Problem(f"{path}.settings", f"{setting!r} is not the name of a setting")
        if check := checks.get(service.type_under(name)):
            yield from check(path, service)


def _postgres(path: str, service: Service) -> Iterator[Problem]:
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


def _minio(path: str, service: Service) -> Iterator[Problem]:
    if service.user is not None and len(service.user) < MINIO_KEY:
        yield Problem(f"{path}.user", f"MinIO takes no access key under {MINIO_KEY} characters; give a longer one")
    if service.password is not None and len(service.password) < MINIO_SECRET:
        yield Problem(
            f"{path}.password", f"MinIO takes no secret key under {MINIO_SECRET} characters; give a longer one"
        )


def _redis(path: str, service: Service) -> Iterator[Problem]:
    for setting in sorted(service.settings or {}):
        if instead := _REDIS_OURS.get(setting.lower()):
            yield Problem(f"{path}.settings.{setting}", f"Seatrial makes this one: {instead}")
