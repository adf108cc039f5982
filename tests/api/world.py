"""What a run needs around the real operator, simulated in this process: kubelet, collector, archive."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf
import pytest

from seatrial.api.run import IntegrationRun
from seatrial.api.times import format_time
from seatrial.archive.client.client import ShardResult
from seatrial.archive.client.errors import ArchiveUnavailableError
from seatrial.archive.client.feed import FeedConnected, FeedEvent, FeedLive, FeedResult
from seatrial.controller.kopf_app import Application, build_registry
from seatrial.kube.client import Cluster
from seatrial.metrics import Metrics
from seatrial.settings import Settings
from seatrial.tokens import namespace_signature
from tests.api.evidence import ENVIRONMENT_KEY, KEY, Kept
from tests.api.kube import Kube, serving
from tests.unit import builders

SPEC: dict[str, Any] = {
    "services": {"postgres": {}, "minio": {}, "temporal": {}},
    "migrations": [{"name": "schema", "image": "i", "command": ["m"]}],
    "apps": {"api": {"image": "i", "command": ["a"], "port": 80}, "worker": {"image": "i", "command": ["w"]}},
    "tests": {"image": "t"},
}


class Archive:
    """What the operator uses of the archive."""

    def __init__(self) -> None:
        self.results: dict[str, dict[str, Any]] = {}
        self.down = False
        self._listeners: list[asyncio.Queue[FeedEvent]] = []

    async def feed(self) -> AsyncIterator[FeedEvent]:
        queue: asyncio.Queue[FeedEvent] = asyncio.Queue()
        self._listeners.append(queue)
        try:
            yield FeedConnected()
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    def publish(self, event: FeedEvent) -> None:
        for queue in self._listeners:
            queue.put_nowait(event)

    async def result(self, uid: str, attempt: int, shard: int) -> ShardResult | None:
        if self.down:
            raise ArchiveUnavailableError("the archive is down")
        found = self.results.get(uid)
        return ShardResult(uid, attempt, shard, "sha256:x", None, found) if found else None  # type: ignore[arg-type]


class World:
    """A cluster whose environments run by themselves, and an operator that can be killed."""

    def __init__(self, kube: Kube) -> None:
        self.kube, self.archive, self.kept = kube, Archive(), Kept()
        self.hold_tests = False
        self.summary: Callable[[], dict[str, Any]] = builders.summary
        self.starts = 0
        self.application: Application | None = None
        self._operator: asyncio.Task[None] | None = None
        self._player: asyncio.Task[None] | None = None
        self._reported: set[str] = set()
        self._stop = asyncio.Event()

    async def start(self) -> None:
        """Starts the operator with nothing but what the cluster holds."""
        self.starts += 1
        self._stop = asyncio.Event()
        self._operator = asyncio.create_task(self._run(self._stop))

    async def _run(self, stop: asyncio.Event) -> None:
        settings = Settings(key=KEY, environment_key=ENVIRONMENT_KEY, sweep_seconds=0.5, orphan_margin_seconds=0.0)
        metrics = Metrics()
        connecting = Cluster.connect(observer=metrics.request, agent="seatrial-operator")
        async with await connecting as cluster, self.kept.client() as evidence:
            app = Application(cluster, self.archive, evidence, settings, metrics)  # type: ignore[arg-type]
            self.application = app
            await kopf.operator(
                registry=build_registry(app), clusterwide=True, standalone=True, identity="t", stop_flag=stop,  # type: ignore[arg-type]
            )  # fmt: skip

    async def kill(self) -> None:
        """Ends the operator where it stands."""
        assert self._operator is not None
        assert self.application is not None
        for task in (*self.application.queue._tasks, *self.application._tasks):
            task.cancel()
        self._operator.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._operator

    async def play(self) -> None:
        """Starts the pods of environments as they are created and, unless held, lets their tests pass."""
        while True:
            for job in self.kube.all("jobs"):
                await self._play_job(job)
            await asyncio.sleep(0.005)  # the pace of the played kubelet

    async def _play_job(self, job: dict[str, Any]) -> None:
        metadata = job["metadata"]
        uid = metadata["labels"]["seatrial.dev/run-uid"]
        pod = self.kube.one("pods", "tests-0-x", metadata["namespace"])
        if pod is None and uid not in self._reported:
            template = job["spec"]["template"]
            now = format_time(datetime.now(UTC))
            state = {"running": {"startedAt": now}}
            statuses = [{"name": name, "state": state, "restartCount": 0} for name in ("collector", "tests")]
            pod = await self.kube.put(
                "pods",
                {
                    "metadata": {
                        "name": "tests-0-x",
                        "namespace": metadata["namespace"],
                        "labels": template["metadata"]["labels"],
                    },
                    "spec": {"nodeName": "node-1"},
                    "status": {"phase": "Running", "containerStatuses": statuses},
                },
            )
        if self.hold_tests:
            return
        if uid not in self._reported:
            self._reported.add(uid)
            self.archive.publish(FeedLive(uid, 1, 0, {"event": "open", "t": time.time()}))
            self.archive.publish(FeedLive(uid, 1, 0, {"event": "start", "t": time.time(), "id": "t.py::test"}))
        testing = any(
            run["metadata"]["uid"] == uid and (run.get("status") or {}).get("phase") == "Testing"
            for run in self.kube.all("integrationruns")
        )
        if (testing or self.starts > 1) and uid not in self.archive.results:
            self.archive.results[uid] = self.summary()
            self.archive.publish(FeedResult(uid, 1, 0, "sha256:x", self.archive.results[uid]))

    async def apply(self, name: str = "orders", namespace: str = "team-a", **spec: Any) -> str:
        """Creates a run, as a user does; returns its uid."""
        body = {"metadata": {"name": name, "namespace": namespace}, "spec": {**copy.deepcopy(SPEC), **spec}}
        made = await self.kube.put("integrationruns", body)
        return str(made["metadata"]["uid"])

    def run(self, name: str = "orders", namespace: str = "team-a") -> IntegrationRun | None:
        """A run as it stands."""
        body = self.kube.one("integrationruns", name, namespace)
        return IntegrationRun.parse(body) if body else None

    async def until(self, look: Callable[[], Any], what: str, seconds: float = 20) -> Any:
        """Waits for something that a user could see."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := look()):
            if self._operator is not None and self._operator.done() and not self._operator.cancelled():
                self._operator.result()
            if asyncio.get_running_loop().time() > deadline:
                runs = [json.dumps(r.get("status")) for r in self.kube.all("integrationruns")]
                pytest.fail(
                    f"not within {seconds} s: {what}; {self.kube.left_over()}; {runs}; last {self.kube.writes[-5:]}"
                )
            await asyncio.sleep(0.005)
        return found

    def settled(self, name: str = "orders", namespace: str = "team-a") -> bool:
        """Whether the run has its verdict and its environment is gone."""
        run = self.run(name, namespace)
        return run is not None and run.status.timeline.cleaned_up is not None


def orphan(name: str, uid: str = "gone", key: bytes = ENVIRONMENT_KEY) -> dict[str, Any]:
    """An environment whose run is gone, signed with a key."""
    labels = {
        "app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/run-uid": uid, "seatrial.dev/attempt": "1",
    }  # fmt: skip
    signature = namespace_signature(key, f"{uid}.1", name)
    return {"metadata": {"name": name, "labels": labels, "annotations": {"seatrial.dev/signature": signature}}}


@asynccontextmanager
async def living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A world with a running operator."""
    async with serving() as kube:
        config = tmp_path / "kubeconfig"
        # No server of these speaks TLS, so no client needs to read the system's authorities, 25 ms each time.
        monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1", "kind": "Config", "current-context": "c",
                    "clusters": [{"name": "c", "cluster": {"server": kube.url}}], "users": [{"name": "u", "user": {}}],
                    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                }
            )
        )  # fmt: skip
        monkeypatch.setenv("KUBECONFIG", str(config))
        # A kubeconfig for plain HTTP names no authority, so two clients would read all of the system's at every start.
        monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
        world = World(kube)
        await world.start()
        player = asyncio.create_task(world.play())
        try:
            yield world
        finally:
            player.cancel()
            await world.kill()
