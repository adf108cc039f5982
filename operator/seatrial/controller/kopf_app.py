"""The only module that knows kopf: watches feed the cache, its changes feed the work queue.

kopf is used for its streams (lists, reconnects, back-off, 410) and its life cycle. Its change
handlers are not: they would add an annotation with the whole spec and two writes to every run; see docs/decisions/.
Index functions are what makes kopf hold back all events until every kind has been listed once, so that no run is
judged by half a picture after a restart.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import kopf

from seatrial.api import labels
from seatrial.api.names import GROUP, PLURAL, VERSION
from seatrial.archive.client.client import ArchiveClient
from seatrial.controller import stalls
from seatrial.controller.housekeeping import Housekeeper
from seatrial.controller.one_pass import RunPass
from seatrial.controller.work_queue import WorkQueue
from seatrial.environment.namespace import is_signed
from seatrial.evidence.archive import EvidenceArchive
from seatrial.evidence.record_sender import RecordSender
from seatrial.facts.cache import FactsCache, Key
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError, UnavailableError
from seatrial.metrics import Metrics
from seatrial.settings import Settings

logger = logging.getLogger(__name__)

LISTING_SECONDS = 0.5
"""Between two looks whether all is known, at the start."""
PAUSE_SECONDS = 5.0
"""Before background work that ended, which it should not, begins anew."""


def is_unanswered(error: Exception) -> bool:
    """Whether a request failed because the API server could not be reached."""
    return isinstance(error, UnavailableError) and error.status == 0


class Application:
    """The operator: wires cache, queue, pass and the archive's feed to kopf's events."""

    def __init__(
        self,
        cluster: Cluster,
        archive: ArchiveClient,
        evidence: EvidenceArchive,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self.cache = FactsCache(settings.archive_patience, partial(is_signed, settings.environment_key))
        self.settings, self.metrics, self._archive = settings, metrics, archive
        self.run_pass = RunPass(cluster, archive, self.cache, settings, metrics, evidence)
        self.housekeeper = Housekeeper(cluster, self.cache, settings, metrics, lambda: datetime.now(UTC))
        self.record_sender = RecordSender(evidence, self.cache, settings)
        self.queue: WorkQueue[Key] = WorkQueue(self.run_pass, is_unanswered)
        self.listed = False
        """Whether all that was in the cluster at the start is known; from then on the operator is ready."""
        self._tasks: list[asyncio.Task[None]] = []
        self._listing: asyncio.Task[None] | None = None
        self._swept = self._synced = time.monotonic()

    def wake(self, uid: str) -> None:
        """The run with this uid, if there is one, wants attention."""
        if key := self.cache.key_of(uid):
            self.queue.add(key)

    def on_run(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """A run was listed, added, changed or removed."""
        if kind == "DELETED":
            self.record_sender.deleted(body)
            self.queue.add(self.cache.remove_run(body))
            return
        self.queue.add(self.cache.put_run(body))
        self.record_sender.changed(body["metadata"]["uid"])

    def on_namespace(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """A namespace was listed, added, changed or removed: an environment's, or one that runs may be in."""
        self.wake(self.cache.remove_namespace(body) if kind == "DELETED" else self.cache.put_namespace(body))

    def on_pod(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """A pod of an environment was listed, added, changed or removed."""
        self.wake(self.cache.remove_pod(body) if kind == "DELETED" else self.cache.put_pod(body))

    def start(self) -> None:
        """Begins to listen to the archive and to keep house; runs wait until the watches have listed everything."""
        self._tasks = [
            asyncio.create_task(self._keep(work), name=work.__name__)
            for work in (self._follow_archive, self._look_around, self._measure_stalls, self.record_sender.work)
        ]
        self._listing = asyncio.create_task(self._await_listing())

    def failure(self) -> str:
        """Which background work has ended although it never should; empty: all is well."""
        return ", ".join(f"{task.get_name().strip('_')} has ended" for task in self._tasks if task.done())

    async def _await_listing(self) -> None:
        while not self.listed:
            try:
                self.listed = await self.housekeeper.knows_all()
            except ClusterError as error:
                logger.warning("not ready: %s; asked again", error)
            self.metrics.ready.set(self.listed)
            await asyncio.sleep(0 if self.listed else LISTING_SECONDS)  # the pace of asking, while kopf lists

    async def stop(self) -> None:
        """Stops; everything goes on from cluster state when the next operator starts."""
        tasks = [*self._tasks, *([self._listing] if self._listing else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.queue.stop()

    @staticmethod
    async def _keep(work: Callable[[], Awaitable[None]]) -> None:
        """Keeps a piece of work going: whatever ends it is logged, and it begins anew."""
        while True:
            try:
                await work()
            except Exception:
                logger.exception("%s ended; it begins anew", work.__name__)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow_archive(self) -> None:
        async for event in self._archive.feed():
            try:
                uids = self.run_pass.results.receive(event)
            except Exception:  # what one shard sent must not end the feed for all
                logger.exception("an event of the archive's feed could not be taken")
                self.metrics.internal_errors.inc()
                continue
            for uid in uids:
                self.wake(uid)

    async def _measure_stalls(self) -> None:
        await stalls.measure(self.metrics.stalled)

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(min(5.0, self.settings.sweep_seconds))  # the pace of housekeeping
            self.housekeeper.count()
            now = time.monotonic()
            try:
                if now - self._swept >= self.settings.sweep_seconds:
                    self._swept = now
                    await self.housekeeper.sweep()
                if now - self._synced >= self.settings.resync_seconds:
                    self._synced = now
                    if await self.housekeeper.resync():
                        for uid in self.cache.uids():
                            self.wake(uid)
            except ClusterError as error:
                logger.warning("housekeeping: %s; again later", error)


def build_registry(app: Application) -> kopf.OperatorRegistry:
    """Kopf's handlers for this application; nothing is registered at import time."""
    registry = kopf.OperatorRegistry()
    kinds = (
        ("runs", (GROUP, VERSION, PLURAL), app.on_run),
        ("namespaces", ("", "v1", "namespaces"), app.on_namespace),
        ("pods", ("", "v1", "pods"), app.on_pod),
    )

    def register(name: str, resource: tuple[str, str, str], handle: Any) -> None:
        @kopf.index(*resource, id=f"{name}-listed", registry=registry)
        async def listed(body: kopf.Body, **_: Any) -> None:
            app.queue.answered()  # the watch is there (again)
            handle(None, dict(body))

        @kopf.on.event(*resource, id=name, registry=registry)
        async def changed(event: kopf.RawEvent, **_: Any) -> None:
            app.queue.start()  # no event handler is called before every kind has been listed
            if event["type"] == "DELETED":
                handle("DELETED", event["object"])

    for kind in kinds:
        register(*kind)

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)
        app.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await app.stop()

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    return registry


def configure(settings: kopf.OperatorSettings) -> None:
    """Kopf's settings: server-side selectors, and every back-off set, since the defaults wait up to ten minutes."""
    settings.persistence.finalizer = f"{GROUP}/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP, v1=False)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    settings.watching.label_selectors["", "v1", "pods"] = labels.SELECTOR
    settings.watching.server_timeout = 600
    settings.watching.connect_timeout = 10
    settings.watching.chunk_size = 500
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 3, 4, 5, 5)
    settings.queueing.error_delays = (0.5, 1, 2, 5, 10)
    settings.queueing.idle_timeout = 1.0
    settings.execution.default_backoff = 5
    settings.posting.enabled = False
    settings.scanning.disabled = True
