"""Under all loads of one tenant at once the others go on: loop, memory, and a bystander's runs."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError
from tests.attacks.loads import LOADS, MASKED
from tests.attacks.reads import READS, Victim
from tests.attacks.specs import BY_THE_OPERATOR
from tests.e2e.conftest import OPERATOR_NAMESPACE, Bench, quickstart
from tests.e2e.tenants import account, kubeconfig, may_write_config_maps, reading
from tests.e2e.test_metrics import METRICS, METRICS_OF_ARCHIVE, Sample, named, scrape

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]  # alone: it measures
MEASURED_RUNS = 3
LONGEST_STALL = "0.25"
"""Seconds, a bucket of the metric: more than a busy machine makes of 0.1 s, and far less than an attack that works."""
OPERATOR_BYTES, ARCHIVE_BYTES = 250e6, 300e6
MOMENTS = ("queued", "started", "environmentReady", "firstTest", "lastTest", "verdict")
STREAMS = 40
SAMPLE_SECONDS = 2.0
ARCHIVE = (f"seatrial-archive.{OPERATOR_NAMESPACE}.svc", 8080)
PAGES = {"operator": METRICS, "archive": METRICS_OF_ARCHIVE}
BYTES, STARTED = named("process_resident_memory_bytes"), named("process_start_time_seconds")


@dataclass
class Measured:
    """What was seen; times in seconds, memory in bytes."""

    quiet: list[float] = field(default_factory=list)
    loaded: list[float] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    """Where the time of each run went."""
    verdicts: list[str] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)
    """The most of each program."""
    before: dict[str, dict[Sample, float]] = field(default_factory=dict)
    after: dict[str, dict[Sample, float]] = field(default_factory=dict)
    loads: dict[str, str] = field(default_factory=dict)
    """What became of each load."""

    def grown(self, program: str, name: str, **labels: str) -> float:
        """By how much a sample has grown under the loads."""
        sample = named(name, **labels)
        return self.after[program].get(sample, 0) - self.before[program].get(sample, 0)

    def stalls(self, part: str) -> dict[str, float]:
        """How many looks of the operator's loop were later than each bound, in seconds."""
        name = "seatrial_loop_stall_seconds"
        every = self.grown("operator", f"{name}_count", part=part)
        bounds = ("0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5")
        return {bound: every - self.grown("operator", f"{name}_bucket", part=part, le=bound) for bound in bounds}

    def report(self) -> str:
        """All figures, for whoever reads a failure."""
        quiet, loaded = ([f"{seconds:.2f}" for seconds in times] for times in (self.quiet, self.loaded))
        memory = {program: f"{size / 1e6:.0f} MB" for program, size in self.memory.items()}
        return (
            f"bystander's quickstart: quiet {quiet} s, under attack {loaded} s: {self.parts}; most memory {memory}; "
            f"looks of the loop later than so many seconds: by work {self.stalls('work')}, "
            f"by waiting {self.stalls('wait')}; loads: {self.loads}"
        )


def _seconds(status: dict[str, object]) -> float:
    timeline = status["timeline"]
    assert isinstance(timeline, dict)
    begin, end = (datetime.fromisoformat(timeline[name]) for name in ("queued", "verdict"))
    return (end - begin).total_seconds()


def _parts(status: dict[str, object]) -> str:
    """Where the time of a run went."""
    timeline = status["timeline"]
    assert isinstance(timeline, dict)
    moments = [(name, datetime.fromisoformat(timeline[name])) for name in MOMENTS if timeline.get(name)]
    pairs = pairwise(moments)
    return ", ".join(f"{name} +{(moment - before).total_seconds():.1f}" for (_, before), (name, moment) in pairs)


async def _run_quickstarts(bench: Bench, measured: Measured, times: list[float]) -> None:
    for _ in range(MEASURED_RUNS):
        status = await bench.run(quickstart(), seconds=300)
        measured.verdicts.append(f"{status['verdict']}: {status.get('message')}")
        times.append(_seconds(status))
        measured.parts.append(_parts(status))


async def _sample(measured: Measured) -> None:
    while True:
        for program, page in PAGES.items():
            with suppress(AssertionError):  # a page that can't be read shows at the end
                samples = (await scrape(page))[1]
                measured.memory[program] = max(measured.memory.get(program, 0), samples.get(BYTES, 0))
        await asyncio.sleep(SAMPLE_SECONDS)


async def _again_and_again(what: Callable[[int], Awaitable[object]], pause: float) -> None:
    """Does it so often, until it is cancelled; what refuses it has done its work."""
    number = 0
    while True:
        with suppress(ClusterError, httpx.HTTPError):
            await what(number)
        number += 1
        await asyncio.sleep(pause)


@asynccontextmanager
async def _under_attack(bench: Bench, token: str, measured: Measured) -> AsyncIterator[None]:
    """All loads at once, while the context is open."""
    names = {name: await bench.start(load.spec, name=f"load-{name}", tests=load.suite(ARCHIVE))
             for name, load in LOADS.items()}  # fmt: skip
    await asyncio.gather(*(bench.reach(name, "Testing", 180) for name in names.values()))
    uid = await bench.uid(names["test-events"])
    mine = Victim(uid, names["test-events"], bench.namespace, "", "t.py::test_1", "none", bench.namespace)
    paths = [read.filled(mine) for read in READS.values() if read.works and read.method == "GET"]

    async def bomb(number: int) -> None:
        await bench.start(BY_THE_OPERATOR["bomb"][0], name=f"bomb-{number}")

    async def masked(number: int) -> None:
        await bench.start(MASKED.spec, name=f"masked-{number}", tests=MASKED.suite(ARCHIVE))

    async with reading(token) as client, AsyncExitStack() as streams:
        for _ in range(STREAMS):  # opened, and never read
            await streams.enter_async_context(client.stream("GET", f"/v1/runs/{uid}/live"))

        async def ask(number: int) -> None:
            await client.get(paths[number % len(paths)])

        tasks = [
            asyncio.create_task(_again_and_again(bomb, 1.0)),
            asyncio.create_task(_again_and_again(masked, 25.0)),
            asyncio.create_task(_again_and_again(ask, 0.1)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    for load, name in names.items():
        status = await bench.status(name)
        measured.loads[load] = str(status.get("reason") or status.get("phase"))


async def measure(folder: Path) -> Measured:
    """Measures a bystander's runs alone, then under attack."""
    measured = Measured()
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(await Cluster.connect(agent="seatrial-e2e"))
        base = f"e2e-{uuid.uuid4().hex[:6]}"
        bystander, attacker = Bench(admin, f"{base}-bystander"), Bench(admin, f"{base}-attacker")
        for bench in (bystander, attacker):
            await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": bench.namespace}})
            stack.push_async_callback(bench.leave)
        token = await account(admin, attacker.namespace, "seatrial-view", "seatrial-edit", name="tenant")
        await may_write_config_maps(attacker.namespace, "tenant")
        path = await kubeconfig(token, attacker.namespace, folder)
        theirs = Bench(await stack.enter_async_context(await Cluster.connect(kubeconfig=path)), attacker.namespace)
        theirs.uids = attacker.uids
        await _run_quickstarts(bystander, measured, measured.quiet)
        measured.before = {program: (await scrape(page))[1] for program, page in PAGES.items()}
        sampling = asyncio.create_task(_sample(measured))
        try:
            async with _under_attack(theirs, token, measured):
                await _run_quickstarts(bystander, measured, measured.loaded)
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
        measured.after = {program: (await scrape(page))[1] for program, page in PAGES.items()}
    return measured


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    found = asyncio.run(measure(tmp_path_factory.mktemp("attack")))
    print(found.report())
    return found


def test_the_loads_went_on_to_the_end(measured: Measured) -> None:
    assert set(measured.loads.values()) == {"Testing"}, measured.report()


def test_nothing_was_started_anew(measured: Measured) -> None:
    for program in PAGES:
        assert measured.before[program][STARTED] == measured.after[program][STARTED], f"{program}: {measured.report()}"


def test_the_operators_loop_never_stalls(measured: Measured) -> None:
    assert measured.grown("operator", "seatrial_loop_stall_seconds_count", part="work"), "nothing was measured"
    assert measured.stalls("work")[LONGEST_STALL] == 0, measured.report()


def test_a_bystanders_runs_pass(measured: Measured) -> None:
    assert {verdict.partition(":")[0] for verdict in measured.verdicts} == {"Passed"}, measured.verdicts


@pytest.mark.parametrize(("program", "bound"), [("operator", OPERATOR_BYTES), ("archive", ARCHIVE_BYTES)])
def test_memory_stays_bounded(measured: Measured, program: str, bound: float) -> None:
    assert 0 < measured.memory[program] <= bound, measured.report()
