"""`seatrial logs`: from the environment while it lives, from the archive afterwards."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.api.base import StatusModel
from seatrial.api.labels import MIGRATIONS, TESTS
from seatrial.api.status import Verdict
from seatrial.cli.connect import Session
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.output import Out
from seatrial.cli.run import Run
from seatrial.cli.runs import find
from seatrial.kube.errors import ForbiddenError, GoneError, InvalidError, NotFoundError, UnavailableError
from seatrial.kube.kinds import POD, RUN

COMPONENT_LABEL = "seatrial.dev/component"
OUTPUT = "output.log"
"""The archived file with pytest's own output."""
_LONGEST_LINE = 1024 * 1024
"""Characters; a longer line is shown in pieces."""
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[0-9:.]+Z ")
"""How a line of the evidence's logs begins."""


@dataclass(frozen=True)
class Source:
    """One container that has a log."""

    pod: str
    container: str
    prefix: str = ""


class _Container(StatusModel):
    name: str


class _PodSpec(StatusModel):
    containers: tuple[_Container, ...] = ()


class _State(StatusModel):
    waiting: dict[str, Any] | None = None


class _ContainerStatus(StatusModel):
    state: _State = _State()


class _PodStatus(StatusModel):
    container_statuses: tuple[_ContainerStatus, ...] | None = ()


class _PodMetadata(StatusModel):
    name: str
    creation_timestamp: str = ""


class _Pod(StatusModel):
    """What `logs` needs of a pod."""

    metadata: _PodMetadata
    spec: _PodSpec
    status: _PodStatus = _PodStatus()

    @property
    def started(self) -> bool:
        """Whether a container of it runs or has run, so that there is a log."""
        return any(status.state.waiting is None for status in self.status.container_statuses or ())


async def show(session: Session, out: Out, name: str, component: str, follow: bool) -> Exit:
    """Prints the log of one component of a run."""
    run = await find(session, name)
    place = component_of(run, component)
    if follow and not run.verdict:
        run = await _environment_of(session, run)
    environment = run.status.namespace
    refused: CliError | None = None
    try:
        pods = await _pods(session, environment, place, wait=follow and not run.verdict) if environment else []
    except ForbiddenError as error:
        hint = f"reading logs of environments needs rights in their namespaces; here in {environment}"
        refused, pods = CliError(error.message, hint=hint, code=Exit.INFRASTRUCTURE), []
    if pods:
        await asyncio.gather(
            *(_print(session, out, environment, source, follow) for source in sources(component, pods))
        )
        return Exit.PASSED
    if run.verdict and await _archived(session, out, run, component):
        return Exit.PASSED
    raise refused or CliError(_nothing(run, name, component), hint=_what_then(run, component))


def sources(component: str, pods: Sequence[_Pod]) -> list[Source]:
    """The containers whose logs belong to a component; with a prefix where there is more than one.

    Left out: the collector in the tests' pod, and a container that only copies the launcher.
    """
    found = []
    for pod in sorted(pods, key=lambda pod: pod.metadata.creation_timestamp):
        names = [container.name for container in pod.spec.containers]
        own = [name for name in names if name == component] or names
        found += [(pod.metadata.name, name) for name in own]
    if len(found) == 1:
        return [Source(*found[0])]
    several_pods = len({pod for pod, _ in found}) > 1
    return [Source(pod, name, f"{pod} " if several_pods else f"{name} ") for pod, name in found]


def component_of(run: Run, name: str) -> str:
    """The component that is meant: itself, or `migrations` for the name of a migration.

    Raises:
        CliError: it does not exist.
    """
    known = run.components
    if name in known:
        return name
    if name in (migration.name for migration in run.spec.migrations):
        return MIGRATIONS
    raise CliError(f"run {run.name} has no component {name}", hint=f"there is {', '.join(known)}")


async def _environment_of(session: Session, run: Run) -> Run:
    """Waits until the run has an environment, or is over."""
    while not run.status.namespace and not run.verdict:
        try:
            watching = session.cluster.watch(RUN, run.namespace, fields=f"metadata.name={run.name}")
            async with aclosing(watching) as changes:
                there = False
                async for change, seen in changes:
                    if change == "DELETED" or (change == "LISTED" and not there):
                        raise CliError(f"run {run.name} was deleted")
                    if change == "LISTED":
                        continue
                    there, run = True, Run.of(seen)
                    if run.status.namespace or run.verdict:
                        break
        except GoneError:
            continue
    return run


async def _pods(session: Session, environment: str, component: str, wait: bool) -> list[_Pod]:
    labels = f"{COMPONENT_LABEL}={component}"
    while True:
        pods = [_Pod.model_validate(body) for body in await session.cluster.list(POD, environment, labels)]
        found = [pod for pod in pods if not wait or pod.started]
        if found or not wait:
            return found
        try:
            async with aclosing(session.cluster.watch(POD, environment, labels=labels)) as changes:
                async for change, body in changes:
                    if change == "DELETED":
                        return []
                    if change != "LISTED" and _Pod.model_validate(body).started:
                        break
        except GoneError:
            continue


async def _print(session: Session, out: Out, environment: str, source: Source, follow: bool) -> None:
    try:
        async for line in session.cluster.logs(environment, source.pod, source.container, follow=follow):
            out.log(f"{source.prefix}{line}")
            if follow:
                out.console.file.flush()
    except InvalidError as error:  # it has not started
        raise CliError(f"{source.pod} has no log yet: {error.message}", hint="add --follow to wait for it") from error
    except (NotFoundError, UnavailableError) as error:
        if not follow:
            raise CliError(
                f"the log of {source.pod} can't be read: {error.message}", code=Exit.INFRASTRUCTURE
            ) from error
        # The environment was deleted meanwhile: that was all.
    out.end_log()


async def _archived(session: Session, out: Out, run: Run, component: str) -> bool:
    """Prints what the archive has: pytest's own output, or the component's logs in the last attempt's evidence."""
    uid = run.uid
    keys = await session.archive.sets(uid)
    outputs = [key for key in keys if key.shard is not None] if component == TESTS else []
    evidence = sorted((key for key in keys if key.shard is None), key=lambda key: key.attempt)[-1:]
    for part, wanted in ((outputs, re.compile(re.escape(OUTPUT))), (evidence, logs_of(component, run))):
        found = [
            (key, file)
            for key in part
            if (manifest := await session.archive.manifest(uid, key.attempt, key.shard)) is not None
            for file in sorted(manifest[1].files, key=lambda file: (".previous." not in file.path, file.path))
            if wanted.fullmatch(file.path) and file.size
        ]
        for key, file in found:
            if len(found) > 1:
                out.line((f"==> {'' if key.shard is None else f'shard-{key.shard}/'}{file.path} <==", "dim"))
            with tempfile.TemporaryDirectory() as folder:
                path = await session.archive.download(uid, key.attempt, key.shard, file, Path(folder))
                with path.open(encoding="utf-8", errors="replace") as text:
                    while line := text.readline(_LONGEST_LINE):
                        out.log(
                            line.removesuffix("\n")
                            if key.shard is not None
                            else _STAMP.sub("", line.removesuffix("\n"))
                        )
            out.end_log()
        if found:
            return True
    return False


def logs_of(component: str, run: Run) -> re.Pattern[str]:
    """The files of the evidence with a component's logs: of all its replicas and containers, and of earlier starts."""
    word = component if component in run.components else f"migrations.{component}"
    return re.compile(rf"logs/{re.escape(word)}(\.[^/]+)?\.log")


def _nothing(run: Run, name: str, component: str) -> str:
    if not run.status.namespace:
        return f"run {name} has no environment yet"
    if not run.verdict:
        return f"{component} of run {name} has not started yet"
    return f"the environment of run {name} is gone, and the archive has no log of {component}"


def _what_then(run: Run, component: str) -> str:
    if not run.verdict:
        return "add --follow to wait for it"
    if component == TESTS:
        return "the run's message says why: seatrial get"
    kept = "passed" if run.verdict == Verdict.PASSED else "failed"
    return f"to look into an environment after a run, set spec.retention.{kept} (such as 15m)"
