"""Does what a plan says before and after the status is written: one method a kind of action."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from seatrial.api.names import FINALIZER, OWN_FINALIZERS
from seatrial.api.run import IntegrationRun
from seatrial.controller.environments import Environments
from seatrial.evidence.archive import EvidenceArchive
from seatrial.evidence.gather import Gatherer
from seatrial.evidence.maskers import Maskers
from seatrial.facts.attempt import Evidence
from seatrial.facts.cache import FactsCache
from seatrial.kube.client import Cluster
from seatrial.kube.errors import NotFoundError, UnavailableError
from seatrial.kube.kinds import JOB, RUN
from seatrial.lifecycle.actions import (
    AfterStatus,
    CheckNamespace,
    CleanUp,
    DeletePods,
    DeleteRun,
    GatherEvidence,
    RemoveFinalizer,
    StopTests,
)
from seatrial.metrics import Metrics

logger = logging.getLogger(__name__)


class Effects:
    """What plans do to the cluster and the archive, but for the creation of environments."""

    def __init__(
        self,
        cluster: Cluster,
        cache: FactsCache,
        evidence: EvidenceArchive,
        maskers: Maskers,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster, self._cache, self._metrics, self._clock = cluster, cache, metrics, clock
        self._environments = Environments(cluster, cache)
        self._gatherer = Gatherer(cluster, evidence, maskers, clock)

    async def act(self, run: IntegrationRun, action: AfterStatus) -> None:
        """Does one action.

        Raises:
            ClusterError: a request failed; the next pass tries again.
        """
        match action:
            case StopTests():
                with contextlib.suppress(NotFoundError):
                    await self._cluster.delete(JOB, "tests", run.scope.namespace, propagation="Background")
            case GatherEvidence(whole):
                await self._gather_evidence(run, whole)
            case CleanUp():
                await self._environments.clean_up(run.scope)
            case DeletePods():
                await self._environments.delete_pods(run.scope.namespace)
            case CheckNamespace():
                await self._environments.is_there(run.scope)
            case RemoveFinalizer():
                await self._remove_finalizer(run)
            case DeleteRun():
                of = run.metadata
                with contextlib.suppress(NotFoundError):
                    await self._cluster.delete(RUN, of.name, of.namespace, uid=of.uid)

    async def add_finalizer(self, run: IntegrationRun) -> None:
        """Keeps the run until its environment is gone."""
        self._cache.update_run(await self._set_finalizers(run, (*run.metadata.finalizers, FINALIZER)))

    async def _remove_finalizer(self, run: IntegrationRun) -> None:
        """The last look is at the cluster itself: the watch may not have shown a namespace yet."""
        if await self._environments.is_there(run.scope):  # the next pass cleans it up
            raise UnavailableError(f"namespace {run.scope.namespace} is still there", 503, retry_after=0.1)
        # not into the cache: by the watch the run may be gone already, and even have a successor
        others = tuple(each for each in run.metadata.finalizers if each not in OWN_FINALIZERS)
        with contextlib.suppress(NotFoundError):
            await self._set_finalizers(run, others)

    async def _set_finalizers(self, run: IntegrationRun, wanted: tuple[str, ...]) -> dict[str, Any]:
        of, current = run.metadata, self._cache.current(run.scope)
        if current is None:  # by the watch it is gone meanwhile, or has a successor
            raise NotFoundError(f"run {of.namespace}/{of.name} is gone", 404)
        version = current["metadata"]["resourceVersion"]
        change = {"metadata": {"finalizers": list(wanted), "resourceVersion": version}}
        return await self._cluster.patch(RUN, of.name, of.namespace, change)

    async def _gather_evidence(self, run: IntegrationRun, whole: bool) -> None:
        """Uploads the evidence; its outcome is for the next pass."""
        body = self._cache.current(run.scope)
        if body is None:
            return
        pods, there = self._cache.all_pods(run.scope), self._cache.attempt(run.scope).namespace is not None
        begun = time.perf_counter()
        try:
            found = await self._gatherer(run, body, pods, whole=whole, there=there)
        except Exception as error:  # what pods wrote must not keep a run from its end
            of = run.metadata
            logger.exception("run %s/%s: its evidence made the operator fail", of.namespace, of.name)
            self._metrics.internal_errors.inc()
            now = self._clock()
            text = f"an error of the operator ({type(error).__name__})"
            found = Evidence(error=text, refused=True, failing_since=now, tried=now)
        if whole and found.digest:
            self._metrics.evidence.observe(time.perf_counter() - begun)
        self._cache.put_evidence(run.scope, found)
