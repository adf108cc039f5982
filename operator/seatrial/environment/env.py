"""The variables of each container: the contract, which names the run and its parts, then the user's own.

Secrets come in through one `SEATRIAL_*` variable each, read from the environment's Secret; all others refer to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seatrial.api.container import Env
from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scope import Scope
from seatrial.environment import gates, shared
from seatrial.environment.backing import Backing
from seatrial.environment.custom import ordered_ports
from seatrial.environment.expansion import env_name, merged
from seatrial.environment.objects import Manifest
from seatrial.environment.pod import HOME

PROVIDERS_MODE = "mock"
"""Nothing leaves the environment."""
_SHARD = {
    "name": "SEATRIAL_SHARD",
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}},
}


@dataclass(frozen=True)
class ContractPart:
    """The variables that one part of the run sets in containers, and the field of the spec that they come from."""

    path: str
    entries: tuple[Manifest, ...]


def _values(variables: Mapping[str, str]) -> tuple[Manifest, ...]:
    return tuple({"name": name, "value": value} for name, value in variables.items())


def contract(
    scope: Scope,
    spec: IntegrationRunSpec,
    backings: Mapping[str, Backing],
    *,
    shard: bool = False,
    shared_volume: bool = False,
) -> tuple[ContractPart, ...]:
    """The contract, part by part, in an order in which every `$(NAME)` refers to an earlier variable.

    Args:
        scope: which attempt.
        spec: what its run asks for.
        backings: its services.
        shard: for a container of the tests; the system is one for all shards, so it gets no number.
        shared_volume: for a container that mounts the shared volume.
    """
    general = _values(
        {
            "IS_INTEGRATION_TEST": "true",
            "SEATRIAL_RUN": scope.run.name,
            "SEATRIAL_RUN_UID": scope.run.uid,
            "PROVIDERS_MODE": PROVIDERS_MODE,
        }
    )
    parts = [ContractPart("spec", (HOME, *general, *((_SHARD,) if shard else ())))]
    for name, backing in backings.items():
        secrets = tuple(credential.env() for credential in backing.credentials)
        parts.append(ContractPart(f"spec.services.{name}", secrets + _values(backing.variables)))
    for name, app in sorted(spec.apps.items()):
        if main := gates.main_port(app):
            variables = {env_name(name, "url"): f"http://{name}:{main}"}
            variables |= {env_name(name, "port", key): str(port) for key, port in ordered_ports(app.ports).items()}
            parts.append(ContractPart(f"spec.apps.{name}", _values(variables)))
    volume, where = spec.shared_volume, shared.path(spec.shared_volume)
    if shared_volume and volume and volume.env and where:
        parts.append(ContractPart("spec.sharedVolume.env", _values({volume.env: where})))
    return tuple(parts)


def entries(parts: Iterable[ContractPart]) -> list[Manifest]:
    """All entries of the contract."""
    return [entry for part in parts for entry in part.entries]


def container(
    scope: Scope,
    spec: IntegrationRunSpec,
    backings: Mapping[str, Backing],
    own: Env,
    *,
    shard: bool = False,
    shared_volume: bool = False,
    extra: Sequence[Manifest] = (),
) -> list[Manifest]:
    """The whole `env` of one container: the contract, `extra`, `spec.env`, the container's own."""
    parts = contract(scope, spec, backings, shard=shard, shared_volume=shared_volume)
    return merged([*entries(parts), *extra], spec.env, own)
