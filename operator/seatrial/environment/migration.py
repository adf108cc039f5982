"""Migrations: one Pod, a container a step; each waits for the beacon of the one before, apps and tests for the last one's."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.api import labels
from seatrial.api.run import IntegrationRun
from seatrial.environment import env, gates, meta, network, pod, resources
from seatrial.environment.backing import Backing
from seatrial.settings import Settings


def workload(run: IntegrationRun, settings: Settings, backings: Mapping[str, Backing]) -> meta.Manifest | None:
    """The Pod, if there are migrations."""
    if not run.spec.migrations:
        return None
    containers = [
        pod.Container(
            name=step.name,
            image=step.image,
            resources=resources.resources(resources.MIGRATION, step.resources),
            command=gates.launch(
                run,
                gates.of_services(backings) + gates.of_step(run, index),
                ("--beacon", f":{gates.beacon_port(index)}"),
                step.command,
            ),
            args=step.args,
            working_dir=step.working_dir,
            env=env.container(run, backings, step.env),
            ports=(gates.beacon_port(index),),
            mounts=(pod.TMP, pod.tools(settings)),
        )
        for index, step in enumerate(run.spec.migrations)
    ]
    return pod.bare(run, settings, labels.MIGRATIONS, labels.Role.MIGRATIONS, containers)


def network_service(run: IntegrationRun) -> meta.Manifest | None:
    """Leads to the last step's beacon: what answers there says that all steps are done."""
    if not run.spec.migrations:
        return None
    last = gates.beacon_port(len(run.spec.migrations) - 1)
    ports = {"beacon": (gates.BEACON_PORT, last)}
    return network.service(run, labels.MIGRATIONS, labels.Role.MIGRATIONS, ports)
