"""`seatrial logs`: from the environment while it lives, from the archive afterwards."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.cli.connect import Session
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.output import Out
from seatrial.cli.runs import find
from seatrial.kube.errors import ForbiddenError, GoneError, InvalidError, NotFoundError, UnavailableError
from seatrial.kube.kinds import POD, RUN, Object

COMPONENT_LABEL = "seatrial.dev/component"
TESTS = "tests"
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


async def show(session: Session, out: Out, name: str, component: str, follow: bool) -> Exit:
    """Prints the log of one component of a run."""
    run = await find(session, name)
    place = component_of(run, component)
    if follow and not _over(run):
        run = await _environment_of(session, run)
    environment = (run.get("status") or {}).get("namespace") or ""
    refused: CliError | None = None
    try:
        pods = await _pods(session, environment, place, wait=follow and not _over(run)) if environment else []
    except ForbiddenError as error:
        hint = f"reading logs of environments needs rights in their namespaces; here in {environment}"
        refused, pods = CliError(error.message, hint=hint, code=Exit.INFRASTRUCTURE), []
    if pods:
        await asyncio.gather(
            *(_print(session, out, environment, source, follow) for source in sources(component, pods))
        )
        return Exit.PASSED
    if _over(run) and await _archived(session, out, run, component):
        return Exit.PASSED
    raise refused or CliError(_nothing(run, name, component), hint=_what_then(run, component))


def components(run: Mapping[str, Any]) -> list[str]:
    """The components of a run's environment."""
    spec = run.get("spec") or {}
    migrations = ["migrations"] if spec.get("migrations") else []
    return [TESTS, *(spec.get("services") or {}), *migrations, *(spec.get("apps") or {})]


def sources(component: str, pods: Sequence[Mapping[str, Any]]) -> list[Source]:
    """The containers whose logs belong to a component; with a prefix where there is more than one.

    The tests' pod also runs the collector, and pods may have a container that only copies the launcher: neither is asked for.
    """
    found = []
    for pod in sorted(pods, key=lambda p: str(p["metadata"].get("creationTimestamp"))):
        names = [container["name"] for container in pod["spec"].get("containers") or ()]
        own = [name for name in names if name == component] or names
        found += [(pod["metadata"]["name"], name) for name in own]
    if len(found) == 1:
        return [Source(*found[0])]
    several_pods = len({pod for pod, _ in found}) > 1
    return [Source(pod, name, f"{pod} " if several_pods else f"{name} ") for pod, name in found]


def component_of(run: Mapping[str, Any], name: str) -> str:
    """The component that is meant: itself, or `migrations` for the name of a migration.

    Raises:
        CliError: there is none of this name.
    """
    known = components(run)
    if name in known:
        return name
    if name in (migration.get("name") for migration in (run.get("spec") or {}).get("migrations") or ()):
        return "migrations"
    raise CliError(f"run {run['metadata']['name']} has no component {name}", hint=f"there is {', '.join(known)}")


def _over(run: Mapping[str, Any]) -> bool:
    return bool((run.get("status") or {}).get("verdict"))


async def _environment_of(session: Session, run: Object) -> Object:
    """Waits until the run has an environment, or is over."""
    metadata = run["metadata"]
    while not (run.get("status") or {}).get("namespace") and not _over(run):
        try:
            watching = session.cluster.watch(RUN, metadata["namespace"], fields=f"metadata.name={metadata['name']}")
            async with aclosing(watching) as changes:
                there = False
                async for change, seen in changes:
                    if change == "DELETED" or (change == "LISTED" and not there):
                        raise CliError(f"run {metadata['name']} was deleted")
                    if change == "LISTED":
                        continue
                    there, run = True, seen
                    if (run.get("status") or {}).get("namespace") or _over(run):
                        break
        except GoneError:
            continue
    return run


async def _pods(session: Session, environment: str, component: str, wait: bool) -> list[Object]:
    labels = f"{COMPONENT_LABEL}={component}"
    while True:
        found = [p for p in await session.cluster.list(POD, environment, labels) if not wait or _started(p)]
        if found or not wait:
            return found
        try:
            async with aclosing(session.cluster.watch(POD, environment, labels=labels)) as changes:
                async for change, pod in changes:
                    if change != "DELETED" and _started(pod):
                        break
                    if change == "DELETED":
                        return []
        except GoneError:
            continue


def _started(pod: Mapping[str, Any]) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(not (status.get("state") or {}).get("waiting") for status in statuses)


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


async def _archived(session: Session, out: Out, run: Mapping[str, Any], component: str) -> bool:
    """Prints what the archive has: pytest's own output, or the component's logs among the evidence of the last attempt."""
    uid = run["metadata"]["uid"]
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


def logs_of(component: str, run: Mapping[str, Any]) -> re.Pattern[str]:
    """The files of the evidence with a component's logs: of all its replicas and containers, and of earlier starts."""
    word = component if component in components(run) else f"migrations.{component}"
    return re.compile(rf"logs/{re.escape(word)}(\.[^/]+)?\.log")


def _nothing(run: Mapping[str, Any], name: str, component: str) -> str:
    if not (run.get("status") or {}).get("namespace"):
        return f"run {name} has no environment yet"
    if not _over(run):
        return f"{component} of run {name} has not started yet"
    return f"the environment of run {name} is gone, and the archive has no log of {component}"


def _what_then(run: Mapping[str, Any], component: str) -> str:
    if not _over(run):
        return "add --follow to wait for it"
    if component == TESTS:
        return "the run's message says what is known of it: seatrial get"
    kept = "passed" if run["status"]["verdict"] == "Passed" else "failed"
    return f"to look into an environment after a run, set spec.retention.{kept} (such as 15m)"
