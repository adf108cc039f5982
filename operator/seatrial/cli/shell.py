"""`seatrial shell`: a shell, or one command, in a container of a run's environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seatrial.api.labels import COMPONENT
from seatrial.cli.connect import Session
from seatrial.cli.environment import check_environment
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.local_terminal import LocalTerminal
from seatrial.cli.logs import component_of
from seatrial.cli.runs import find
from seatrial.kube.errors import ClusterError, ForbiddenError, NotFoundError
from seatrial.kube.kinds import POD, Object

_SHELL = ("/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")


async def shell(session: Session, name: str, component: str, command: str | None) -> int:
    """Runs a shell, or a command of it, and returns its exit status.

    Raises:
        CliError: the environment or the component is not there, or has no shell.
    """
    run = await find(session, name)
    place = component_of(run, component)
    environment = check_environment(run)
    try:
        pod, container = running_container(await pods_of(session, environment, place), component)
        words = ("/bin/sh", "-c", command) if command is not None else _SHELL
        terminal = LocalTerminal()
        with terminal.raw():
            return await session.cluster.execute(environment, pod, container, words, terminal)
    except ForbiddenError as error:
        hint = f"this needs the right to `create pods/exec` in namespace {environment}"
        raise CliError(error.message, hint=hint, code=Exit.INFRASTRUCTURE) from error
    except NotFoundError as error:
        raise CliError(f"{component} of run {name} is gone: {error.message}", code=Exit.INFRASTRUCTURE) from error
    except ClusterError as error:
        raise CliError(
            f"no shell in {component}: {error.message}",
            hint="the image may have no /bin/sh: kubectl debug brings one",
            code=Exit.INFRASTRUCTURE,
        ) from error


async def pods_of(session: Session, environment: str, component: str) -> list[Object]:
    """The pods of a component.

    Raises:
        ClusterError: they can't be read.
    """
    return await session.cluster.list(POD, environment, labels=f"{COMPONENT}={component}")


def running_container(pods: Sequence[Mapping[str, Any]], component: str) -> tuple[str, str]:
    """The newest pod of a component whose container runs, and that container. Pure.

    Raises:
        CliError: none runs.
    """
    pod = running_pod(pods, component)
    return str(pod["metadata"]["name"]), _container(pod, component)


def running_pod(pods: Sequence[Mapping[str, Any]], component: str) -> Mapping[str, Any]:
    """The newest pod of a component whose container runs. Pure.

    Raises:
        CliError: none runs.
    """
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True):
        if _container(pod, component) in _running(pod) and not pod["metadata"].get("deletionTimestamp"):
            return pod
    raise CliError(
        f"{component} does not run: " + ("its process waits or has ended" if pods else "it has no pod"),
        hint=f"its log: seatrial logs RUN {component}",
    )


def _container(pod: Mapping[str, Any], component: str) -> str:
    containers = [str(container["name"]) for container in pod["spec"]["containers"]]
    return component if component in containers else containers[0]


def _running(pod: Mapping[str, Any]) -> list[str]:
    listed = (pod.get("status") or {}).get("containerStatuses") or ()
    return [str(each.get("name")) for each in listed if (each.get("state") or {}).get("running") is not None]
