"""Findings: lines of the evidence with what they show, and what is known of the run beside them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from seatrial.api import labels
from seatrial.api.labels import Role
from seatrial.api.run import IntegrationRun
from seatrial.api.services import Service, ServiceType
from seatrial.evidence.codes import Code, Severity, severity_of
from seatrial.facts.attempt import Pod, Termination
from seatrial_protocol.text import shorten

LINE = 500
"""Characters of a line that are kept."""
_PORTS = {5432: "postgres", 9000: "minio", 7233: "temporal", 6379: "redis"}


@dataclass(frozen=True)
class Finding:
    """A line that shows something."""

    code: Code
    component: str
    file: str
    """Of the evidence."""
    line: str
    at: datetime | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    """What it is about; the sentences have places for it."""

    @property
    def severity(self) -> Severity:
        """How much it explains."""
        return severity_of(self.code)

    @property
    def subject(self) -> tuple[Code, str]:
        """Equal for findings that show the same of the same thing."""
        return self.code, "\0".join(f"{key}={value}" for key, value in sorted(self.data.items()))


@dataclass(frozen=True)
class Context:
    """What is known of the run beside its logs."""

    name: str = "RUN"
    roles: Mapping[str, str] = field(default_factory=dict)
    """Role of each component."""
    broken: frozenset[str] = frozenset()
    """Components that ended when they should not have."""
    ports: Mapping[int, str] = field(default_factory=lambda: dict(_PORTS))
    """Who listens on a port."""
    postgres: frozenset[str] = frozenset()
    """Services that run our Postgres image."""


def context_of(run: IntegrationRun, pods: Iterable[Pod]) -> Context:
    """What findings need to know of a run."""
    roles = dict.fromkeys(run.spec.services, Role.SERVICE) | dict.fromkeys(run.spec.apps, Role.APP)
    ports = {port: name for port, name in _PORTS.items() if name in run.spec.services}
    for name, app in run.spec.apps.items():
        ports |= dict.fromkeys((*((app.port,) if app.port else ()), *(app.ports or {}).values()), name)
    broken = {
        pod.component
        for pod in pods
        if any(end is not None and ended_badly(pod, end) for c in pod.containers for end in (c.terminated, c.previous))
    }
    return Context(
        name=run.metadata.name,
        roles={**roles, labels.MIGRATIONS: Role.MIGRATIONS, labels.TESTS: Role.TESTS},
        broken=frozenset(broken),
        ports=ports,
        postgres=frozenset(name for name, service in run.spec.services.items() if _is_postgres(name, service)),
    )


def ended_badly(pod: Pod, end: Termination) -> bool:
    """Whether a process of this pod should not have ended like that; of the tests, the result says it."""
    return pod.role != Role.TESTS and (end.exit_code != 0 or pod.role == Role.SERVICE)


def cut(line: str, limit: int = LINE) -> str:
    """A line without the space around it, at most so long; an ellipsis stands for what is left out."""
    return shorten(line.strip(), limit)


def _is_postgres(name: str, service: Service) -> bool:
    return service.type_under(name) is ServiceType.POSTGRES
