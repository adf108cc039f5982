"""The backing services of a run: which there are, and their Pods and Services."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.api import labels
from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scope import Scope
from seatrial.api.services import Service, ServiceType
from seatrial.environment import custom, env, gates, minio, network, objects, pod, postgres, redis, resources, temporal
from seatrial.environment.backing import Backing
from seatrial.environment.expansion import env_name
from seatrial.settings import Settings

_TYPED = {
    ServiceType.POSTGRES: postgres.backing,
    ServiceType.MINIO: minio.backing,
    ServiceType.TEMPORAL: temporal.backing,
    ServiceType.REDIS: redis.backing,
}


def types(services: Mapping[str, Service]) -> dict[str, ServiceType]:
    """The type of each service, by name and in the order of names (a stored object keeps no other order)."""
    return {name: service.type_under(name) for name, service in sorted(services.items())}


def prefixes(services: Mapping[str, Service]) -> dict[str, str]:
    """What the names of each typed service's variables begin with.

    Nothing for the first of its type (the one named like the type, else the first by name); a further one's own name.
    """
    first: dict[ServiceType, str] = {}
    for name, kind in types(services).items():
        if name == kind.value or kind not in first:
            first[kind] = name
    return {name: "" if first[kind] == name else env_name(name) + "_" for name, kind in types(services).items()}


def backings(services: Mapping[str, Service], settings: Settings) -> dict[str, Backing]:
    """All backing services by name."""
    prefix = prefixes(services)
    return {
        name: custom.backing(name, services[name])
        if kind is ServiceType.CUSTOM
        else _TYPED[kind](name, services[name], prefix[name], settings)
        for name, kind in types(services).items()
    }


def network_service(scope: Scope, name: str, backing: Backing) -> objects.Manifest:
    """The DNS name of a backing service."""
    ports = {key: (port, port) for key, port in backing.ports.items()}
    return network.service(scope, name, labels.Role.SERVICE, ports, only_ready=backing.only_ready)


def workload(
    scope: Scope, spec: IntegrationRunSpec, settings: Settings, backings: Mapping[str, Backing], name: str
) -> objects.Manifest:
    """The Pod of a backing service: never restarted, because a restarted database would be an empty one."""
    service, backing = spec.services[name], backings[name]
    before = gates.of_services(backings, service.after or ())
    init: tuple[pod.Container, ...] = ()
    if before:
        contract = env.entries(env.contract(scope, spec, backings))
        init = (gates.wait_container(settings, before, spec.timeouts.environment, contract),)
    container = pod.Container(
        name=name,
        image=backing.image,
        resources=resources.resources(resources.SERVICES[service.type_under(name)], service.resources),
        command=backing.command,
        args=backing.args,
        env=backing.env,
        ports=tuple(backing.ports.values()),
        readiness=backing.readiness,
        mounts=backing.mounts,
    )
    return pod.bare(scope, settings, name, labels.Role.SERVICE, (container,), init=init, user=backing.user)
