"""What each container of the system is told about the run and its other parts, with the user's variables after it.

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
class Announcement:
    """What one part of the run brings into the containers: variables, and which field of the spec they come from."""

    path: str
    entries: tuple[Manifest, ...]


def _values(variables: Mapping[str, str]) -> tuple[Manifest, ...]:
    return tuple({"name": name, "value": value} for name, value in variables.items())


def announcements(
    scope: Scope,
    spec: IntegrationRunSpec,
    backings: Mapping[str, Backing],
    *,
    shard: bool = False,
    shared_volume: bool = False,
) -> tuple[Announcement, ...]:
    """The contract, part by part, in an order in which every `$(NAME)` refers to an earlier variable.

    Args:
        scope: which attempt.
        spec: what its run asks for.
        backings: its services.
        shard: for a container of the tests; the system is one for all shards, so it is told no number.
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
    parts = [Announcement("spec", (HOME, *general, *((_SHARD,) if shard else ())))]
    for name, backing in backings.items():
        secrets = tuple(credential.env() for credential in backing.credentials)
        parts.append(Announcement(f"spec.services.{name}", secrets + _values(backing.variables)))
    for name, app in sorted(spec.apps.items()):
        if main := gates.main_port(app):
            told = {env_name(name, "url"): f"http://{name}:{main}"}
            told |= {env_name(name, "port", key): str(port) for key, port in ordered_ports(app.ports).items()}
            parts.append(Announcement(f"spec.apps.{name}", _values(told)))
    volume, where = spec.shared_volume, shared.path(spec.shared_volume)
    if shared_volume and volume and volume.env and where:
        parts.append(Announcement("spec.sharedVolume.env", _values({volume.env: where})))
    return tuple(parts)


def entries(announced: Iterable[Announcement]) -> list[Manifest]:
    """All entries of the contract."""
    return [entry for part in announced for entry in part.entries]


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
    contract = entries(announcements(scope, spec, backings, shard=shard, shared_volume=shared_volume))
    return merged([*contract, *extra], spec.env, own)
