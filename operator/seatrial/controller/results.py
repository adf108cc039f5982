"""How results and progress get from the archive into the cache: the feed, and a question where it may have failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from seatrial.api.run import IntegrationRun
from seatrial.api.times import moment_of
from seatrial.archive.client.client import ArchiveClient
from seatrial.archive.client.errors import ArchiveError, ArchiveUnavailableError
from seatrial.archive.client.feed import FeedConnected, FeedEvent, FeedLive, FeedLost, FeedResult
from seatrial.facts.attempt import ShardFacts, ShardRef, shards_of
from seatrial.facts.cache import FactsCache
from seatrial.facts.result import result_of
from seatrial.metrics import Metrics

logger = logging.getLogger(__name__)


class ResultReceiver:
    """Puts what the archive sends into the cache."""

    def __init__(
        self, archive: ArchiveClient, cache: FactsCache, metrics: Metrics, clock: Callable[[], datetime]
    ) -> None:
        self._archive, self._cache, self._metrics, self._clock = archive, cache, metrics, clock

    def receive(self, event: FeedEvent) -> tuple[str, ...]:
        """Takes one event of the feed; returns the uids of the runs that want attention."""
        match event:
            case FeedConnected():
                self._metrics.feed.set(1)
                return self._ask_of_all()
            case FeedLost(reason):
                self._metrics.feed.set(0)
                logger.warning("archive feed: %s", reason)
            case FeedResult(uid, attempt, shard, digest, summary) if self._cache.key_of(uid):
                self._cache.put_result(ShardRef(uid, attempt, shard), result_of(digest, summary, self._clock()))
                return (uid,)
            case FeedLive(uid, attempt, shard, event=sent) if self._cache.key_of(uid):
                return (uid,) if self._progress(ShardRef(uid, attempt, shard), sent) else ()
        return ()

    def _ask_of_all(self) -> tuple[str, ...]:
        """What was sent while nobody listened is not sent again."""
        uids = tuple(self._cache.uids())
        for uid in uids:
            if scope := self._cache.scope(uid):
                self._cache.ask_archive(scope)
        return uids

    def _progress(self, ref: ShardRef, event: Mapping[str, Any]) -> bool:
        moment = moment_of(event.get("t"))
        match event.get("event"):
            case "open":
                return self._cache.put_progress(ref, gates_open=moment)
            case "start":
                return self._cache.put_progress(ref, first_test=moment)
        return False

    async def ask(self, run: IntegrationRun) -> None:
        """Asks for results that may have been missed: after a broken feed, or when a tests' pod ended or is gone."""
        status = run.status
        if status.timeline.started is None or (status.verdict is not None and status.results is not None):
            return
        for ref, shard in zip(shards_of(run.scope), self._cache.attempt(run.scope).shards, strict=True):
            if shard.result is None and (self._cache.must_ask_archive(ref) or _may_have_delivered(shard)):
                await self._ask(run, ref)

    async def _ask(self, run: IntegrationRun, ref: ShardRef) -> None:
        try:
            found = await self._archive.result(ref.run_uid, ref.attempt, ref.shard)
        except ArchiveUnavailableError as error:
            self._cache.put_archive_answer(ref, str(error), self._clock())
        except ArchiveError as error:
            logger.error("run %s/%s: %s", run.metadata.namespace, run.metadata.name, error)
            self._cache.put_archive_answer(ref, "", self._clock())
        else:
            if found is None:
                self._cache.put_archive_answer(ref, "", self._clock())
            else:
                self._cache.put_result(ref, result_of(found.digest, found.summary, self._clock()))


def _may_have_delivered(shard: ShardFacts) -> bool:
    """Whether a shard may have delivered its result while nobody listened."""
    if shard.collector is not None:
        return shard.collector.terminated is not None
    return shard.pod_gone or shard.gates_open is not None
