"""Migrations: one Pod, a container a step; each waits for the beacon of the one before, all else for the last one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from seatrial.api import labels
from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scope import Scope
from seatrial.api.system import Migration
from seatrial.environment import code, env, forwards, gates, network, objects, pod, resources
from seatrial.environment.backing import Backing
from seatrial.settings import Settings


def workload(
    scope: Scope, spec: IntegrationRunSpec, settings: Settings, backings: Mapping[str, Backing]
) -> objects.Manifest | None:
    """The Pod, if there are migrations."""
    if not spec.migrations:
        return None
    steps = range(len(spec.migrations))
    overlays = [_overlay(scope, spec, settings, step) for step in steps]
    containers = [_container(scope, spec, settings, backings, step, overlays[step]) for step in steps]
    forwarded = any(step.forwards for step in spec.migrations)
    low_ports = forwarded and forwards.needs_low_ports(forwards.of(spec, backings))
    init = tuple(chain.from_iterable(overlay.init for overlay in overlays))
    return pod.bare(
        scope, settings, labels.MIGRATIONS, labels.Role.MIGRATIONS, containers, init=init, low_ports=low_ports
    )


def _overlay(scope: Scope, spec: IntegrationRunSpec, settings: Settings, index: int) -> code.Overlay:
    """Each step has the bundle's files to itself."""
    step = spec.migrations[index]
    return code.overlay(scope, spec.code if step.code else None, step.image, settings, suffix=f"-{index}")


def _container(
    scope: Scope,
    spec: IntegrationRunSpec,
    settings: Settings,
    backings: Mapping[str, Backing],
    index: int,
    overlay: code.Overlay,
) -> pod.Container:
    step = spec.migrations[index]
    bundle = spec.code if step.code else None
    working_dir, chdir = code.entered(code.working_dir(step.working_dir, bundle), bundle)
    listens = forwards.launcher_flags(forwards.of(spec, backings)) if step.forwards else []
    is_last = index == len(spec.migrations) - 1
    clones = [word for backing in backings.values() for url in backing.clones if is_last for word in ("--clone", url)]
    return pod.Container(
        name=step.name,
        image=step.image,
        resources=resources.resources(resources.MIGRATION, step.resources),
        command=gates.launch(
            gates.of_services(backings) + gates.of_step(spec.migrations, index),
            spec.timeouts.environment,
            ["--beacon", f":{gates.beacon_port(index)}", *clones, *overlay.flags, *listens, *chdir],
            step.command,
        ),
        args=step.args,
        working_dir=working_dir,
        env=[*env.container(scope, spec, backings, step.env), *overlay.env],
        ports=(gates.beacon_port(index),),
        mounts=(pod.TMP, *pod.USERS, pod.tools(settings), *overlay.mounts),
    )


def network_service(scope: Scope, steps: Sequence[Migration]) -> objects.Manifest | None:
    """Leads to the last step's beacon: what answers there says that all steps are done."""
    if not steps:
        return None
    last = gates.beacon_port(len(steps) - 1)
    ports = {"beacon": (gates.BEACON_PORT, last)}
    return network.service(scope, labels.MIGRATIONS, labels.Role.MIGRATIONS, ports)
