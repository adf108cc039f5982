"""Gates: what each process waits for, as the launcher's arguments."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from seatrial.api import labels
from seatrial.api.scalars import format_duration
from seatrial.api.system import App, Migration
from seatrial.environment import objects, pod, resources, security
from seatrial.environment.backing import Backing
from seatrial.environment.custom import gate_url, ordered_ports, ready_port
from seatrial.settings import Settings

BEACON_PORT = 7070
"""Port of the first migration's beacon; the next ones follow. The Service `migrations` has it for the last one."""


@dataclass(frozen=True)
class Gate:
    """One thing to wait for: the component's name, and the URL at which the launcher asks it."""

    name: str
    url: str


def of_services(backings: Mapping[str, Backing], names: Container[str] | None = None) -> tuple[Gate, ...]:
    """One gate for each service, or for each of these."""
    return tuple(Gate(name, backing.gate) for name, backing in backings.items() if names is None or name in names)


def beacon_port(step: int) -> int:
    """Where the beacon of a migration (counted from 0) answers in its pod."""
    return BEACON_PORT + step


def of_migrations(steps: Sequence[Migration]) -> tuple[Gate, ...]:
    """The gate that opens once all migrations are done; none if there are none."""
    return (Gate(labels.MIGRATIONS, f"tcp://{labels.MIGRATIONS}:{BEACON_PORT}"),) if steps else ()


def of_step(steps: Sequence[Migration], step: int) -> tuple[Gate, ...]:
    """The gate that opens once the migration before this one (counted from 0) is done; none for the first."""
    if step == 0:
        return ()
    return (Gate(steps[step - 1].name, f"tcp://127.0.0.1:{beacon_port(step - 1)}"),)


def app_ports(app: App) -> dict[str, int]:
    """The ports at which an app is reached: the main one first, its readiness port, if it is another, last."""
    named = ordered_ports(app.ports)
    main = main_port(app)
    if main is None:
        return {}
    called = next((name for name, port in named.items() if port == main), "app")
    ports = {called: main, **{name: port for name, port in named.items() if port != main}}
    how = app.ready and app.ready.asked
    asked = ready_port(how.port, named) if how and how.port is not None else None
    if asked is not None and asked not in ports.values():
        ports["ready"] = asked
    return ports


def main_port(app: App) -> int | None:
    """Where an app is reached under its URL; None if it has no port."""
    return app.port if app.port is not None else ready_port(None, ordered_ports(app.ports))


def of_apps(apps: Mapping[str, App], names: Container[str] | None = None) -> tuple[Gate, ...]:
    """One gate for each app, or for each of these."""
    return tuple(
        Gate(name, gate_url(name, app.ready, app_ports(app)))
        for name, app in sorted(apps.items())
        if names is None or name in names
    )


def _flags(gates: Sequence[Gate], timeout: timedelta) -> list[str]:
    waits = [word for gate in gates for word in ("--wait", f"{gate.name}={gate.url}")]
    return [*waits, "--timeout", format_duration(timeout)]


def launch(gates: Sequence[Gate], timeout: timedelta, flags: Sequence[str], command: Sequence[str]) -> list[str]:
    """The container's command that starts `command` once the gates are open; it ends with an error after `timeout`."""
    return [security.LAUNCH, "run", *_flags(gates, timeout), *flags, "--", *command]


def wait_container(
    settings: Settings,
    gates: Sequence[Gate],
    timeout: timedelta,
    env: Sequence[objects.Manifest],
    flags: Sequence[str] = (),
    mounts: Sequence[pod.Mount] = (),
) -> pod.Container:
    """An init container that ends once the gates are open, before a main container that has its own command.

    `flags` and `mounts` are of what it prepares meanwhile.
    """
    return pod.Container(
        name="seatrial-wait",
        image=settings.images.runner,
        resources=resources.resources(resources.TOOL, None),
        command=[security.LAUNCH, "wait", *_flags(gates, timeout), *flags],
        env=env,
        mounts=mounts,
    )
