"""Deletes and looks for environments: only ever a namespace with the run's label, and by its uid."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from seatrial.api.scope import Scope
from seatrial.facts.cache import FactsCache, Key
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ConflictError, ForbiddenError, NotFoundError
from seatrial.kube.kinds import JOB, NAMESPACE, POD, RUN

logger = logging.getLogger(__name__)


class Environments:
    """Environments in the cluster, as far as they are to go."""

    def __init__(self, cluster: Cluster, cache: FactsCache) -> None:
        self._cluster, self._cache = cluster, cache

    async def is_there(self, scope: Scope) -> bool:
        """Asks the cluster whether an environment is there. Somebody else's namespace of its name is not it."""
        with contextlib.suppress(NotFoundError):
            found = await self._cluster.get(NAMESPACE, scope.namespace)
            if self._cache.put_namespace(found) == scope.run.uid:
                return True
        self._cache.forget_environment(scope.run.uid, scope.namespace)
        return False

    async def clean_up(self, scope: Scope) -> None:
        """Deletes an environment, if it is there."""
        if self._cache.attempt(scope).namespace is None:
            await self.is_there(scope)
        if (known := self._cache.attempt(scope).namespace) is None:
            return
        try:
            await self.delete(scope.namespace, known.uid)
        except NotFoundError:
            self._cache.forget_environment(scope.run.uid, scope.namespace)
        except ConflictError:  # another one has its name by now
            await self.is_there(scope)

    async def clean_up_abandoned(self, key: Key) -> None:
        """Deletes environments whose run is gone although it had a finalizer: when a deletion without finalizers is
        under way while one is added, the API server takes both, and the run goes.

        The run is looked for in the cluster itself before anything is deleted.
        """
        for namespace in self._cache.abandoned(key):
            with contextlib.suppress(NotFoundError):
                run = await self._cluster.get(RUN, key[1], key[0])
                if run["metadata"]["uid"] == namespace.run_uid:
                    continue
            logger.info("environment %s: its run %s/%s is gone; deleting it", namespace.name, *key)
            try:
                await self.delete(namespace.name, namespace.uid)
            except NotFoundError:
                self._cache.forget_environment(namespace.run_uid, namespace.name)

    async def delete(self, name: str, uid: str) -> None:
        """Deletes the namespace first, so that nothing is recreated in it, and its pods in the same moment: Kubernetes
        empties a namespace only after five seconds, and by then they are gone.

        Raises:
            NotFoundError: when there is no such namespace.
        """
        await self._cluster.delete(NAMESPACE, name, uid=uid)
        await self.delete_pods(name)

    async def delete_pods(self, name: str) -> None:
        """Deletes the pods of an environment with grace 0, and the Job, which would make its own anew."""
        outcomes = await asyncio.gather(
            self._cluster.delete(JOB, "tests", name, propagation="Background"),
            self._cluster.delete_all(POD, name, grace=0),
            return_exceptions=True,
        )
        for outcome in outcomes:  # the namespace's own end does the same, later
            if isinstance(outcome, BaseException) and not isinstance(outcome, NotFoundError | ForbiddenError):
                logger.warning("environment %s: deleting its pods at once failed: %s", name, outcome)
