"""Run by `helm uninstall` before anything is deleted: every run goes, and with it its environment.

The operator still lives then and cleans up the environments as after any deletion of a run. What is waited for, and
what is printed when it does not come to an end in time, is decided by pure functions over what the API server lists.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import PositiveFloat

from seatrial.api import labels
from seatrial.api.names import GROUP, PLURAL
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError, ConflictError, NotFoundError, UnavailableError
from seatrial.kube.kinds import NAMESPACE, RUN, Kind, Object
from seatrial.variables import Variables, read

POLL_SECONDS = 1.0


class UninstallSettings(Variables):
    """What the chart's hook sets."""

    namespace: str = "seatrial-system"
    uninstall_seconds: PositiveFloat = 240.0
    """How long everything may take to go."""
    kept: str = ""
    """Name of the claim of the archive's volume, if that stays."""


@dataclass(frozen=True)
class Left:
    """What is not gone yet."""

    runs: tuple[Object, ...] = ()
    environments: tuple[Object, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return bool(self.runs or self.environments)


def _name(thing: Object) -> str:
    metadata = thing["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def to_delete(left: Left) -> list[tuple[Kind, Object]]:
    """What has to be deleted: runs, and environments that have no run (those of a run are the operator's work)."""
    uids = {run["metadata"]["uid"] for run in left.runs}
    orphans = [e for e in left.environments if e["metadata"]["labels"][labels.RUN_UID] not in uids]
    asked: list[tuple[Kind, Object]] = [(RUN, run) for run in left.runs] + [(NAMESPACE, e) for e in orphans]
    return [(kind, thing) for kind, thing in asked if not thing["metadata"].get("deletionTimestamp")]


def describe(left: Left) -> list[str]:
    """One line for each thing that is left: what it is, and what holds it."""
    lines = []
    for run in left.runs:
        status = run.get("status") or {}
        finalizers = ", ".join(run["metadata"].get("finalizers") or ()) or "none"
        where = f", environment {status['namespace']}" if status.get("namespace") else ""
        phase = status.get("phase") or "unknown"
        lines.append(f"run {_name(run)}: phase {phase}, waits for finalizers: {finalizers}{where}")
    for environment in left.environments:
        conditions = (environment.get("status") or {}).get("conditions") or ()
        held = "; ".join(c.get("message", "") for c in conditions if c.get("status") == "True")
        phase = (environment.get("status") or {}).get("phase", "unknown")
        lines.append(f"environment {_name(environment)}: {phase}" + (f", held by: {held}" if held else ""))
    return lines


def advice(left: Left, seconds: float, namespace: str) -> str:
    """What is printed when the time is over: what is left and what to do."""
    return "\n".join(
        [
            f"seatrial: not everything was gone after {seconds:g} s, so nothing is uninstalled. Left:",
            *(f"  {line}" for line in describe(left)),
            "The operator cleans these up. Does it run, and what does it say?",
            f"  kubectl -n {namespace} get pods",
            f"  kubectl -n {namespace} logs deployment/seatrial-operator --tail=50",
            "Then uninstall again. To go without waiting and leave them behind: helm uninstall --no-hooks",
        ]
    )


def farewell(kept: str, namespace: str) -> str:
    """What is printed when all is gone: what stays, and how it goes.

    Args:
        kept: name of the claim of the archive's volume, if that stays.
        namespace: the installation's own.
    """
    lines = [
        "seatrial: no runs and no environments are left. Of the installation the definition of IntegrationRuns stays, "
        f"because helm deletes no CRDs; remove it with: kubectl delete crd {PLURAL}.{GROUP}"
    ]
    if kept:
        lines.append(
            "The archive's volume with all results stays too, as archive.persistence.keep says; remove it with: "
            f"kubectl -n {namespace} delete pvc {kept}"
        )
    return "\n".join(lines)


async def look(cluster: Cluster) -> Left:
    """Lists what is left; a cluster whose definition of runs is gone has none."""
    try:
        runs = await cluster.list(RUN)
    except NotFoundError:
        runs = []
    return Left(tuple(runs), tuple(await cluster.list(NAMESPACE, labels=labels.SELECTOR)))


async def _delete(cluster: Cluster, kind: Kind, thing: Object) -> None:
    metadata = thing["metadata"]
    try:
        await cluster.delete(kind, metadata["name"], metadata.get("namespace"), uid=metadata["uid"])
    except (NotFoundError, ConflictError):  # gone, or another one of its name by now: the next look shows
        return


async def uninstall(cluster: Cluster, seconds: float) -> Left:
    """Deletes all runs and environments and waits; gives what is left after so many seconds (nothing: all is gone).

    Raises:
        ClusterError: when the API server refuses; that it does not answer for a while is waited out.
    """
    end = time.monotonic() + seconds
    printed: Sequence[str] = ()
    while True:
        over = time.monotonic() >= end
        try:
            left = await look(cluster)
            if over or not left:
                return left
            await asyncio.gather(*(_delete(cluster, kind, thing) for kind, thing in to_delete(left)))
            lines = describe(left)
        except UnavailableError as error:
            if over:
                raise
            lines = [f"waiting for the API server: {error.message}"]
        if lines != printed:
            print("\n".join(lines), flush=True)
            printed = lines
        await asyncio.sleep(POLL_SECONDS)


async def _main() -> int:
    try:
        settings = read(UninstallSettings, os.environ)
        async with await Cluster.connect(agent="seatrial-uninstall") as cluster:
            left = await uninstall(cluster, settings.uninstall_seconds)
    except (ClusterError, ValueError) as error:
        print(f"seatrial: can't delete the runs: {error}", file=sys.stderr)
        return 1
    if left:
        print(advice(left, settings.uninstall_seconds, settings.namespace), file=sys.stderr)
        return 1
    print(farewell(settings.kept, settings.namespace))
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
