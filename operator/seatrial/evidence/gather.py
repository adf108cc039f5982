"""Uploads the evidence of an environment before anything of it is deleted. The plan decides when."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from seatrial.api.run import IntegrationRun
from seatrial.archive.client.errors import ArchiveRefusedError, ArchiveUnavailableError
from seatrial.archive.model.keys import RECORD
from seatrial.evidence import logs, states
from seatrial.evidence.archive import EvidenceArchive, encode
from seatrial.evidence.findings import Context, Finding, context_of
from seatrial.evidence.hints import hints_of
from seatrial.evidence.maskers import Maskers
from seatrial.evidence.matching import of_log
from seatrial.evidence.objects import of_events, of_pods
from seatrial.evidence.record import record
from seatrial.facts.attempt import Evidence, Pod
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError, NotFoundError
from seatrial.kube.kinds import EVENT, JOB, NODE, POD, POD_METRICS, Kind
from seatrial.masking.masker import Masker
from seatrial_protocol.hints import hints_to_json

logger = logging.getLogger(__name__)

SECONDS = 20.0
"""For gathering everything of one environment."""
READS = 4
"""Logs that are held at once, of all runs: bounds memory to some 50 MB, however many runs fail at once."""


@dataclass
class _Set:
    """What has been stored so far, and what could not be had."""

    run: IntegrationRun
    masker: Masker
    context: Context
    files: list[dict[str, Any]] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Gatherer:
    """Gathers, masks and uploads."""

    def __init__(
        self, cluster: Cluster, archive: EvidenceArchive, maskers: Maskers, clock: Callable[[], datetime]
    ) -> None:
        self._cluster, self._archive, self._maskers, self._clock = cluster, archive, maskers, clock
        self._reads = asyncio.Semaphore(READS)

    async def __call__(
        self, run: IntegrationRun, body: Mapping[str, Any], pods: Sequence[Pod], *, whole: bool, there: bool
    ) -> Evidence:
        """Archives the evidence of a run, if that has not been done. What can't be had is noted, and the rest is kept.

        Args:
            run: the run.
            body: the same as the API server has it.
            pods: what is known of its pods, those that are gone too.
            whole: everything; otherwise the record alone.
            there: the environment is there.
        """
        try:
            return await self._gather(run, body, pods, whole=whole, there=there)
        except (ArchiveUnavailableError, ArchiveRefusedError) as error:
            logger.warning("run %s/%s: evidence: %s", run.metadata.namespace, run.metadata.name, error)
            refused = isinstance(error, ArchiveRefusedError)
            now = self._clock()
            return Evidence(error=str(error), refused=refused, failing_since=now, tried=now)

    async def _gather(
        self, run: IntegrationRun, body: Mapping[str, Any], pods: Sequence[Pod], *, whole: bool, there: bool
    ) -> Evidence:
        uid, attempt = run.metadata.uid, run.status.attempt
        if (sealed := await self._archive.digest(uid, attempt)) is not None:
            return Evidence(*sealed)
        masker = await self._maskers.of(run)
        gathered = _Set(run, masker, context_of(run, pods))
        now = await asyncio.to_thread(record, body, pods, masker)
        await self._store(gathered, RECORD, now.to_json())  # an archive that is away shows here, first
        if whole:
            try:
                async with asyncio.timeout(SECONDS):
                    await self._environment(gathered, pods, there)
            except TimeoutError:
                gathered.notes.append(f"not everything could be read within {SECONDS:.0f} s")
            gathered.found += of_pods(pods)
            await self._store(gathered, "hints.json", hints_to_json(hints_of(gathered.found, gathered.context)))
        if gathered.notes:
            await self._store(gathered, "notes.json", gathered.notes)
        of = {"uid": uid, "name": run.metadata.name, "namespace": run.metadata.namespace}
        digest = await self._archive.seal(uid, attempt, of, gathered.files)
        return Evidence(digest, len(gathered.files))

    async def _environment(self, gathered: _Set, pods: Sequence[Pod], there: bool) -> None:
        namespace = gathered.run.scope.namespace
        bodies: list[dict[str, Any]] = []
        if there:
            bodies, jobs, events, usage = await asyncio.gather(
                *(self._list(gathered, kind, namespace) for kind in (POD, JOB, EVENT, POD_METRICS))
            )
            gathered.found += of_events(events, gathered.context)
            await self._store(gathered, "jobs.json", [states.kept(job) for job in jobs])
            await self._store(gathered, "events.json", [states.kept(event) for event in events])
            if usage:
                await self._store(gathered, "usage.json", [states.kept(pod) for pod in usage])
        elif gathered.run.status.timeline.started:
            gathered.notes.append("the environment was gone: its pods are as they were last seen, without logs")
        present = {pod["metadata"]["uid"] for pod in bodies}
        gone = [states.last_known(pod) for pod in pods if pod.uid not in present]
        everything = logs.in_order([*(states.kept(pod) for pod in bodies), *gone])
        await self._store(gathered, "pods.json", everything)
        if gone and there:
            names = ", ".join(pod["metadata"]["name"] for pod in gone)
            gathered.notes.append(f"gone before their logs could be read: {names}")
        lost = await self._nodes(gathered, everything)
        reached = [pod for pod in bodies if (pod.get("spec") or {}).get("nodeName") not in lost]
        try:
            async with asyncio.TaskGroup() as group:
                for log in logs.logs_of(reached):
                    group.create_task(self._log(gathered, namespace, log))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _list(self, gathered: _Set, kind: Kind, namespace: str) -> list[dict[str, Any]]:
        try:
            return await self._cluster.list(kind, namespace)
        except ClusterError as error:
            if not (kind == POD_METRICS and isinstance(error, NotFoundError)):  # few clusters have them
                gathered.notes.append(f"{kind.plural}: {error.message}")
            return []

    async def _nodes(self, gathered: _Set, pods: Iterable[Mapping[str, Any]]) -> set[str]:
        """Stores the states of the nodes; returns those that answer nobody, so nobody need ask them for logs."""
        found = []
        for name in states.nodes_of(pods):
            try:
                found.append(states.node(await self._cluster.get(NODE, name)))
            except ClusterError as error:
                gathered.notes.append(f"node {name}: {error.message}")
        await self._store(gathered, "nodes.json", found)
        lost = {node["metadata"]["name"] for node in found if states.is_lost(node)}
        gathered.notes += [f"node {name} does not answer: no logs of what is on it" for name in sorted(lost)]
        return lost

    async def _log(self, gathered: _Set, namespace: str, log: logs.Log) -> None:
        async with self._reads:
            try:
                content = await self._read(namespace, log)
            except ClusterError as error:
                gathered.notes.append(f"{log.path}: {error.message}")
                return
            if log.previous and not content:
                return

            def work() -> tuple[bytes, list[Finding]]:
                masked = gathered.masker.data(content)
                is_collector = log.container == "collector"  # it waits for what it needs, and says so
                return masked, [] if is_collector else of_log(log.component, log.path, masked, gathered.context)

            masked, found = await asyncio.to_thread(work)
            gathered.found += found
            await self._put(gathered, log.path, masked)

    async def _read(self, namespace: str, log: logs.Log) -> bytes:
        for lines in (logs.LINES, logs.LONG_LINES):
            content = await self._cluster.log_end(
                namespace, log.pod, log.container, previous=log.previous, lines=lines, limit_bytes=logs.LONGEST_BYTES
            )
            if len(content) < logs.LONGEST_BYTES:
                break
        return logs.kept(content, lines)

    async def _store(self, gathered: _Set, path: str, value: Any) -> None:
        await self._put(gathered, path, await asyncio.to_thread(lambda: encode(gathered.masker.tree(value))))

    async def _put(self, gathered: _Set, path: str, content: bytes) -> None:
        of = gathered.run
        try:
            gathered.files.append(await self._archive.put_file(of.metadata.uid, of.status.attempt, path, content))
        except ArchiveRefusedError as error:
            if path == RECORD or error.status not in (400, 413):
                raise
            gathered.notes.append(f"{path}: {error}")
