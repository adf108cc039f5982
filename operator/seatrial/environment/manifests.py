"""The whole environment of a run: what is created first, and what after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from seatrial.api import labels
from seatrial.api.container import FileSource
from seatrial.api.run import IntegrationRun, IntegrationRunSpec
from seatrial.api.scope import Scope
from seatrial.api.services import ServiceType
from seatrial.environment import (
    access,
    app,
    code,
    credentials,
    file_sources,
    migration,
    namespace,
    network,
    objects,
    postgres,
    secrets,
    services,
    shared,
    tests,
)
from seatrial.settings import Settings


@dataclass(frozen=True)
class Inputs:
    """What a run's manifests depend on besides the run and the settings."""

    config_maps: Mapping[str, Mapping[str, str]]
    """`data` of the ConfigMaps that `file_sources.config_map_names` names, read from the run's namespace."""
    now: datetime
    """Aware; the environment's lease begins here."""
    registry: bytes = b""
    """The `.dockerconfigjson` for the environment's images; empty: what the nodes can pull by themselves."""


@dataclass(frozen=True)
class Environment:
    """The manifests, in the order of their creation; those of one field can be created at once."""

    namespace: objects.Manifest
    role_binding: objects.Manifest
    """Without it the operator may write nothing else into the namespace."""
    foundation: tuple[objects.Manifest, ...]
    """What pods refer to."""
    leading: tuple[objects.Manifest, ...]
    """The pods of services and migrations: everything else waits for them, so the node gets them first."""
    dependents: tuple[objects.Manifest, ...]
    """The apps' Deployments and the tests' Job."""

    @property
    def workloads(self) -> tuple[objects.Manifest, ...]:
        """All that has pods."""
        return (*self.leading, *self.dependents)


def environment(run: IntegrationRun, settings: Settings, inputs: Inputs) -> Environment:
    """The manifests of a run that has no `problems.problems`. The same arguments always give the same manifests.

    Raises:
        KeyError: when `inputs` lacks a ConfigMap that the run refers to.
    """
    scope, spec = run.scope, run.spec
    backings = services.backings(spec.services, settings)
    derived = [credential for backing in backings.values() for credential in backing.credentials]
    apps = sorted(spec.apps.items())
    foundation = (
        access.service_account(scope, inputs.registry),
        credentials.pull_secret(scope, inputs.registry) if inputs.registry else None,
        credentials.secret(
            scope, settings.environment_key, derived, code.token(scope, settings.key, spec.code) if spec.code else None
        ),
        credentials.upload_secret(scope, settings.key, tests.SHARDS, secrets.masks(scope, spec, settings)),
        *_config_maps(scope, spec, inputs),
        shared.claim(scope, spec.shared_volume),
        *network.policies(scope, settings, code.components(spec)),
        *(services.network_service(scope, name, backing) for name, backing in backings.items()),
        migration.network_service(scope, spec.migrations),
        *(app.network_service(scope, name, each) for name, each in apps),
    )
    leading = (
        *(services.workload(scope, spec, settings, backings, name) for name in backings),
        migration.workload(scope, spec, settings, backings),
    )
    dependents = (
        *(app.workload(scope, spec, settings, backings, name, each) for name, each in apps),
        tests.workload(scope, spec, settings, backings),
    )
    return Environment(
        namespace=namespace.namespace(scope, inputs.now, spec.retention.max_lifetime, settings.environment_key),
        role_binding=access.role_binding(scope, settings),
        foundation=tuple(manifest for manifest in foundation if manifest),
        leading=tuple(manifest for manifest in leading if manifest),
        dependents=dependents,
    )


def _config_maps(scope: Scope, spec: IntegrationRunSpec, inputs: Inputs) -> list[objects.Manifest]:
    """The environment's copies of the run's ConfigMaps."""
    copies = []
    for name, service in sorted(spec.services.items()):
        given = _data(service.init_sql, inputs) if service.init_sql else {}
        if service.type_under(name) is ServiceType.POSTGRES and (files := postgres.initial_sql(service, given)):
            copies.append(objects.config_map(scope, postgres.init_config_map(name), name, files))
    if spec.tests.source:
        data = _data(spec.tests.source, inputs)
        copies.append(objects.config_map(scope, tests.SOURCE_CONFIG_MAP, labels.TESTS, data))
    return copies


def _data(files: FileSource, inputs: Inputs) -> dict[str, str]:
    return file_sources.copied(files, inputs.config_maps[files.config_map])
