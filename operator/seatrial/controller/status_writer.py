"""Writes statuses, and publishes transitions: Kubernetes Events, metrics, the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from seatrial.api.names import API_VERSION, KIND
from seatrial.api.run import IntegrationRun, Metadata
from seatrial.api.status import IntegrationRunStatus, Verdict
from seatrial.api.times import format_time
from seatrial.evidence.maskers import Maskers
from seatrial.facts.cache import FactsCache
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError, ConflictError, InvalidError, NotFoundError
from seatrial.kube.kinds import EVENT, RUN
from seatrial.lifecycle.actions import EVIDENCE_LOST, Event, Plan
from seatrial.lifecycle.conditions import with_message
from seatrial.lifecycle.ending import reduced
from seatrial.metrics import Metrics
from seatrial_protocol.text import shorten

logger = logging.getLogger(__name__)

EVENT_LIMIT = 1000
"""Characters of an Event's message."""


class StatusWriter:
    """The only writer of statuses."""

    def __init__(
        self,
        cluster: Cluster,
        cache: FactsCache,
        maskers: Maskers,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster, self._cache, self._maskers = cluster, cache, maskers
        self._metrics, self._clock = metrics, clock

    async def write(self, run: IntegrationRun, plan: Plan) -> None:
        """Writes the status of a plan if it differs from the run's, then publishes the transition.

        Raises:
            ConflictError: somebody else has changed the run meanwhile.
            ClusterError: the request failed.
        """
        plan = await self._without_secrets(run, plan)
        if await self._write(run, plan.status):  # published once, now: the next pass sees no transition any more
            await self._publish(run, plan)

    async def _without_secrets(self, run: IntegrationRun, plan: Plan) -> Plan:
        """The verdict's plan, masked: its message quotes the last lines of programs."""
        if plan.status.verdict is None or run.status.verdict is not None:
            return plan
        masker = await self._maskers.of(run)
        status = with_message(plan.status, masker.text(plan.status.message))
        events = tuple(replace(event, message=masker.text(event.message)) for event in plan.events)
        return replace(plan, status=status, events=events)

    async def _write(self, run: IntegrationRun, new: IntegrationRunStatus) -> bool:
        old, of = run.status, run.metadata
        current = self._cache.current(run.scope)
        if new == old or current is None:
            return False
        if IntegrationRunStatus.model_validate(current.get("status") or {}) != old:
            raise ConflictError("another operator has written the status meanwhile", 409)
        version = current["metadata"]["resourceVersion"]
        try:
            try:
                await self._patch(of, new, version)
            except InvalidError as error:
                self._metrics.status_refused.inc()
                logger.error("run %s/%s: the API server refuses its status: %s", of.namespace, of.name, error)
                new = reduced(new, error.message)
                if new == old:
                    return False
                await self._patch(of, new, version)
        except NotFoundError:
            return False
        return True

    async def _patch(self, of: Metadata, status: IntegrationRunStatus, version: str) -> None:
        change = {
            "metadata": {"resourceVersion": version},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        self._cache.update_run(await self._cluster.patch(RUN, of.name, of.namespace, change, "status"))

    async def _publish(self, run: IntegrationRun, plan: Plan) -> None:
        of, old, new = run.metadata, run.status, plan.status
        if new.verdict is not None and old.verdict is None:
            self._metrics.verdict(new)
            logger.info("run %s/%s: %s (%s): %s", of.namespace, of.name, new.verdict, new.reason, new.message)
        for event in plan.events:
            if event.reason == EVIDENCE_LOST:
                self._metrics.evidence_lost.inc()
            await self._create_event(run, event)
        if new.timeline.cleaned_up and not old.timeline.cleaned_up:
            retention = run.spec.retention
            kept = retention.passed if new.verdict is Verdict.PASSED else retention.failed
            self._metrics.cleaned_up(of.uid, new, kept.total_seconds())

    async def _create_event(self, run: IntegrationRun, event: Event) -> None:
        """One Kubernetes Event; that it could not be written changes nothing for the run."""
        of, now = run.metadata, format_time(self._clock())
        seconds = now.split(".")[0] + "Z"
        body = {
            "apiVersion": "v1",
            "kind": EVENT.kind,
            "metadata": {"generateName": f"{of.name[:200]}.", "namespace": of.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": of.name,
                "namespace": of.namespace,
                "uid": of.uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": shorten(event.message, EVENT_LIMIT),
            "firstTimestamp": seconds,
            "lastTimestamp": seconds,
            "count": 1,
            "reportingComponent": "seatrial",
            "source": {"component": "seatrial"},
        }
        try:
            await self._cluster.create(body)
        except ClusterError as error:
            logger.warning("run %s/%s: event %s not written: %s", of.namespace, of.name, event.reason, error)
