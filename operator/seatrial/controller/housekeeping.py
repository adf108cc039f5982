"""What is done about all runs at once: orphans, a look at everything now and then, counts for metrics."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from seatrial.api import labels
from seatrial.api.status import Phase
from seatrial.controller.environments import Environments
from seatrial.facts.attempt import Namespace
from seatrial.facts.cache import FactsCache
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError, NotFoundError
from seatrial.kube.kinds import NAMESPACE, POD, RUN
from seatrial.lifecycle.clean_up import STUCK_AFTER
from seatrial.metrics import Metrics
from seatrial.settings import Settings

logger = logging.getLogger(__name__)


class Housekeeper:
    """Looks at everything at once."""

    def __init__(
        self,
        cluster: Cluster,
        cache: FactsCache,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster, self._cache, self._settings = cluster, cache, settings
        self._metrics, self._clock = metrics, clock
        self._environments = Environments(cluster, cache)

    async def sweep(self) -> int:
        """Deletes environments whose run is gone, as far as they are old enough, and those that have outlived their
        lease whatever their runs are at; returns how many.

        The run is looked for in the cluster itself before anything is deleted, and the deletion names the uid.
        """
        deleted, runs = 0, None
        for namespace in self._cache.environments():
            overdue = self._is_overdue(namespace)
            if not overdue and not self._is_orphan(namespace):
                continue
            if not overdue:
                if runs is None:
                    runs = {body["metadata"]["uid"] for body in await self._cluster.list(RUN)}
                if namespace.run_uid in runs:
                    continue
            why = f"its lease is over since {namespace.expires_at}" if overdue else "its run is gone"
            logger.warning("environment %s of run %s: %s; deleting it", namespace.name, namespace.run_uid, why)
            deleted += await self._delete(namespace)
        return deleted

    async def _delete(self, namespace: Namespace) -> bool:
        try:
            await self._environments.delete(namespace.name, namespace.uid)
        except NotFoundError:
            self._cache.forget_environment(namespace.run_uid, namespace.name)
            return False
        except ClusterError as error:
            logger.warning("environment %s: not deleted: %s; tried again later", namespace.name, error)
            return False
        self._metrics.orphans.inc()
        return True

    def _is_overdue(self, namespace: Namespace) -> bool:
        """Whether it should have been cleaned up long ago: the pass over its run may be failing each time."""
        if namespace.terminating_since or not namespace.run_uid or namespace.expires_at is None:
            return False
        return (self._clock() - namespace.expires_at).total_seconds() >= self._settings.orphan_margin_seconds

    def _is_orphan(self, namespace: Namespace) -> bool:
        if namespace.terminating_since or not namespace.run_uid or self._cache.key_of(namespace.run_uid):
            return False
        age = (self._clock() - namespace.created).total_seconds() if namespace.created else 0.0
        return age >= self._settings.orphan_margin_seconds

    async def resync(self) -> int:
        """Forgets what is not in the cluster any more, and learns of runs that no watch has shown; returns how much
        that was.

        A watch that had to begin anew (410) lists what there is and says nothing of what went. Three lists, whatever
        the number of runs; wakes nobody: the caller does.
        """
        known = self._cache.names()
        present = await self._present()
        changed = sum(self._cache.forget_all(kind, uids - present[kind].keys()) for kind, uids in known.items())
        for uid, body in present["runs"].items():
            of = body["metadata"]
            if (key := self._cache.key_of(uid)) is None:
                with contextlib.suppress(NotFoundError):  # asked for once more: it may have gone since it was listed
                    fresh = await self._cluster.get(RUN, of["name"], of["namespace"])
                    self._cache.put_run(fresh)
                    changed += 1
            elif self._cache.runs[key]["metadata"]["resourceVersion"] != of["resourceVersion"]:
                self._cache.update_run(body)
                changed += 1
        return changed

    async def knows_all(self) -> bool:
        """Whether the watches have shown everything that is in the cluster."""
        present = await self._present()
        return all(present[kind].keys() <= uids for kind, uids in self._cache.names().items())

    async def _present(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What the watches are to show, by kind and uid, as the cluster lists it."""
        kinds = {"runs": (RUN, None), "namespaces": (NAMESPACE, labels.SELECTOR), "pods": (POD, labels.SELECTOR)}
        return {
            what: {body["metadata"]["uid"]: body for body in await self._cluster.list(kind, labels=selector)}
            for what, (kind, selector) in kinds.items()
        }

    def count(self) -> None:
        """Sets the metrics of runs by phase and environments by state; drops what is counted for runs that are gone."""
        self._metrics.keep(self._cache.uids())
        phases = [(body.get("status") or {}).get("phase") or Phase.PENDING for body in self._cache.runs.values()]
        self._metrics.phases(Counter(phases))
        self._metrics.states(Counter(self._state(namespace) for namespace in self._cache.environments()))

    def _state(self, namespace: Namespace) -> str:
        if namespace.terminating_since:
            return "stuck" if self._clock() >= namespace.terminating_since + STUCK_AFTER else "ending"
        return "leftover" if self._is_overdue(namespace) or self._is_orphan(namespace) else "live"
