"""Custom services: any image, with what the run says about it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from seatrial.api.readiness import AppReadiness
from seatrial.api.services import Service
from seatrial.environment.backing import Backing
from seatrial.environment.expansion import env_name, literal, merged
from seatrial.environment.objects import Manifest
from seatrial.environment.paths import normal
from seatrial.environment.pod import HOME, TMP, Mount, tcp_probe


def ordered_ports(ports: Mapping[str, int] | None) -> dict[str, int]:
    """The ports, main port first: the one named http, else the first by name (a stored object keeps no order)."""
    return dict(sorted((ports or {}).items(), key=lambda item: (item[0] != "http", item[0])))


def ready_port(port: int | str | None, ports: Mapping[str, int]) -> int | None:
    """The number of the port that readiness names, by default the first; None if there is no such port."""
    if port is None:
        return next(iter(ports.values()), None)
    if isinstance(port, str) and not port.isdecimal():
        return ports.get(port)
    return int(port)


def gate_url(host: str, ready: AppReadiness | None, ports: Mapping[str, int]) -> str:
    """What the launcher asks to see that something of the user's can be used; without a port: whether it runs."""
    how = ready and ready.asked
    port = ready_port(how.port if how else None, ports)
    if port is None:
        return f"dns://{host}"
    if ready and ready.http_get:
        path = quote(ready.http_get.path, safe="/?&=%:;,+~!@$'()*-._[]")
        headers = "&".join(f"{each.name}={quote(each.value, safe='')}" for each in ready.http_get.http_headers)
        url = f"{ready.http_get.scheme.lower()}://{host}:{port}{literal(path)}"
        return f"{url}#{headers}" if headers else url
    if ready and ready.grpc:
        service = quote(ready.grpc.service, safe="")
        return f"grpc://{host}:{port}" + (f"/{service}" if service else "")
    return f"tcp://{host}:{port}"


def backing(name: str, service: Service) -> Backing:
    """The custom service called `name`.

    It gets no variables of the other services: an image that looks for `PGHOST` would take theirs for its own.
    """
    ports = ordered_ports(service.ports)
    main = next(iter(ports.values()), None)
    by_exec = service.ready.exec if service.ready else None
    readiness: Manifest | None = tcp_probe(main) if main else None
    if by_exec:
        readiness = {"exec": {"command": list(by_exec.command)}, "periodSeconds": 1, "timeoutSeconds": 10}
    variables = {}
    if main:
        variables = {
            env_name(name, "host"): name,
            env_name(name, "port"): str(main),
            **{env_name(name, "port", key): str(port) for key, port in ports.items()},
            env_name(name, "url"): f"http://{name}:{main}",
        }
    return Backing(
        image=service.image or "",
        ports=ports,
        gate=gate_url(name, service.ready, ports),
        variables=variables,
        command=service.command or (),
        args=service.args or (),
        env=merged([HOME], service.env or ()),
        readiness=readiness,
        only_ready=by_exec is not None,
        mounts=(TMP, *(Mount(f"writable-{i}", normal(path)) for i, path in enumerate(service.writable or ()))),
    )
