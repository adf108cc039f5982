"""Creates environments: everything of one in a burst, and what a refusal of the API server means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from seatrial.api import labels
from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.api.status import Reason
from seatrial.environment.file_sources import config_map_names
from seatrial.environment.manifests import Inputs, environment
from seatrial.environment.problems import problems
from seatrial.facts.attempt import Namespace
from seatrial.facts.cache import FactsCache
from seatrial.kube.client import Cluster
from seatrial.kube.errors import (
    AlreadyExistsError,
    ClusterError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from seatrial.kube.kinds import CONFIG_MAP, NAMESPACE, POD, kind_of
from seatrial.lifecycle.actions import Plan
from seatrial.lifecycle.ending import rejected
from seatrial.lifecycle.plan import created
from seatrial.retry import pause_after
from seatrial.settings import Settings
from seatrial.verdict import kubernetes

GRANT_SECONDS = 5.0
"""How long a fresh RoleBinding may take to be known to all API servers."""
_PAUSES = (0.02, 1.0)
"""Seconds before an object is tried again: the first and the longest."""
PARALLEL_ENVIRONMENTS = 8
"""Environments that are created at once: more would wait for the same API server, with all their manifests in memory
(measured with 1,000 runs at once: 255 MB), and the verdicts of others would wait behind them."""


class RefusedError(Exception):
    """The environment can't be created, and trying again won't change that."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def refusal(error: ClusterError, what: str) -> RefusedError | None:
    """What a refused creation means for the run; None when it may pass (rights that are not known yet)."""
    text = f"{what}: {error.message}"
    if isinstance(error, ForbiddenError):
        if kubernetes.is_quota(error.message):
            return RefusedError(Reason.QUOTA_EXCEEDED, f"{text}; raise that quota, or ask for less in resources")
        if kubernetes.is_terminating(error.message):
            return RefusedError(Reason.ENVIRONMENT_LOST, text)
    if isinstance(error, ForbiddenError | InvalidError) and kubernetes.is_admission(error.message):
        return RefusedError(
            Reason.ADMISSION_DENIED,
            f"{text}; allow it in namespaces with the label {labels.MANAGED_BY}={labels.MANAGER}",
        )
    if isinstance(error, InvalidError):  # a policy's refusal can be one too
        return RefusedError(Reason.INVALID_SPEC, text)
    return None


class Provisioner:
    """Creates the environment of a run."""

    def __init__(self, cluster: Cluster, cache: FactsCache, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._cluster, self._cache, self._settings, self._clock = cluster, cache, settings, clock
        self._slots = asyncio.Semaphore(PARALLEL_ENVIRONMENTS)

    @property
    def is_busy(self) -> bool:
        """Whether another environment would have to wait."""
        return self._slots.locked()

    async def create(self, run: IntegrationRun) -> Plan:
        """Creates everything that is not there yet; gives how that went.

        Raises:
            ClusterError: a request failed; the next pass goes on.
        """
        async with self._slots:
            if self._is_outdated(run):  # deleted or cancelled while it waited: the next pass is for what it is now
                return Plan(run.status)
            now = self._clock()
            try:
                return await self._create_all(run, now)
            except RefusedError as error:
                return rejected(run, error.reason, error.message, now)
            except UnavailableError as error:
                begun = self._cache.attempt(run.scope).namespace
                limit = run.spec.timeouts.environment
                if begun is None or begun.created is None or now < begun.created + limit:
                    raise
                text = f"the environment could not be created within {format_duration(limit)}: {error.message}"
                return rejected(run, Reason.RUN_TIMEOUT, text, now)

    def _is_outdated(self, run: IntegrationRun) -> bool:
        """Whether the run has been deleted or cancelled since it was looked at."""
        body = self._cache.current(run.scope)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return True
        return bool(body["spec"].get("cancel")) != run.spec.cancel

    async def _create_all(self, run: IntegrationRun, now: datetime) -> Plan:
        config_maps = await self._config_maps(run)
        if found := await asyncio.to_thread(problems, run, config_maps, self._settings.budget):
            raise RefusedError(Reason.INVALID_SPEC, "; ".join(f"{p.path}: {p.message}" for p in found))
        inputs = Inputs(config_maps=config_maps, now=now, registry=await self._registry())
        parts = await asyncio.to_thread(environment, run, self._settings, inputs)
        namespace = await self._namespace(run, parts.namespace)
        await self._create(parts.role_binding)
        for group in (parts.foundation, parts.leading, parts.dependents):
            await asyncio.gather(*(self._create(manifest) for manifest in group))
        return created(run, namespace.expires_at or now + run.spec.retention.max_lifetime, now)

    async def _config_maps(self, run: IntegrationRun) -> dict[str, Mapping[str, str]]:
        """The ConfigMaps that the run refers to, from its own namespace; those that are missing are left out."""
        found: dict[str, Mapping[str, str]] = {}
        for name in config_map_names(run):
            try:
                body = await self._cluster.get(CONFIG_MAP, name, run.metadata.namespace)
            except NotFoundError:
                continue
            found[name] = body.get("data") or {}
        return found

    async def _registry(self) -> bytes:
        """Read each time: the kubelet brings the Secret's newest content, and registries' tokens are short-lived."""
        file = self._settings.registry_file
        return await asyncio.to_thread(file.read_bytes) if file else b""

    async def _namespace(self, run: IntegrationRun, manifest: Mapping[str, Any]) -> Namespace:
        try:
            body = await self._create_patiently(manifest)
        except AlreadyExistsError:  # an earlier pass got this far
            body = await self._cluster.get(NAMESPACE, manifest["metadata"]["name"])
            self._cache.ask_archive(run.scope)  # and the tests may have ended since
        if self._cache.put_namespace(body) != run.metadata.uid:
            name = manifest["metadata"]["name"]
            raise RefusedError(Reason.ENVIRONMENT_LOST, f"namespace {name} belongs to somebody else; rename the run")
        found = self._cache.attempt(run.scope).namespace
        if found is None or self._cache.current(run.scope) is None:  # the next pass deletes what has just been made
            raise NotFoundError(f"run {run.metadata.namespace}/{run.metadata.name} is gone", 404)
        if found.terminating_since:
            raise RefusedError(Reason.ENVIRONMENT_LOST, f"namespace {found.name} was deleted while it was set up")
        return found

    async def _create(self, manifest: Mapping[str, Any]) -> None:
        try:
            body = await self._create_patiently(manifest)
        except AlreadyExistsError:
            return
        if kind_of(manifest) == POD:
            self._cache.put_pod(body)

    async def _create_patiently(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Creates one object; waits for rights that are not known yet, and for an API server that is away a moment."""
        what = f"{manifest['kind']} {manifest['metadata']['name']}"
        deadline, failures = time.monotonic() + GRANT_SECONDS, 0
        while True:
            try:
                return await self._cluster.create(manifest)
            except (ForbiddenError, InvalidError, UnavailableError) as error:
                if found := refusal(error, what):
                    raise found from error
                failures += 1
                pause = pause_after(failures, *_PAUSES, error.retry_after)
                if time.monotonic() + pause > deadline:
                    if isinstance(error, ForbiddenError):
                        raise RefusedError(Reason.ADMISSION_DENIED, f"{what}: {error.message}") from error
                    raise
                await asyncio.sleep(pause)
