"""Watches of the cluster, with the moment at which each change arrived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from seatrial.kube.client import Cluster
from seatrial.kube.kinds import Kind

Object = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One change of one object."""

    at: float
    """When it arrived here, in unix seconds."""
    type: str
    """ADDED, MODIFIED or DELETED."""
    body: Object

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"].get("namespace", ""))


class Watched:
    """All changes of a kind since the context was entered; what was there before counts as nothing."""

    def __init__(self, cluster: Cluster, kind: Kind, namespace: str | None = None, labels: str | None = None) -> None:
        self._cluster, self._kind, self._namespace, self._labels = cluster, kind, namespace, labels
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self.changes: list[Change] = []

    async def __aenter__(self) -> Watched:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        try:
            async for what, body in self._cluster.watch(self._kind, self._namespace, labels=self._labels):
                if what == "LISTED":
                    continue
                async with self._news:
                    self.changes.append(Change(time.time(), what, body))
                    self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()

    async def until(self, wanted: Callable[[Change], bool], what: str, seconds: float = 120) -> Change:
        """The first change that is wanted, also of those that have arrived already.

        Raises:
            TimeoutError: it did not come in time; says what was waited for.
            ClusterError: the watch broke off.
        """
        assert self._task is not None
        seen = 0
        try:
            async with asyncio.timeout(seconds), self._news:
                while True:
                    for change in self.changes[seen:]:
                        if wanted(change):
                            return change
                    seen = len(self.changes)
                    if self._task.done():
                        self._task.result()
                        raise TimeoutError(f"the watch of {self._kind.plural} ended before {what}")
                    await self._news.wait()
        except TimeoutError as error:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}") from error
