"""What is wrong with a run that the schema can't say: each with the field's path and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter

from seatrial.api.container import Resources
from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.environment import (
    budget,
    custom,
    file_sources,
    forwards,
    gates,
    places,
    resources,
    services,
    typed_services,
    variables,
)
from seatrial.environment.problem import Problem
from seatrial.settings import Budget, Settings

OUR_NAMES = "seatrial-"
"""Containers of ours are called so."""
_PORT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def problems(run: IntegrationRun, config_maps: Mapping[str, Mapping[str, str]], limits: Budget) -> tuple[Problem, ...]:
    """All problems of a run.

    Args:
        run: the run.
        config_maps: `data` of those ConfigMaps of `environment.config_map_names` that exist.
        limits: what a run may ask for here.
    """
    wrong_quantities = tuple(_resources(run))
    return (
        *file_sources.problems(run, config_maps),
        *_names(run),
        *_ports(run),
        *_order(run),
        *wrong_quantities,
        *variables.reserved_names(run.spec),
        *(() if wrong_quantities else budget.problems(run.spec, limits)),
        *(() if wrong_quantities else _of_rendered_services(run)),
        *places.problems(run),
        *_timeouts(run),
        *typed_services.problems(run.spec),
    )


def _of_rendered_services(run: IntegrationRun) -> Iterator[Problem]:
    """What needs the services with their quantities."""
    yield from variables.problems(run)
    yield from forwards.problems(run.spec, services.backings(run.spec.services, Settings()))


def _names(run: IntegrationRun) -> Iterator[Problem]:
    spec = run.spec
    named = [(f"spec.services.{name}", name) for name in sorted(spec.services)]
    named += [(f"spec.migrations[{i}].name", step.name) for i, step in enumerate(spec.migrations)]
    named += [(f"spec.apps.{name}", name) for name in sorted(spec.apps)]
    for path, name in named:
        if name.startswith(OUR_NAMES):
            yield Problem(path, f"names that begin with {OUR_NAMES} are taken; use another one")


def _ports(run: IntegrationRun) -> Iterator[Problem]:
    for name, service in sorted(run.spec.services.items()):
        path, ports = f"spec.services.{name}", custom.ordered_ports(service.ports)
        yield from _port_names(path, ports, {})
        how = service.ready and service.ready.asked
        if how and how.port is not None and custom.ready_port(how.port, ports) not in ports.values():
            known = ", ".join(f"{key} ({port})" for key, port in ports.items())
            yield Problem(f"{path}.ready", f"there is no port {how.port}; ports has {known}")
    for name, app in sorted(run.spec.apps.items()):
        path, ports = f"spec.apps.{name}", custom.ordered_ports(app.ports)
        yield from _port_names(path, ports, {"app": app.port, "ready": None})
        ready = app.ready and app.ready.asked
        if ready and ready.port is not None:
            number = custom.ready_port(ready.port, ports)
            if number is None or not 1 <= number <= 65535:
                main = gates.main_port(app)
                yield Problem(
                    f"{path}.ready",
                    f"{ready.port!r} is not a port: give a number from 1 to 65535 or a name in ports, "
                    f"or leave it out for {main}",
                )


def _port_names(path: str, ports: Mapping[str, int], taken: Mapping[str, int | None]) -> Iterator[Problem]:
    """`taken`: names that mean another port."""
    seen: dict[int, str] = {}
    for name, port in ports.items():
        if not _PORT_NAME.fullmatch(name):
            yield Problem(
                f"{path}.ports.{name}",
                "a port's name has lower case letters, digits and '-', at most 63, and begins and ends "
                "with a letter or digit",
            )
        if name in taken and taken[name] != port:
            yield Problem(f"{path}.ports.{name}", f"the name {name} is taken; use another one")
        if port in seen:
            yield Problem(f"{path}.ports.{name}", f"port {port} is already called {seen[port]}; name it once")
        seen.setdefault(port, name)


def _order(run: IntegrationRun) -> Iterator[Problem]:
    """`after`: names of others, and no circle."""
    parts = (
        ("services", "service", {name: service.after or () for name, service in run.spec.services.items()}),
        ("apps", "app", {name: app.after for name, app in run.spec.apps.items()}),
    )
    for field, what, after in parts:
        unknown = False
        for name, others in sorted(after.items()):
            for i, other in enumerate(others):
                if other not in after:
                    unknown = True
                    known = ", ".join(sorted(after.keys() - {name})) or "none"
                    yield Problem(f"spec.{field}.{name}.after[{i}]", f"there is no {what} {other}; there are: {known}")
        if not unknown and (circle := _circle(after)):
            yield Problem(
                f"spec.{field}.{circle[0]}.after", f"they wait for each other: {' after '.join((*circle, circle[0]))}"
            )


def _circle(after: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Names of which each comes after the next and the last after the first; empty if there are none."""
    sorter = TopologicalSorter(after)
    try:
        sorter.prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return tuple(reversed(found[1:]))
    return ()


def _resources(run: IntegrationRun) -> Iterator[Problem]:
    spec = run.spec
    given: list[tuple[str, Resources | None]] = [
        *((f"spec.services.{name}", service.resources) for name, service in sorted(spec.services.items())),
        *((f"spec.migrations[{i}]", step.resources) for i, step in enumerate(spec.migrations)),
        *((f"spec.apps.{name}", app.resources) for name, app in sorted(spec.apps.items())),
        ("spec.tests", spec.tests.resources),
    ]
    for path, wanted in given:
        if wanted:
            yield from _quantities(f"{path}.resources", wanted)


def _quantities(path: str, wanted: Resources) -> Iterator[Problem]:
    wrong = False
    for side, quantities in (("requests", wanted.requests), ("limits", wanted.limits)):
        for key, text in quantities.items():
            try:
                resources.quantity(text)
            except ValueError as error:
                wrong = True
                yield Problem(f"{path}.{side}.{key}", str(error))
    if wrong:
        return
    for key in sorted(wanted.requests.keys() & wanted.limits.keys()):
        request, limit = wanted.requests[key], wanted.limits[key]
        if resources.quantity(request) > resources.quantity(limit):
            yield Problem(f"{path}.requests.{key}", f"{request} is more than the limit, {limit}")


def _timeouts(run: IntegrationRun) -> Iterator[Problem]:
    second, timeouts = timedelta(seconds=1), run.spec.timeouts
    for path, given in (("spec.timeouts.environment", timeouts.environment), ("spec.timeouts.tests", timeouts.tests)):
        if given < second:
            yield Problem(path, f"{format_duration(given)} is no time to do anything in; give at least 1s")
