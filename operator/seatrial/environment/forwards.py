"""`spec.forwards`: ports of 127.0.0.1 and ::1 in a pod that lead to components; its launcher listens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from seatrial.api.run import IntegrationRunSpec
from seatrial.environment import gates
from seatrial.environment.backing import Backing
from seatrial.environment.custom import ready_port
from seatrial.environment.problem import Problem

LOWEST_OPEN_PORT = 1024
"""Below it the kernel lets only root listen, unless a pod says otherwise."""


@dataclass(frozen=True)
class Forward:
    """One port and where it leads."""

    port: int
    component: str
    target: int


def _ports(spec: IntegrationRunSpec, backings: Mapping[str, Backing], component: str) -> Mapping[str, int] | None:
    """The ports of a component by name, the main one first; None if there is no such component."""
    if component in backings:
        return backings[component].ports
    return gates.app_ports(spec.apps[component]) if component in spec.apps else None


def of(spec: IntegrationRunSpec, backings: Mapping[str, Backing]) -> tuple[Forward, ...]:
    """All forwards that lead somewhere (`problems` names the others), by port."""
    found = []
    for port, given in sorted(spec.forwards.items(), key=lambda item: int(item[0])):
        component, _, asked = given.partition(":")
        target = _target(_ports(spec, backings, component) or {}, asked)
        if target is not None:
            found.append(Forward(int(port), component, target))
    return tuple(found)


def _target(ports: Mapping[str, int], asked: str) -> int | None:
    port = ready_port(asked or None, ports)
    return port if port in ports.values() else None


def launcher_flags(forwards: tuple[Forward, ...], own: str = "") -> list[str]:
    """What the launcher listens to.

    In the pod of the app `own` a forward to itself stays in the pod; at the app's own port the app itself answers.
    """
    flags = []
    for each in forwards:
        if each.component != own:
            flags += ["--forward", f"{each.port}={each.component}:{each.target}"]
        elif each.port != each.target:
            flags += ["--forward", f"{each.port}=127.0.0.1:{each.target}"]
    return flags


def problems(spec: IntegrationRunSpec, backings: Mapping[str, Backing]) -> Iterator[Problem]:
    """Forwards that lead nowhere, or that take a port which something in the pod needs."""
    for port, given in sorted(spec.forwards.items()):
        path, (component, _, asked) = f"spec.forwards.{port}", given.partition(":")
        ports = _ports(spec, backings, component)
        if ports is None:
            known = ", ".join(sorted({*backings, *spec.apps})) or "none"
            yield Problem(path, f"there is no service or app {component}; there are: {known}")
        elif _target(ports, asked) is None:
            known = ", ".join(f"{name} ({number})" for name, number in ports.items())
            what = f"no port {asked}" if asked else "no port"
            yield Problem(path, f"{component} has {what}" + (f"; it has {known}" if known else ""))
    yield from _taken(spec, backings)


def _taken(spec: IntegrationRunSpec, backings: Mapping[str, Backing]) -> Iterator[Problem]:
    forwards = of(spec, backings)
    for name, app in sorted(spec.apps.items()):
        own = set(gates.app_ports(app).values()) if app.forwards else set()
        for each in forwards:
            if each.port in own and (each.component, each.target) != (name, each.port):
                yield Problem(
                    f"spec.forwards.{each.port}",
                    f"app {name} listens there itself; use another port, or leave out the forwards of {name}",
                )
    if any(step.forwards for step in spec.migrations):
        beacons = {gates.beacon_port(index) for index in range(len(spec.migrations))}
        for each in forwards:
            if each.port in beacons:
                yield Problem(
                    f"spec.forwards.{each.port}",
                    f"in the migrations' pod Seatrial needs port {each.port} itself; use another one",
                )


def needs_low_ports(forwards: tuple[Forward, ...]) -> bool:
    """Whether a port is one that otherwise only root may take."""
    return any(each.port < LOWEST_OPEN_PORT for each in forwards)
