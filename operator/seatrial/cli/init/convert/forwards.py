"""Ports of the machine that the suite knows, and the components that they lead to."""

from __future__ import annotations

from typing import Any

from seatrial.api.services import ServiceType
from seatrial.cli.init.commented import Noted
from seatrial.cli.init.convert import custom, health, system
from seatrial.cli.init.convert.draft import Draft
from seatrial.cli.init.convert.roles import Part, Role
from seatrial.cli.init.findings import Kind

TYPED_PORTS = {
    ServiceType.POSTGRES: 5432,
    ServiceType.MINIO: 9000,
    ServiceType.REDIS: 6379,
    ServiceType.TEMPORAL: 7233,
}
MINIO_CONSOLE = 9001
TEMPORAL_PAGES = 8233
MOST = 50


def forwards(draft: Draft) -> dict[str, Any]:
    """`forwards`, by the machine's port."""
    found: dict[str, Any] = {}
    for part in draft.with_role(Role.SERVICE, Role.APP):
        main = main_port(part, draft)
        for port in part.service.ports:
            if port.published is None:
                continue
            problem = _problem(part, port.target, port.published, port.protocol, found)
            if problem:
                draft.findings.add(problem[0], port.place, f"{part.service.name}: {problem[1]}")
                continue
            to = part.name if port.target == main else f"{part.name}:{port.target}"
            found[str(port.published)] = Noted(to, str(port.place))
            draft.published[port.published] = part.name
    temporal = next((part for part in draft.parts if part.kind is ServiceType.TEMPORAL), None)
    for pages in draft.with_role(Role.PAGES):
        for port in pages.service.ports:
            if temporal and port.published and str(port.published) not in found:
                found[str(port.published)] = Noted(f"{temporal.name}:{TEMPORAL_PAGES}", str(port.place))
    return dict(list(found.items())[:MOST])


def main_port(part: Part, draft: Draft) -> int | None:
    """The port that a component's name alone stands for."""
    probe = health.probe_of(part.service.health)
    if part.role is Role.APP:
        ports = system.ports_of(part, draft, probe)
        return ports[0][0] if ports else None
    if part.kind in TYPED_PORTS:
        return TYPED_PORTS[part.kind]
    return next(iter(custom.ports_of(part, draft, probe).values()), None)


def _problem(part: Part, target: int, published: int, protocol: str, found: dict[str, Any]) -> tuple[Kind, str] | None:
    if protocol != "tcp":
        return Kind.DIFFERENT, f"port {published}/{protocol} leads nowhere: forwards are TCP"
    if str(published) in found:
        return Kind.EDIT, f"port {published} leads to {found[str(published)].value} already"
    console = part.kind is ServiceType.MINIO and target == MINIO_CONSOLE
    if part.kind in TYPED_PORTS and target != TYPED_PORTS[part.kind] and not console:
        return Kind.DIFFERENT, f"no forward from port {published}: {part.name} does not listen on {target} here"
    return None
