"""An API server and an archive for the command, in a thread of this process: the command has the main one to itself."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from aiohttp import web

from seatrial.archive.server.access.kubernetes import User
from seatrial.archive.server.serve import running
from seatrial.archive.server.settings import Settings
from tests.api.kube import RESOURCES, Kube, Write, failure, serving
from tests.unit.archive import support
from tests.unit.archive.support import KEY, connected

Object = dict[str, Any]
T = TypeVar("T")
TOKEN = "secret"
UID = "0b5c1f9e-6f0a-4a57-9d3e-1f2a3b4c5d6e"
ARCHIVE = "seatrial-system/seatrial-archive:read"
NOON = "2026-01-01T12:00:00Z"
TIMELINE = {
    "queued": NOON, "started": "2026-01-01T12:00:00.100Z", "environmentReady": "2026-01-01T12:00:02.100Z",
    "firstTest": "2026-01-01T12:00:02.600Z", "lastTest": "2026-01-01T12:00:09Z", "verdict": "2026-01-01T12:00:09.400Z",
}  # fmt: skip
DEADLINE_SECONDS = 30.0

Step = Mapping[str, Any] | Callable[[Object], Awaitable[None]]
"""What happens to a run: a change of its status, or anything else."""


class Everybody:
    """Knows the token of the kubeconfig; whoever shows it may read all, and create runs unless that is taken away."""

    def __init__(self) -> None:
        self.may_create = True

    async def who(self, token: str) -> User | None:
        return User("ann") if token == TOKEN else None

    async def may(self, user: User, verb: str, namespace: str | None) -> bool:
        return self.may_create or verb != "create"

    async def namespace_uid(self, namespace: str) -> str | None:
        return f"uid-of-{namespace}"

    async def close(self) -> None:
        pass


@dataclass
class Servers:
    """What the command talks to. Methods are called from the test's thread, steps run in that of the servers."""

    kube: Kube
    archive: support.Server
    loop: asyncio.AbstractEventLoop
    kubeconfig: Path
    everybody: Everybody
    asked: list[str] = field(default_factory=list)
    """Paths of the archive that the command asked for."""
    refusals: list[web.Response] = field(default_factory=list)
    """Answers to the next creations of a run, one each."""
    closed: web.Response | None = None
    """Answers in place of the archive."""
    _playing: list[asyncio.Task[None]] = field(default_factory=list)
    _failures: list[BaseException] = field(default_factory=list)
    """Of steps, not raised yet."""
    _watched: bool = False

    def __post_init__(self) -> None:
        self.kube.fault = self._refuse
        self.kube.refuse_read = self._read

    async def _refuse(self, write: Write, when: str) -> web.StreamResponse | None:
        asked = (write.method, write.resource, when) == ("POST", "integrationruns", "before")
        return self.refusals.pop(0) if asked and self.refusals else None

    def _read(self, request: web.Request) -> web.Response | None:
        _, proxied, path = request.path.partition("/proxy")
        if not proxied:
            return None
        self.asked.append(path)
        return failure(self.closed.status, "", self.closed.text or "") if self.closed is not None else None

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Has the servers' thread do something."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_SECONDS)

    # the cluster

    def put(self, resource: str, body: Object) -> Object:
        """Creates an object."""
        body["metadata"].setdefault("namespace", "default")
        return self.do(self.kube.put(resource, body))

    def run(
        self, name: str = "pr-1", namespace: str = "default", *, uid: str = "", environment: str = "", **status: Any
    ) -> Object:
        """Creates a run that is as far as its status says."""
        status |= {"namespace": environment} if environment else {}
        metadata = {"name": name, "namespace": namespace, **({"uid": uid} if uid else {})}
        spec = {"services": {"postgres": {}}, "apps": {"web": {"image": "w"}}, "tests": {"image": "t"}}
        return self.put("integrationruns", {"metadata": metadata, "spec": spec, "status": status})

    def change(self, change: Mapping[str, Any], name: str = "pr-1", namespace: str = "default") -> None:
        """Merges a change into a run."""
        self.do(self.kube.change("integrationruns", name, namespace, dict(change)))

    def remove(self, name: str = "pr-1", namespace: str = "default") -> None:
        """Deletes a run."""
        self.do(self.kube.remove("integrationruns", name, namespace))

    def find(self, resource: str, name: str, namespace: str = "default") -> Object:
        """An object that is there."""
        found = self.kube.one(resource, name, namespace)
        assert found is not None, f"no {resource} {name} in {namespace}"
        return found

    @property
    def writes(self) -> list[str]:
        """What the command changed, in order: `create strict dry`, `apply ConfigMap/seed`, `delete pr-1`."""
        return [_described(write) for write in self.kube.writes]

    def pod(self, name: str, component: str, *containers: str, environment: str = "st-pr-1-abcde") -> None:
        """A pod whose containers run, and have two lines in their logs."""
        self.put("pods", {
            "metadata": {"name": name, "namespace": environment, "labels": {"seatrial.dev/component": component}},
            "spec": {"containers": [{"name": container} for container in containers]},
            "status": {"containerStatuses": [{"name": each, "state": {"running": {}}} for each in containers]},
        })  # fmt: skip
        for container in containers:
            self.kube.logs[container] = f"{container} says one\n{container} says two\n"

    # the archive

    def close_archive(self, status: int = 503, message: str = "no endpoints available") -> None:
        """Lets the API server answer in place of the archive."""
        self.closed = web.Response(status=status, text=message)

    async def record(self, run: Object, **more: Any) -> None:
        """Tells the archive of a run, as the operator does."""
        metadata = run["metadata"]
        about = {"name": metadata["name"], "namespace": metadata["namespace"], "createdAt": NOON}
        answer = await self.archive.put_record(metadata["uid"], **about, **more)
        assert answer.is_success, answer.text

    def publishes(self, *events: Mapping[str, Any]) -> Callable[[Object], Awaitable[None]]:
        """The step: a shard sends these events, and the command receives all of them."""

        async def step(run: Object) -> None:
            await self.record(run, phase="Starting")
            answer = await self.archive.shard(run["metadata"]["uid"]).live(*({"t": 1.0, **event} for event in events))
            assert answer.is_success, answer.text

        return step

    def keep(
        self, files: Mapping[str, bytes] | None = None, *, evidence: Mapping[str, bytes] | None = None,
        digest: str = "", tests: Mapping[str, int] | None = None, summary: Mapping[str, Any] | None = None,
        reason: str = "TestsPassed", verdict: str = "Passed", message: str = "",
    ) -> None:  # fmt: skip
        """A run that is over, and its files in the archive.

        Args:
            files: of its one shard; None: it has no result.
            evidence: its files.
            digest: that the run's status vouches for, in place of the right one.
            tests: counts.
            summary: fields of the shard's summary besides the usual ones.
            reason, verdict, message: of the run.
        """
        counts = dict(tests if tests is not None else {"total": 2, "passed": 2})
        status = {
            "phase": verdict, "verdict": verdict, "reason": reason, "message": message or f"it is {verdict}",
            "attempt": 1, "tests": counts, "timeline": TIMELINE,
        }  # fmt: skip
        run = self.run(uid=UID, **status)
        shown = {name: status[name] for name in ("phase", "verdict", "reason", "message", "timeline")}

        async def upload() -> str:
            await self.record(run, **shown)
            known = ""
            if files is not None:
                about = {"run": {"uid": UID, "name": "pr-1", "namespace": "default"}, "tests": counts}
                body = support.summary(UID, **{**about, **(summary or {})})
                known = await self.archive.shard(UID).whole({"summary.json": body, **files})
            if evidence is not None:
                await self.archive.evidence(UID).whole(dict(evidence))
            await self.archive.caught_up()
            await self.record(run, **shown, digest=known)
            return known

        found = self.do(upload())
        self.change({"status": {"results": {"digest": digest or found}}})

    @property
    def bundles(self) -> list[str]:
        """Namespace and digest of all bundles in the archive."""
        found = (self.archive.folder / "bundles").glob("*/*.tar.gz")
        return sorted(f"{path.parent.name.removeprefix('uid-of-')} sha256:{path.name.split('.')[0]}" for path in found)

    # what happens meanwhile

    def play(self, *steps: Step, name: str = "pr-1", namespace: str = "default") -> None:
        """Once the run is there, takes these steps one after the other."""

        async def steps_of() -> None:
            run = await until(lambda: self.kube.one("integrationruns", name, namespace), f"run {name}")
            for step in steps:
                if isinstance(step, Mapping):
                    await self.kube.change("integrationruns", name, namespace, {"status": dict(step)})
                else:
                    await step(run)

        async def begin() -> None:
            task = asyncio.create_task(steps_of())
            task.add_done_callback(self._played)
            self._playing.append(task)

        self.do(begin())

    def _played(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failures.append(error)
            if self._watched:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the command runs in the main thread: a step that fails interrupts it, and its error is raised."""

        def interrupt(*_: object) -> None:
            if self._watched and self._failures:
                signal.raise_signal(signal.SIGINT)

        signal.signal(signal.SIGUSR1, interrupt)
        self._watched = True
        try:
            interrupt()
            yield
        finally:
            self._watched = False  # the handler stays: without one, a signal on its way would end the tests
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures.pop(0)

    async def deleted(self, run: Object) -> None:
        """The step: somebody deletes the run."""
        await self.kube.remove("integrationruns", run["metadata"]["name"], run["metadata"]["namespace"])

    async def stop(self) -> None:
        """Ends what is still played.

        Raises:
            Exception: of a step that failed.
        """
        for playing in self._playing:
            playing.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)
        self._raise_failure()


def shows(text: str) -> Callable[[Object], Awaitable[None]]:
    """The step that waits until the command has printed this."""

    async def step(run: Object) -> None:
        await until(lambda: text in sys.stdout.getvalue(), f"{text!r} on the screen")  # type: ignore[attr-defined]

    return step


async def interrupts(run: Object) -> None:
    """The step: Control-C."""
    os.kill(os.getpid(), signal.SIGINT)


async def until(look: Callable[[], Any], what: str) -> Any:
    """Waits for something that a user could see."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
    while not (found := look()):
        assert asyncio.get_running_loop().time() < deadline, f"not within {DEADLINE_SECONDS} s: {what}"
        await asyncio.sleep(0.005)
    return found


def refusal(status: int, message: str, reason: str = "", causes: Sequence[tuple[str, str]] = ()) -> web.Response:
    """An API server's answer to what it does not accept."""
    body = {
        "kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": message,
        "details": {"causes": [{"field": field, "message": text} for field, text in causes]},
    }  # fmt: skip
    return web.json_response(body, status=status)


def _described(write: Write) -> str:
    match write.method:
        case "POST":
            strict, dry = "fieldValidation=Strict" in write.query, "dryRun=All" in write.query
            return f"create{' strict' if strict else ''}{' dry' if dry else ''}"
        case "DELETE":
            return f"delete {write.name}"
        case _ if write.body.get("kind"):
            return f"apply {RESOURCES[write.resource][1]}/{write.name}"
    return f"patch {write.name}"


@contextmanager
def in_a_thread(context: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enters an async context in the loop of another thread."""
    entered: Future[tuple[T, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def hold() -> None:
        try:
            async with context as found:
                left = asyncio.Event()
                entered.set_result((found, asyncio.get_running_loop(), left))
                await left.wait()
        except BaseException as error:
            if entered.done():
                raise
            entered.set_exception(error)

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(asyncio.run, hold())
        found, loop, left = entered.result(DEADLINE_SECONDS)
        try:
            yield found
        finally:
            loop.call_soon_threadsafe(left.set)
            held.result(DEADLINE_SECONDS)


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[Servers]:
    """Both servers, and a kubeconfig of a user with a token."""
    key_file, kubeconfig, everybody = folder / "key", folder / "kubeconfig", Everybody()
    key_file.write_bytes(KEY)
    settings = Settings(
        folder=folder / "archive", key_file=key_file, host="127.0.0.1", upload_port=0, read_port=0, stop_seconds=1
    )
    async with (
        serving() as kube,
        running(settings, None, everybody) as ports,
        connected(ports.upload_port, ports.read_port, settings.folder) as archive,
    ):
        archive.archive = ports.archive
        kube.services[ARCHIVE] = f"http://127.0.0.1:{ports.read_port}"
        kubeconfig.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": kube.url}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
        }))  # fmt: skip
        servers = Servers(kube, archive, asyncio.get_running_loop(), kubeconfig, everybody)
        try:
            yield servers
        finally:
            await servers.stop()


def stored(folder: Path, path: str) -> Path:
    """The archive's own file under this name."""
    (found,) = [file for file in folder.rglob("*") if file.is_file() and str(file).endswith(f"/{path}")]
    return found
