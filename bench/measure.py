"""What is measured: the floor, the by-hand script, the quickstart's run, and the script's job as a run."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench.counters import Counters, Counts, text_of
from bench.watching import Change, Watched
from seatrial.api import labels
from seatrial.api.times import parse_time
from seatrial.cli.connect import ARCHIVE
from seatrial.kube.client import Cluster
from seatrial.kube.kinds import NAMESPACE, POD, RUN
from seatrial.kube.service import ServiceTransport

HERE = Path(__file__).resolve().parent
QUICKSTART = HERE.parent / "examples" / "quickstart" / "quickstart.yaml"
FLOOR = HERE / "floor" / "floor.yaml"
SCRIPT = HERE / "script"
NAMESPACE_OF_RUNS = "bench"
NAMESPACES = (NAMESPACE_OF_RUNS, "bench-floor", "bench-script")
PATIENCE_SECONDS = 180.0
Timeline = dict[str, float]
"""Seconds since `kubectl apply` was started, by moment."""


class Failure(Exception):  # noqa: N818
    """A measured run did not pass, so its times mean nothing."""


@dataclass(frozen=True)
class Run:
    """What one run took; seconds."""

    first_test: float
    """`kubectl apply` started to the first test's start."""
    verdict: float
    """The last test's end to the verdict seen in the status by somebody who watches it."""
    verdict_written: float
    """The last test's end to the moment that the status gives for the verdict."""
    clean_up: float
    """The verdict (as the status gives it) to the end of the namespace."""
    whole: float
    """`kubectl apply` started to the end of the namespace."""
    counts: Counts | None
    """Requests of the operator for this run; None if another run was there too."""
    timeline: Timeline = field(default_factory=dict)


@dataclass(frozen=True)
class Floor:
    """What the floor took; seconds."""

    first_test: float
    timeline: Timeline = field(default_factory=dict)


async def kubectl(*args: str) -> str:
    """Runs kubectl as a user does, and gives what it prints.

    Raises:
        Failure: it failed.
    """
    return await command("kubectl", *args)


async def command(*args: str) -> str:
    """Runs a program to its end, and gives what it prints.

    Raises:
        Failure: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise Failure(f"{' '.join(args)}: exit {process.returncode}\n{out.decode(errors='replace')}")
    return out.decode(errors="replace")


def gate_moments(lines: Sequence[Mapping[str, Any]], begun: float) -> Timeline:
    """What the launcher of the tests noted: its own start, each answer, the opening."""
    moments: Timeline = {}
    for line in lines:
        at = float(line["t"]) - begun
        match line.get("event"):
            case "waiting":
                moments.setdefault("launcher of the tests started", at)
            case "ready":
                moments[f"{line['name']} answers"] = at
            case "open":
                moments["gates open"] = at
    return moments


def pod_moments(changes: Sequence[Change], namespace: str, begun: float) -> Timeline:
    """What the pods of a namespace show, at the moments at which it could be seen."""
    pods = [c for c in changes if c.namespace == namespace]
    created: Timeline = {}
    scheduled: Timeline = {}
    for change in pods:
        created.setdefault(change.name, change.at - begun)
        if change.body["spec"].get("nodeName"):
            scheduled.setdefault(change.name, change.at - begun)
    if not created or not scheduled:
        return {}
    return {
        "first pod created": min(created.values()),
        "last pod created": max(created.values()),
        "last pod scheduled": max(scheduled.values()),
    }


def json_lines(text: str) -> list[dict[str, Any]]:
    """The JSON objects among the lines of a log."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


class Bench:
    """Measures on one cluster; nothing else should go on there."""

    def __init__(self, cluster: Cluster, counters: Counters) -> None:
        self._cluster, self._counters = cluster, counters

    async def prepare(self) -> None:
        """The tenant's namespace with the tests of the job."""
        await self.clean()
        await kubectl("create", "namespace", NAMESPACE_OF_RUNS)
        tests = SCRIPT / "test_services.py"
        await kubectl("-n", NAMESPACE_OF_RUNS, "create", "configmap", "bench-tests", f"--from-file={tests}")

    async def clean(self) -> None:
        """Removes what this leaves, also what an interrupted measurement left."""
        present = {body["metadata"]["name"] for body in await self._cluster.list(NAMESPACE)}
        if NAMESPACE_OF_RUNS in present:
            await kubectl("-n", NAMESPACE_OF_RUNS, "delete", "integrationruns", "--all")
        if mine := sorted(present.intersection(NAMESPACES)):
            await kubectl("delete", "namespace", *mine)

    async def disturbed(self) -> bool:
        """Whether a run of somebody else is under way."""
        return any(
            body["metadata"]["namespace"] != NAMESPACE_OF_RUNS
            and not ((body.get("status") or {}).get("timeline") or {}).get("cleanedUp")
            for body in await self._cluster.list(RUN)
        )

    async def floor(self) -> Floor:
        """The same pods by hand."""
        name = "bench-floor"
        async with Watched(self._cluster, POD, name) as pods:
            begun = time.time()
            await kubectl("apply", "-f", str(FLOOR))
            applied = time.time()
            ended = await pods.until(
                lambda c: c.name == "tests" and c.body["status"].get("phase") in ("Succeeded", "Failed"),
                "the floor's tests to end",
                PATIENCE_SECONDS,
            )
            log = await text_of(self._cluster, POD.path(name, "tests", "log"))
            if ended.body["status"]["phase"] != "Succeeded":
                raise Failure(f"the floor's tests failed:\n{log}")
            moments = pod_moments(pods.changes, name, begun)
        await kubectl("delete", "namespace", name)
        lines = json_lines(log)
        first_test = next(float(line["t"]) for line in lines if line["event"] == "start") - begun
        timeline = {"kubectl apply returned": applied - begun, **moments}
        timeline |= {**gate_moments(lines, begun), "first test": first_test}
        return Floor(first_test, timeline)

    async def script(self) -> float:
        """The by-hand script, from its start to its end; seconds."""
        begun = time.time()
        await command(str(SCRIPT / "by-hand"))
        return time.time() - begun

    async def quickstart(self) -> Run:
        """The quickstart's run."""
        return await self.run(QUICKSTART, "quickstart")

    async def job(self) -> Run:
        """The script's job as a run."""
        return await self.run(SCRIPT / "run.yaml", "bench-job")

    async def run(self, manifest: Path, name: str) -> Run:
        """The run of this name that a manifest asks for."""
        alone = not await self.disturbed()
        before = await self._counters.read()
        managed = f"{labels.MANAGED_BY}={labels.MANAGER},{labels.RUN_UID}"
        async with (
            Watched(self._cluster, RUN, NAMESPACE_OF_RUNS) as runs,
            Watched(self._cluster, NAMESPACE, labels=managed) as namespaces,
            Watched(self._cluster, POD, labels=managed) as pods,
        ):
            begun = time.time()
            await kubectl("-n", NAMESPACE_OF_RUNS, "apply", "-f", str(manifest))
            applied = time.time()

            def status(change: Change) -> dict[str, Any]:
                return change.body.get("status") or {} if change.name == name else {}

            verdict = await runs.until(lambda c: bool(status(c).get("verdict")), "a verdict", PATIENCE_SECONDS)
            environment = status(verdict).get("namespace", "")
            gone = await namespaces.until(
                lambda c: c.type == "DELETED" and c.name == environment, f"{environment} to be gone", PATIENCE_SECONDS
            )
            last = await runs.until(
                lambda c: bool((status(c).get("timeline") or {}).get("cleanedUp")), "the run to know it"
            )
            started = await runs.until(lambda c: bool((status(c).get("timeline") or {}).get("started")), "the start")
            made = await namespaces.until(lambda c: c.name == environment, environment)
            moments = pod_moments(pods.changes, environment, begun)
        counts = (await self._counters.read()).since(before)
        ended = status(last)
        if ended["verdict"] != "Passed":
            raise Failure(f"{name} ended as {ended['verdict']}: {ended.get('reason')}: {ended.get('message')}")

        def moment(which: str) -> float:
            parsed = parse_time(ended["timeline"][which])
            assert parsed is not None
            return parsed.timestamp()

        gates = await self._gates(str(last.body["metadata"]["uid"]))
        await kubectl("-n", NAMESPACE_OF_RUNS, "delete", "integrationrun", name)
        timeline = {
            "kubectl apply returned": applied - begun,
            "run created": next(c.at for c in runs.changes if c.name == name) - begun,
            "namespace created": made.at - begun,
            **moments,
            "all created (status written)": started.at - begun,
            **gate_moments(gates, begun),
            "first test": moment("firstTest") - begun,
            "last test ended": moment("lastTest") - begun,
            "verdict seen": verdict.at - begun,
            "namespace gone": gone.at - begun,
        }
        return Run(
            first_test=moment("firstTest") - begun,
            verdict=verdict.at - moment("lastTest"),
            verdict_written=moment("verdict") - moment("lastTest"),
            clean_up=gone.at - moment("verdict"),
            whole=gone.at - begun,
            counts=counts if alone and counts.runs == 1 and not await self.disturbed() else None,
            timeline=timeline,
        )

    async def _gates(self, uid: str) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(transport=ServiceTransport(self._cluster, ARCHIVE)) as archive:
            answer = await archive.get(f"http://archive/v1/runs/{uid}/attempts/1/shards/0/files/gates.jsonl")
        return json_lines(answer.raise_for_status().text)
