"""What is wrong with a run that the schema can't say: each with the field's path and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter

from seatrial import amounts
from seatrial.api.container import FileSource, Resources
from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.environment import (
    budget,
    custom,
    gates,
    places,
    resources,
    typed_services,
    variables,
)
from seatrial.environment.problem import Problem
from seatrial.settings import Budget

COPIED_CHARACTERS = 4 * 1024 * 1024
"""Of all ConfigMaps that are copied into one environment. One holds up to 1 MiB."""
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
        *_config_maps(run, config_maps),
        *_names(run),
        *_ports(run),
        *_order(run),
        *wrong_quantities,
        *variables.reserved_names(run.spec),
        *(() if wrong_quantities else budget.problems(run.spec, limits)),
        *(() if wrong_quantities else variables.problems(run)),  # which needs the services with their quantities
        *places.problems(run),
        *_timeouts(run),
        *typed_services.problems(run.spec),
    )


def _config_maps(run: IntegrationRun, found: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    def check(path: str, files: FileSource, what: str, ending: str) -> Iterator[Problem]:
        name, namespace = files.config_map, run.metadata.namespace
        if not name:
            yield Problem(path, "give configMapRef: {name: ...}")
        elif name not in found:
            yield Problem(
                f"{path}.configMapRef.name",
                f"there is no ConfigMap {name} in namespace {namespace}; create it before the run: "
                f"kubectl create configmap {name} -n {namespace} --from-file=...",
            )
        elif not any(key.endswith(ending) for key in found[name]):
            yield Problem(
                f"{path}.configMapRef.name", f"ConfigMap {name} in namespace {namespace} holds no {what} in its data"
            )

    copied = 0
    for path, files, what, ending in _file_sources(run):
        yield from check(path, files, what, ending)
        copied += sum(len(key) + len(text) for key, text in found.get(files.config_map, {}).items())
        if copied > COPIED_CHARACTERS:
            yield Problem(
                f"{path}.configMapRef.name",
                f"the ConfigMaps up to this one hold more than {amounts.size(COPIED_CHARACTERS)} in all, each counted "
                "as often as the run refers to it; put large data into an image",
            )
            return


def _file_sources(run: IntegrationRun) -> Iterator[tuple[str, FileSource, str, str]]:
    """Path, source, what it must hold, and how the names of such files end."""
    for name, service in sorted(run.spec.services.items()):
        if service.init_sql:
            yield f"spec.services.{name}.initSQL", service.init_sql, "file that ends in .sql", ".sql"
    if run.spec.tests.source:
        yield "spec.tests.source", run.spec.tests.source, "files", ""


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
