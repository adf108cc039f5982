"""Custom services: any other image that stands behind the system under test."""

from __future__ import annotations

import re
from typing import Any

from seatrial.api.services import ServiceType
from seatrial.cli.init.commented import Noted
from seatrial.cli.init.compose.model import Mount
from seatrial.cli.init.convert import health, images
from seatrial.cli.init.convert.draft import Draft, literals
from seatrial.cli.init.convert.health import Probe
from seatrial.cli.init.convert.roles import SOCKET, Part, Role, needs_type
from seatrial.cli.init.findings import Kind
from seatrial.cli.init.material import FILE, FOLDER

_FOLDER_LIKE = re.compile(
    r"(^|/)(data|db|pgdata|volumes?|logs?|storage|tmp|cache|backups?|uploads?|media)(/|$|[-_])", re.IGNORECASE
)
MAIN = "main"


def ports_of(part: Part, draft: Draft, probe: Probe | None) -> dict[str, int]:
    """The ports of a custom service by name, the main one first in the operator's order: `http`, else by name."""
    known = images.CUSTOM.get(part.image.repository)
    found = dict(known.ports) if known else {}
    numbers = [port.target for port in part.service.ports if port.protocol == "tcp"]
    numbers += [number for number, _ in part.service.expose]
    numbers += draft.named_ports(part)
    if probe and probe.port:
        numbers = [probe.port, *numbers] if not known else [*numbers, probe.port]
    for number in dict.fromkeys(numbers):
        if number in found.values():
            continue
        if not found:
            found["http" if probe and probe.port == number and "httpGet" in probe.ready else MAIN] = number
        else:
            found[f"tcp-{number}"] = number
    return found


def service(part: Part, draft: Draft) -> Noted:
    """The manifest's service for an image of any kind."""
    given = part.service
    assert given.image is not None
    probe = health.probe_of(given.health)
    ports = ports_of(part, draft, probe)
    fields: dict[str, Any] = {}
    if needs_type(part.name, ServiceType.CUSTOM):
        fields["type"] = "custom"
    fields["image"] = Noted(given.image.value, str(given.image.place))
    if part.process.command:
        fields["command"] = Noted(literals(part.process.command), str(part.process.place))
    if part.process.args:
        fields["args"] = Noted(literals(part.process.args), str(part.process.place))
    if ports:
        places = [str(port.place) for port in given.ports] or [str(place) for _, place in given.expose]
        fields["ports"] = Noted(ports, places[0] if places else "the image's own")
    if env := draft.env(given.environment, given.name):
        fields["env"] = env
    _ready(part, draft, probe, ports, fields)
    if writable := _writable(part, draft):
        fields["writable"] = Noted(writable, "empty at the start")
    after = [other.name for d in given.dependencies if (other := draft.part(d.name)) and other.role is Role.SERVICE]
    if after:
        fields["after"] = Noted(after, str(given.dependencies[0].place))
    return Noted(fields)


def _ready(part: Part, draft: Draft, probe: Probe | None, ports: dict[str, int], fields: dict[str, Any]) -> None:
    given = part.service.health
    if probe is None or given is None:
        known = images.CUSTOM.get(part.image.repository)
        if known and known.scheme == "http" and "http" in ports and part.image.repository.endswith("search"):
            fields["ready"] = Noted({"httpGet": {"path": "/"}}, "it listens before it can be used")
        return
    if not ports:
        text = f"{part.service.name}: its health check needs a port here; it counts once it runs"
        draft.findings.add(Kind.DIFFERENT, given.place, text)
        return
    ready = probe.ready
    if probe.port is not None and probe.port != next(iter(ports.values())):
        handler, how = next(iter(ready.items()))
        ready = {handler: {**how, "port": probe.port}}
    fields["ready"] = Noted(ready, str(given.place))


def _writable(part: Part, draft: Draft) -> list[str]:
    known = images.CUSTOM.get(part.image.repository)
    found = list(known.writable) if known else []
    for mount in part.service.mounts:
        if mount.source == SOCKET:
            draft.findings.add(Kind.DIFFERENT, mount.place, f"{part.service.name}: there is no container socket")
        elif (mount.kind != "bind" and mount.target.startswith("/")) or (
            mount.kind == "bind" and is_data(mount, draft)
        ):
            found.append(mount.target)
        elif mount.kind == "bind":
            what = draft.material.kinds.get(mount.source, "path of the machine")
            text = f"{part.service.name}: the {what} {mount.source} has no place; build an image with it"
            draft.findings.add(Kind.EDIT, mount.place, text)
    clean = dict.fromkeys(path.rstrip("/") for path in found)
    return [path for path in clean if path not in ("", "/tmp") and ":" not in path][:20]  # noqa: S108


def is_data(mount: Mount, draft: Draft) -> bool:
    """Whether a mounted path is one that a service fills: not there yet, and not called like a file."""
    kind = draft.material.kinds.get(mount.source)
    if kind == FILE or re.search(r"\.[a-z]{2,5}$", mount.target):
        return False
    return kind is None or (kind == FOLDER and bool(_FOLDER_LIKE.search(mount.source)))
