"""The operator's memory with many runs at once: the real operator as a process of its own, against an API in this one.

All runs are held while their tests go on, with the pods of their environments; then all end, and their records stay.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from bench.measure import QUICKSTART
from seatrial.api.times import format_time
from tests.api.kube import Kube, serving

BOUND_BYTES = 250e6
NAMESPACE = "team-a"
PATIENCE_SECONDS = 1800.0
Object = dict[str, Any]


def resident(pid: int) -> tuple[float, float]:
    """Resident memory of a process now, and the most it ever was; bytes."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, most = (float(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def free_port() -> int:
    """A port of the loopback interface that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Feed:
    """The archive, as far as the operator follows it."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Queue[Object]] = []

    def publish(self, message: Object) -> None:
        """One line of the feed."""
        for listener in self._listeners:
            listener.put_nowait(message)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """A record, or a file of the evidence: read to its end and forgotten."""
        return web.json_response({"digest": f"sha256:{hashlib.sha256(await request.read()).hexdigest()}"}, status=201)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The feed; there is nothing else to ask for."""
        if request.path != "/v1/feed":
            return web.json_response({"error": "there is no such thing"}, status=404)
        response = web.StreamResponse()
        await response.prepare(request)
        messages: asyncio.Queue[Object] = asyncio.Queue()
        self._listeners.append(messages)
        message: Object = {"type": "hello"}
        try:
            while True:
                await response.write(json.dumps(message).encode() + b"\n")
                try:
                    message = await asyncio.wait_for(messages.get(), 10)
                except TimeoutError:
                    message = {"type": "ping"}
        finally:
            self._listeners.remove(messages)


def started(pod: Object) -> Object:
    """A pod as a kubelet reports it once its containers run."""
    now = format_time(datetime.now(UTC))
    names = [c["name"] for c in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])]
    state = {"running": {"startedAt": now}}
    statuses = [{"name": name, "state": state, "ready": True, "restartCount": 0, "image": "i"} for name in names]
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": now}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    return {**pod, "status": {"phase": "Running", "conditions": conditions, "containerStatuses": statuses}}


def of_template(owner: Object) -> Object:
    """The pod that a controller makes of a Deployment or a Job."""
    template = copy.deepcopy(owner["spec"]["template"])
    metadata = {"name": f"{owner['metadata']['name']}-0", "namespace": owner["metadata"]["namespace"]}
    return {"metadata": {**template["metadata"], **metadata}, "spec": template["spec"]}


def summary(now: float) -> Object:
    """A passed shard of twelve tests."""
    tests = {"total": 12, "passed": 12, "failed": 0, "errors": 0, "skipped": 0, "flaky": 0}
    return {
        "outcome": "passed", "complete": True, "exitCode": 0, "signal": None, "oomKilled": False, "running": None,
        "lost": [], "notReady": [], "tests": tests, "failures": [],
        "slowest": [{"id": f"tests/test_orders.py::test_{n}", "seconds": 0.5} for n in range(5)],
        "gatesOpenAt": now - 3, "firstTestAt": now - 2, "lastTestEndedAt": now,
    }  # fmt: skip


class Player:
    """Kubelet, controllers and collectors of all environments."""

    def __init__(self, kube: Kube, feed: Feed) -> None:
        self._kube, self._feed = kube, feed
        self._seen: set[str] = set()

    async def play(self) -> None:
        """Starts what the operator creates, and reports that its tests have begun."""
        while True:
            for resource in ("pods", "deployments", "jobs"):
                for body in self._kube.all(resource):
                    if body["metadata"]["uid"] not in self._seen:
                        self._seen.add(body["metadata"]["uid"])
                        await self._start(resource, body)
            await asyncio.sleep(0.1)  # the pace of the played kubelet

    async def _start(self, resource: str, body: Object) -> None:
        if resource == "pods":
            if "status" not in body:
                await self._kube.put("pods", started(copy.deepcopy(body)))
            return
        await self._kube.put("pods", started(of_template(body)))
        if resource == "jobs":
            for event in ("open", "start"):
                self.publish(body["metadata"]["labels"]["seatrial.dev/run-uid"], {"event": event, "t": time.time()})

    def publish(self, uid: str, event: Object) -> None:
        """A live event of a run."""
        self._feed.publish({"type": "live", "uid": uid, "attempt": 1, "shard": 0, "event": event})

    def finish(self) -> None:
        """All tests have passed."""
        for run in self._kube.all("integrationruns"):
            result = {"digest": f"sha256:{'0' * 64}", "summary": summary(time.time())}
            self._feed.publish({"type": "result", "uid": run["metadata"]["uid"], "attempt": 1, "shard": 0, **result})


@asynccontextmanager
async def operator(kube: Kube, archive: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The operator, as its container starts it."""
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": kube.url}}], "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    (folder / "kubeconfig").write_text(json.dumps(config))
    (folder / "key").write_text("k" * 32)
    (folder / "environments").write_text("e" * 32)
    env = os.environ | {
        "KUBECONFIG": str(folder / "kubeconfig"),
        "SEATRIAL_KEY_FILE": str(folder / "key"),
        "SEATRIAL_ENVIRONMENT_KEY_FILE": str(folder / "environments"),
        "SEATRIAL_ARCHIVE_READ_URL": archive,
        "SEATRIAL_ARCHIVE_UPLOAD_URL": archive,
        "SEATRIAL_METRICS_PORT": str(free_port()),
        "SEATRIAL_HEALTH_PORT": str(free_port()),
        "SEATRIAL_LOG_LEVEL": "WARNING",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "seatrial", env=env)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def main(count: int) -> int:
    """Simulates so many runs and prints the operator's memory; 1 when it is over the bound."""
    spec = yaml.safe_load(QUICKSTART.read_text())["spec"]
    feed = Feed()
    app = web.Application()
    app.router.add_get("/{path:.*}", feed.handle)
    app.router.add_put("/{path:.*}", feed.take)
    server = web.AppRunner(app, shutdown_timeout=0.1)
    await server.setup()
    port = free_port()
    await web.TCPSite(server, "127.0.0.1", port).start()
    with tempfile.TemporaryDirectory() as folder:
        async with serving() as kube, operator(kube, f"http://127.0.0.1:{port}", Path(folder)) as process:
            player = Player(kube, feed)
            playing = asyncio.create_task(player.play())
            try:
                return await _measure(count, spec, kube, player, process)
            finally:
                playing.cancel()
                await asyncio.gather(playing, server.cleanup(), return_exceptions=True)


async def _measure(count: int, spec: Object, kube: Kube, player: Player, process: asyncio.subprocess.Process) -> int:
    def matching(wanted: Callable[[Object], bool]) -> int:
        return sum(wanted(run.get("status") or {}) for run in kube.all("integrationruns"))

    async def all_are(what: str, wanted: Callable[[Object], bool]) -> None:
        begun = time.monotonic()
        while (reached := matching(wanted)) < count:
            if process.returncode is not None:
                raise RuntimeError(f"the operator ended with {process.returncode}")
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise TimeoutError(f"{reached} of {count} runs are {what}")
            await asyncio.sleep(1)
        now, most = resident(process.pid)
        print(
            f"{count} runs {what}: {now / 1e6:.0f} MB, at most {most / 1e6:.0f} MB ({time.monotonic() - begun:.0f} s)"
        )

    for number in range(count):
        body = {"metadata": {"name": f"run-{number}", "namespace": NAMESPACE}, "spec": copy.deepcopy(spec)}
        await kube.put("integrationruns", body)
    await all_are("under way", lambda status: status.get("phase") == "Testing")
    writes = len(kube.writes)
    player.finish()
    await all_are("ended", lambda status: bool((status.get("timeline") or {}).get("cleanedUp")))
    _, most = resident(process.pid)
    print(f"writes of a run: {len(kube.writes) / count:.1f} ({writes / count:.1f} until its tests)")
    print(
        f"the operator's memory: {most / 1e6:.0f} MB, bound {BOUND_BYTES / 1e6:.0f} MB: "
        f"{'ok' if most <= BOUND_BYTES else 'OVER'}"
    )
    return int(most > BOUND_BYTES)
