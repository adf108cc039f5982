"""The parts of a run's environment by name, for the diagnosis and the command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seatrial.api.v1alpha1 import IntegrationRun, ServiceType
from seatrial.render import meta, services, tests
from seatrial.render.meta import Role


@dataclass(frozen=True)
class Component:
    """One part: a service, an app, the migrations, or the tests."""

    name: str
    """Its name everywhere: of the object, in DNS, in gates, in the label seatrial.dev/component."""
    role: Role
    kind: Literal["Pod", "Deployment", "Job"]
    has_gate: bool
    """Whether others wait until it can be used."""
    containers: tuple[str, ...]
    """The containers whose logs tell about it, the most telling first."""


def components(run: IntegrationRun) -> tuple[Component, ...]:
    """All parts, in the order in which they are needed."""
    spec = run.spec
    parts = [
        Component(name, Role.SERVICE, "Pod", kind is not ServiceType.CUSTOM or bool(spec.services[name].ports), (name,))
        for name, kind in services.types(run).items()
    ]
    if spec.migrations:
        steps = tuple(step.name for step in spec.migrations)
        parts.append(Component(meta.MIGRATIONS, Role.MIGRATIONS, "Pod", True, steps))
    parts += [
        Component(name, Role.APP, "Deployment", app.port is not None, (name,))
        for name, app in sorted(spec.apps.items())
    ]
    parts.append(Component(meta.TESTS, Role.TESTS, "Job", False, (meta.TESTS, tests.COLLECTOR)))
    return tuple(parts)
