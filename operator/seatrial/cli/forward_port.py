"""`seatrial open RUN COMPONENT`: a port of a component on this machine, while the environment is there."""

from __future__ import annotations

import asyncio
import signal
import socket
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from seatrial.cli.connect import Session
from seatrial.cli.environment import check_environment
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.logs import component_of
from seatrial.cli.output import Out
from seatrial.cli.run import Run
from seatrial.cli.runs import find
from seatrial.cli.shell import pods_of, running_pod
from seatrial.kube.errors import ClusterError, ForbiddenError, NotFoundError
from seatrial.kube.kinds import SERVICE

_PRIVILEGED = 1024
_HTTP_SERVICES = ("minio",)
"""Types of services that a browser can show."""


@dataclass(frozen=True)
class ComponentPort:
    """A port of a component."""

    component: str
    environment: str
    number: int
    """As the others in the environment know it."""
    target: int | str
    """Of the pod: its number, or its name there."""


async def forward_port(session: Session, out: Out, name: str, wanted: str, local: int, browse: bool) -> Exit:
    """Forwards until it is interrupted.

    Args:
        session: the cluster.
        out: says where.
        name: of the run.
        wanted: component, or `component:port`.
        local: port of this machine; 0: the same number where that is free, else any.
        browse: whether to open a browser, for what a browser can show.

    Raises:
        CliError: run, component or port are not there, or the local port can't be opened.
    """
    run = await find(session, name)
    port = await _port_of(session, run, wanted)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    joined: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_join(session, out, port, reader, writer))
        joined.add(task)
        task.add_done_callback(joined.discard)

    with listening(local, port.number) as opened:
        server = await asyncio.start_server(accept, sock=opened)
        here = f"127.0.0.1:{opened.getsockname()[1]}"
        out.line((here, "bold"), f" is {port.component}:{port.number} of run {run.name}")
        out.line(("Ctrl-C ends it", "dim"))
        if browse and is_http(run, port.component):
            await asyncio.to_thread(webbrowser.open, f"http://{here}")
        await stop.wait()
        server.close()
    for task in joined:
        task.cancel()
    await asyncio.gather(*joined, return_exceptions=True)
    return Exit.PASSED


async def _port_of(session: Session, run: Run, wanted: str) -> ComponentPort:
    component, _, number = wanted.partition(":")
    component_of(run, component)
    environment = check_environment(run)
    try:
        service = await session.cluster.get(SERVICE, component, environment)
    except NotFoundError as error:
        raise CliError(f"{component} of run {run.name} has no port") from error
    except ForbiddenError as error:
        hint = f"this needs the right to `get services` and to `create pods/portforward` in namespace {environment}"
        raise CliError(error.message, hint=hint, code=Exit.INFRASTRUCTURE) from error
    found = chosen_port(service, number, component)
    return ComponentPort(component, environment, int(found["port"]), found.get("targetPort") or int(found["port"]))


def chosen_port(service: Mapping[str, Any], wanted: str, component: str) -> Mapping[str, Any]:
    """The port of a Service that is meant by number or name, or its first. Pure.

    Raises:
        CliError: it has no such port.
    """
    ports: Sequence[Mapping[str, Any]] = (service.get("spec") or {}).get("ports") or ()
    for port in ports:
        if not wanted or wanted in (str(port.get("port")), port.get("name")):
            return port
    there = ", ".join(f"{port.get('name') or ''} {port.get('port')}".strip() for port in ports)
    raise CliError(f"{component} has no port {wanted}".rstrip(), hint=f"there is {there}" if there else "")


def is_http(run: Run, component: str) -> bool:
    """Whether a browser can probably show it. Pure."""
    service = run.spec.services.get(component)
    kind = (service.get("type") if isinstance(service, dict) else None) or component
    return component in run.spec.apps or kind in _HTTP_SERVICES


def listening(local: int, preferred: int) -> socket.socket:
    """A socket on this machine alone.

    Raises:
        CliError: the port can't be opened.
    """
    if not local and preferred >= _PRIVILEGED:
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", preferred))
    try:
        return socket.create_server(("127.0.0.1", local))
    except OSError as error:
        raise CliError(f"port {local} can't be opened: {error.strerror}", hint="leave --port out") from error


async def _join(
    session: Session, out: Out, port: ComponentPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        pod = running_pod(await pods_of(session, port.environment, port.component), port.component)
        await session.cluster.forward(
            port.environment, str(pod["metadata"]["name"]), target_number(pod, port), reader, writer
        )
    except (ClusterError, CliError) as error:
        out.error(CliError(f"{port.component}:{port.number} can't be reached: {error.message}"))
    finally:
        writer.close()


def target_number(pod: Mapping[str, Any], port: ComponentPort) -> int:
    """The number of a port in its pod, which a Service may know by its name. Pure."""
    if isinstance(port.target, int):
        return port.target
    named = [each for container in pod["spec"]["containers"] for each in container.get("ports") or ()]
    return next((int(each["containerPort"]) for each in named if each.get("name") == port.target), port.number)
