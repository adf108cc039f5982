"""One level-based pass over one run: observe, plan, write the status once, act.

What goes wrong in it stays with its run: a request that failed is tried again by the work queue, anything else ends
the run after a few tries (see `set_aside.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from seatrial.api.run import IntegrationRun, Metadata
from seatrial.api.status import IntegrationRunStatus, Reason
from seatrial.archive.client.client import ArchiveClient
from seatrial.controller.effects import Effects
from seatrial.controller.environments import Environments
from seatrial.controller.provision import Provisioner
from seatrial.controller.results import ResultReceiver
from seatrial.controller.set_aside import SetAside
from seatrial.controller.status_writer import StatusWriter
from seatrial.evidence.archive import EvidenceArchive
from seatrial.evidence.maskers import Maskers
from seatrial.facts.cache import FactsCache, Key
from seatrial.kube.client import Cluster
from seatrial.kube.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)
from seatrial.kube.kinds import RUN
from seatrial.lifecycle.actions import AddFinalizer, CheckNamespace, CleanUp, CreateEnvironment, GatherEvidence, Plan
from seatrial.lifecycle.ending import rejected
from seatrial.lifecycle.plan import delayed, plan
from seatrial.metrics import Metrics, current_run
from seatrial.settings import Settings

_PASSING = (ConflictError, ForbiddenError, NotFoundError, UnavailableError)
"""Failures of requests that another try may not meet: the world's, not the run's."""


def spec_problems(error: ValidationError) -> str:
    """A pydantic error as one line: field path and what is wrong, for each problem."""
    parts = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_url=False)]
    return "; ".join(parts)


def parse(body: Mapping[str, Any]) -> tuple[IntegrationRun, str]:
    """The run and "", or a run with an empty spec and what is wrong with the real one."""
    try:
        return IntegrationRun.parse(body), ""
    except ValidationError as error:
        empty = IntegrationRun.model_construct(
            metadata=Metadata.model_validate(body["metadata"]),
            spec=IntegrationRun.parse({"metadata": body["metadata"], "spec": {"tests": {"image": "none"}}}).spec,
            status=IntegrationRunStatus.model_validate(body.get("status") or {}),
        )
        return empty, spec_problems(error)


class RunPass:
    """Takes one run a step further; all it knows comes from the cache, all it changes goes through the cluster."""

    def __init__(
        self,
        cluster: Cluster,
        archive: ArchiveClient,
        cache: FactsCache,
        settings: Settings,
        metrics: Metrics,
        evidence: EvidenceArchive,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster, self._cache, self._metrics, self._clock = cluster, cache, metrics, clock
        self.results = ResultReceiver(archive, cache, metrics, clock)
        self.provisioner = Provisioner(cluster, cache, settings, clock)
        self._environments = Environments(cluster, cache)
        maskers = Maskers(settings)
        self._effects = Effects(cluster, cache, evidence, maskers, metrics, clock)
        self._writer = StatusWriter(cluster, cache, maskers, metrics, clock)
        self._set_aside = SetAside(cluster, settings, metrics, clock)

    async def __call__(self, key: Key) -> float | None:
        """Looks at one run and does what is due.

        Returns:
            In how many seconds to look again; None: when something happens.

        Raises:
            ClusterError: a request failed; repeat the pass.
        """
        body = self._cache.runs.get(key)
        if body is None:
            await self._environments.clean_up_abandoned(key)
            return None
        uid = body["metadata"]["uid"]
        token = current_run.set(uid)
        begun = time.perf_counter()
        try:
            if (wait := self._set_aside.wait(uid)) is not None:
                return wait
            if self._set_aside.holds(uid):
                return await self._set_aside.end(body)
            await self._environments.clean_up_abandoned(key)
            due = await self._look(body)
        except _PASSING as error:
            if isinstance(error, ConflictError):
                await self._refresh(key)
            self._metrics.reconcile_errors.labels(type(error).__name__).inc()
            raise
        except Exception as error:  # noqa: BLE001  (reported, counted, bounded)
            self._metrics.reconcile_errors.labels(type(error).__name__).inc()
            return self._set_aside.failed(body, error)
        else:
            self._set_aside.succeeded(uid)
            return due
        finally:
            current_run.reset(token)
            self._metrics.reconcile.observe(time.perf_counter() - begun)

    async def _look(self, body: Mapping[str, Any]) -> float | None:
        now = self._clock()
        run, invalid = parse(body)
        if invalid and run.status.verdict is None and run.metadata.deletion_timestamp is None:
            planned = rejected(run, Reason.INVALID_SPEC, invalid, now)
        else:
            if not invalid:
                await self.results.ask(run)
            planned = plan(run, self._cache.attempt(run.scope), now)
        planned = await self._before(run, planned)
        await self._writer.write(run, planned)
        for action in planned.after:
            await self._effects.act(run, action)
        if any(isinstance(action, GatherEvidence) for action in planned.after):
            return 0.0
        checked = any(isinstance(action, CleanUp | CheckNamespace) for action in planned.after)
        if checked and self._cache.attempt(run.scope).namespace is None:  # gone already: no event will come
            return 0.0
        return (planned.due - self._clock()).total_seconds() if planned.due else None

    async def _before(self, run: IntegrationRun, planned: Plan) -> Plan:
        """Does what comes before the status is written; how the creation went replaces the plan."""
        for action in planned.before:
            match action:
                case AddFinalizer():
                    await self._effects.add_finalizer(run)
                case CreateEnvironment():
                    return await self._create(run)
        return planned

    async def _create(self, run: IntegrationRun) -> Plan:
        try:
            return await self.provisioner.create(run)
        except UnavailableError as error:
            if error.status:  # it answers: so the status can say what is waited for
                await self._writer.write(run, delayed(run, error.message, self._clock()))
            raise

    async def _refresh(self, key: Key) -> None:
        """Somebody else has changed the run: its newest version, before the next pass."""
        try:
            self._cache.update_run(await self._cluster.get(RUN, key[1], key[0]))
        except NotFoundError:
            if body := self._cache.runs.get(key):
                self._cache.remove_run(body)
