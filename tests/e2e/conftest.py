"""End-to-end tests: the installed operator on a real cluster, driven as users drive it, left clean."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from seatrial.cli.connect import Target, connect
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError, NotFoundError
from seatrial.kube.kinds import DEPLOYMENT, NAMESPACE, POD, RUN

collect_ignore = ["projects", "suites"]  # they are what runs are made of
PROJECT = Path(__file__).resolve().parents[2]
OPERATOR_NAMESPACE = "seatrial-system"
OPERATOR = "seatrial-operator"
CHART = str(PROJECT / "charts" / "seatrial")
RELEASE = ("seatrial", "--namespace", OPERATOR_NAMESPACE)
QUICKSTART = PROJECT / "examples" / "quickstart" / "quickstart.yaml"
QUICKSTART_TESTS = 12
Status = dict[str, Any]


async def eventually(
    look: Callable[[], Any], what: str, seconds: float, pace: float = 0.2, seen: Callable[[], Any] | None = None
) -> Any:
    """Looks until it is truthy; else fails with what it waited for, and what `seen` gives then."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = await look()
        if found:
            return found
        if asyncio.get_running_loop().time() > deadline:
            last = f"; last seen: {await seen()}" if seen else ""
            pytest.fail(f"not within {seconds:.0f} s: {what}{last}")
        await asyncio.sleep(pace)


async def call(*command: str, given: str | None = None, remarks: bool = False) -> str:
    """What a command prints, with `remarks` also on its standard error; fails the test when the command does."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = (text.decode() for text in await process.communicate(given.encode() if given is not None else None))
    assert process.returncode == 0, f"{' '.join(command)}: {out[-2000:]}{err[-2000:]}"
    return out + err if remarks else out


async def kubectl(*arguments: str, given: str | None = None) -> str:
    """What kubectl prints."""
    return await call("kubectl", *arguments, given=given)


def quickstart() -> dict[str, Any]:
    """The spec of the quickstart's run."""
    return dict(yaml.safe_load(QUICKSTART.read_text())["spec"])


@dataclass
class Bench:
    """A tenant's namespace in which a test starts runs."""

    cluster: Cluster
    namespace: str
    uids: list[str] = field(default_factory=list)

    async def start(self, spec: dict[str, Any], *, name: str = "", tests: dict[str, str] | None = None) -> str:
        """Creates a run; `tests` are files that become its ConfigMap source. Returns its name."""
        name = name or f"t-{uuid.uuid4().hex[:6]}"
        if tests is not None:
            source = f"{name[:60]}-tests"
            await self.config_map(source, tests)
            spec = {**spec, "tests": {"source": {"configMapRef": {"name": source}}, **spec.get("tests", {})}}
        body = {
            "apiVersion": "seatrial.dev/v1alpha1",
            "kind": "IntegrationRun",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        created = await self.cluster.create(body, strict=True)
        self.uids.append(created["metadata"]["uid"])
        return name

    async def config_map(self, name: str, data: dict[str, str]) -> None:
        """Creates a ConfigMap."""
        metadata = {"name": name, "namespace": self.namespace}
        await self.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    async def files(self, name: str) -> list[str]:
        """The paths of the files that the only shard of a run has in the archive."""
        async with connect(Target()) as session:
            found = await session.archive.manifest(await self.uid(name), 1, 0)
        return [file.path for file in found[1].files] if found else []

    async def status(self, name: str) -> Status:
        """The status of a run."""
        return dict((await self.cluster.get(RUN, name, self.namespace)).get("status") or {})

    async def uid(self, name: str) -> str:
        """The uid of a run."""
        return str((await self.cluster.get(RUN, name, self.namespace))["metadata"]["uid"])

    async def cancel(self, name: str) -> None:
        """Sets `spec.cancel`."""
        await self.cluster.patch(RUN, name, self.namespace, {"spec": {"cancel": True}})

    async def delete(self, name: str) -> None:
        """Asks for the deletion of a run, and waits for nothing."""
        await self.cluster.delete(RUN, name, self.namespace)

    async def gone(self, seconds: float = 60) -> None:
        """Waits until no run and no environment of this test is left."""

        async def nothing() -> bool:
            return not await self.cluster.list(RUN, self.namespace) and not await self.environments()

        await eventually(nothing, f"runs and environments of {self.namespace} gone", seconds)

    async def pod(self, namespace: str, component: str) -> dict[str, Any] | None:
        """The pod of a component of an environment."""
        found = await self.cluster.list(POD, namespace, labels=f"seatrial.dev/component={component}")
        return found[0] if found else None

    async def reach(self, name: str, phase: str, seconds: float = 90) -> Status:
        """Waits until a run is in this phase."""

        async def look() -> Status | None:
            status = await self.status(name)
            if status.get("verdict") and status.get("phase") != phase:
                pytest.fail(f"{name} ended before it was {phase}: {status.get('reason')}: {status.get('message')}")
            return status if status.get("phase") == phase else None

        return dict(await eventually(look, f"{name} in phase {phase}", seconds, 0.05, lambda: self.status(name)))

    async def verdict(self, name: str, seconds: float = 120) -> Status:
        """Waits for the verdict."""

        async def look() -> Status | None:
            status = await self.status(name)
            return status if status.get("verdict") else None

        return dict(await eventually(look, f"verdict of {name}", seconds, seen=lambda: self.status(name)))

    async def cleaned_up(self, name: str, seconds: float = 60) -> Status:
        """Waits until the environment is gone and the run says so."""

        async def look() -> Status | None:
            status = await self.status(name)
            return status if (status.get("timeline") or {}).get("cleanedUp") else None

        return dict(await eventually(look, f"{name} cleaned up", seconds))

    async def run(self, spec: dict[str, Any], tests: dict[str, str] | None = None, seconds: float = 120) -> Status:
        """Starts a run, and waits for its verdict and for its environment to be gone."""
        name = await self.start(spec, tests=tests)
        await self.verdict(name, seconds)
        return await self.cleaned_up(name)

    async def environments(self) -> list[dict[str, Any]]:
        """The namespaces that belong to this test's runs."""
        found = await self.cluster.list(NAMESPACE, labels="app.kubernetes.io/managed-by=seatrial")
        return [ns for ns in found if ns["metadata"]["labels"].get("seatrial.dev/run-uid") in self.uids]

    async def leave(self) -> None:
        """Deletes what the test has made, then checks that nothing of it is left."""
        for run in await self.cluster.list(RUN, self.namespace):
            with suppress(NotFoundError):
                await self.delete(run["metadata"]["name"])
        await self.gone(90)
        await self.cluster.delete(NAMESPACE, self.namespace)


async def archived(uid: str) -> dict[str, Any]:
    """What the archive holds of a run, asked as the command asks."""
    async with connect(Target()) as session:
        return dict(await session.archive.run(uid) or {})


async def scale(cluster: Cluster, deployment: str, replicas: int) -> None:
    """Scales a Deployment of the release; waits until its pods are ready and all others are gone."""
    changed = await cluster.patch(DEPLOYMENT, deployment, OPERATOR_NAMESPACE, {"spec": {"replicas": replicas}})
    labels = ",".join(f"{key}={value}" for key, value in changed["spec"]["selector"]["matchLabels"].items())

    async def settled() -> bool:
        pods = await cluster.list(POD, OPERATOR_NAMESPACE, labels=labels)
        status = (await cluster.get(DEPLOYMENT, deployment, OPERATOR_NAMESPACE)).get("status") or {}
        return (len(pods), status.get("readyReplicas", 0)) == (replicas, replicas)

    await eventually(settled, f"{replicas} pods of {deployment}", 60)


@dataclass(frozen=True)
class Release:
    """The installed chart, and the values that it had before the test."""

    before: Path

    async def install(self, **values: Any) -> None:
        """Installs the chart as it was before, or with these values in addition."""
        more = ("--set-json", json.dumps(values)) if values else ()
        await call(
            "helm", "upgrade", "--install", RELEASE[0], CHART, *RELEASE[1:], "--reset-values", "--values",
            str(self.before),
            *more, "--wait", "--timeout", "3m",
        )  # fmt: skip


@pytest.fixture
async def release(tmp_path: Path) -> AsyncIterator[Release]:
    """The release, to be changed as a test likes; whatever happens, it is as it was at the end."""
    if not (await kubectl("config", "current-context")).startswith("kind-"):
        pytest.skip("it would change the release of a cluster that may be somebody's")
    values = tmp_path / "values.yaml"
    values.write_text(await call("helm", "get", "values", *RELEASE, "-o", "yaml"))
    found = Release(values)
    yield found
    await found.install()


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    try:
        connected = await Cluster.connect(agent="seatrial-e2e")
    except ClusterError as error:
        pytest.fail(f"{error}; `make e2e` starts a cluster and sets KUBECONFIG")
    async with connected:
        yield connected


@pytest.fixture
async def bench(cluster: Cluster) -> AsyncIterator[Bench]:
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    place = Bench(cluster, namespace)
    yield place
    await place.leave()


@pytest.fixture
async def no_operator(bench: Bench) -> AsyncIterator[None]:
    """The operator is away during the test, as far as the test does not bring it back itself."""
    await scale(bench.cluster, OPERATOR, 0)
    yield
    await scale(bench.cluster, OPERATOR, 1)
