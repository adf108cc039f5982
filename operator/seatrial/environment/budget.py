"""What one run may ask for: the limits of the installation (chart values `environments.budget`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from seatrial import amounts
from seatrial.api.container import Resources
from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scalars import format_duration
from seatrial.environment import resources
from seatrial.environment.problem import Problem
from seatrial.environment.resources import Defaults, quantity
from seatrial.settings import Budget


@dataclass(frozen=True)
class _Demand:
    """What the pods of one part ask for."""

    path: str
    requests: dict[str, Fraction]
    """Of all its pods."""
    disk: Fraction
    """What one container may write at most."""


def problems(spec: IntegrationRunSpec, budget: Budget) -> Iterator[Problem]:
    """What a run whose quantities are right asks for beyond the limits."""
    replicas = sum(app.replicas for app in spec.apps.values())
    if replicas > budget.replicas:
        largest = max(spec.apps, key=lambda name: spec.apps[name].replicas)
        yield _exceeded(
            f"spec.apps.{largest}.replicas", f"all apps have {replicas} replicas", str(budget.replicas), "replicas"
        )
    demands = _demands(spec)
    yield from _together(demands, "cpu", budget.cpu, _cpus)
    yield from _together(demands, "memory", budget.memory, _bytes)
    for demand in demands:
        if demand.disk > quantity(budget.disk):
            path, asked = f"{demand.path}.resources.limits.{resources.DISK}", f"{_bytes(demand.disk)} may be written"
            yield _exceeded(path, asked, budget.disk, "disk")
    if spec.shared_volume and quantity(spec.shared_volume.size) > quantity(budget.storage):
        asked = f"a volume of {spec.shared_volume.size} is asked for"
        yield _exceeded("spec.sharedVolume.size", asked, budget.storage, "storage")
    if spec.retention.max_lifetime > budget.lifetime:
        asked = f"the environment may live for {format_duration(spec.retention.max_lifetime)}"
        yield _exceeded("spec.retention.maxLifetime", asked, format_duration(budget.lifetime), "lifetime")


def _demands(spec: IntegrationRunSpec) -> list[_Demand]:
    services = sorted(spec.services.items())
    return [
        *(_demand(f"spec.services.{n}", resources.SERVICES[s.type_under(n)], s.resources) for n, s in services),
        *(_demand(f"spec.migrations[{i}]", resources.MIGRATION, m.resources) for i, m in enumerate(spec.migrations)),
        *(_demand(f"spec.apps.{n}", resources.APP, a.resources, a.replicas) for n, a in sorted(spec.apps.items())),
        _demand("spec.tests", resources.TESTS, spec.tests.resources),
    ]


def _demand(path: str, defaults: Defaults, given: Resources | None, replicas: int = 1) -> _Demand:
    asked = resources.resources(defaults, given)
    requests = {key: quantity(asked["requests"][key]) * replicas for key in ("cpu", "memory")}
    return _Demand(path, requests, quantity(asked["limits"][resources.DISK]))


def _together(demands: list[_Demand], key: str, limit: str, written: Callable[[Fraction], str]) -> Iterator[Problem]:
    """The problem, at the part that asks for most, if all parts together ask for too much."""
    whole = sum((demand.requests[key] for demand in demands), Fraction(0))
    if whole > quantity(limit):
        largest = max(demands, key=lambda demand: demand.requests[key])
        yield _exceeded(f"{largest.path}.resources.requests.{key}", f"all pods request {written(whole)}", limit, key)


def _cpus(amount: Fraction) -> str:
    return f"{float(amount):g} CPUs"


def _bytes(amount: Fraction) -> str:
    return amounts.size(int(amount))


def _exceeded(path: str, asked: str, limit: str, key: str) -> Problem:
    value = f"the chart value environments.budget.{key}"
    return Problem(path, f"{asked}, and a run may have at most {limit} here; ask for less, or raise {value}")
