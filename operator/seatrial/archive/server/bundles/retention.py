"""Removes bundles that nobody used for long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from seatrial.archive.server.bundles.store import Bundles
from seatrial.archive.server.history.bundles import BundleUse
from seatrial.archive.server.metrics import Metrics
from seatrial.archive.server.threads import in_thread

log = logging.getLogger(__name__)

LOOK_SECONDS = 86_400.0
"""So often the storage is asked which bundles it has: the history may have lost some, which are as if used now."""
_AT_ONCE = 100


class BundleRetention:
    """Holds the bundles to their age."""

    def __init__(
        self,
        bundles: Bundles,
        use: BundleUse,
        unused_seconds: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begins nothing yet.

        Args:
            bundles: where they are.
            use: knows when they were used.
            unused_seconds: after which they go; 0: never.
            metrics: receive what is kept and what went.
            clock: unix seconds.
        """
        self._bundles = bundles
        self._use = use
        self._unused_seconds = unused_seconds
        self._metrics = metrics
        self._clock = clock
        self._looked_at = 0.0

    async def hold(self) -> None:
        """One pass.

        Raises:
            UnavailableError, OSError: the storage or the history can't be reached; what is done is done.
        """
        now = self._clock()
        if now - self._looked_at >= LOOK_SECONDS:
            stored = await in_thread(self._bundles.stored)
            for key in await in_thread(self._use.unknown, stored):
                await in_thread(self._use.used, key, stored[key], now)
            self._looked_at = now
        if self._unused_seconds:
            await self._remove(now - self._unused_seconds)
        self._metrics.bundles_kept(*await in_thread(self._use.total))

    async def _remove(self, since: float) -> None:
        while unused := await in_thread(self._use.unused_since, since, _AT_ONCE):
            removed = [key for key in unused if await self._bundles.remove_unused(key, since)]
            for key in removed:
                self._metrics.bundle_deleted()
                log.info("removed a bundle", extra={"namespaceUid": key.namespace_uid, "sha256": key.sha256})
            if not removed:  # they were used meanwhile, and that will be written down
                return
