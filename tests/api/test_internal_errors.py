"""Whatever function of a pass fails on a run: that run ends, all others go on, and nothing is left."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import sys
import types
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.api.status import IntegrationRunStatus
from seatrial.metrics import current_run
from tests.api.world import World, living
from tests.unit import builders

MODULES = (
    "controller.one_pass", "controller.provision", "controller.effects", "controller.environments",
    "controller.status_writer", "controller.results", "lifecycle.plan", "lifecycle.ending", "lifecycle.clean_up",
    "lifecycle.conditions", "lifecycle.draft", "lifecycle.waiting", "verdict.diagnose", "verdict.deadlines",
    "verdict.pods", "verdict.result", "verdict.diagnosis", "verdict.excerpt", "verdict.kubernetes", "facts.cache",
    "facts.attempt", "facts.result", "environment.manifests", "environment.problems", "evidence.gather",
    "evidence.maskers",
)  # fmt: skip
AT_ONCE = 12
"""Runs beside each other."""
REACHED = 70
"""Functions at least that a failing run goes through."""


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("seatrial.controller.set_aside.PAUSES", (0.01,) * 4)
    monkeypatch.setattr("seatrial.controller.set_aside.CHECK_SECONDS", 0.05)
    async with living(tmp_path, monkeypatch) as made:
        yield made


def functions() -> Iterator[tuple[str, Any, str, Callable[..., Any]]]:
    """Every function and method of a pass: its full name, what holds it, its name there, itself."""
    for name in MODULES:
        module = importlib.import_module(f"seatrial.{name}")
        for holder in (module, *(each for each in vars(module).values() if inspect.isclass(each))):
            if holder is not module and holder.__module__ != module.__name__:
                continue
            for attribute, value in list(vars(holder).items()):
                if not isinstance(value, types.FunctionType) or value.__module__ != module.__name__:
                    continue
                if not attribute.startswith("__"):
                    yield f"{name}.{value.__qualname__}", holder, attribute, value


def batched(items: Iterable[tuple[str, str]], size: int) -> list[list[tuple[str, str]]]:
    listed = list(items)
    return [listed[at : at + size] for at in range(0, len(listed), size)]


class Injector:
    """Makes one function fail for each run, wherever it is called in a pass over that run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken: dict[str, str] = {}
        """Full name of the function, by the run's uid."""
        self.reached: set[str] = set()
        """Uids."""
        loaded = [module for name, module in sys.modules.items() if name.startswith("seatrial.")]
        self.names = []
        for name, holder, attribute, function in functions():
            self.names.append(name)
            failing = self._failing(name, function)
            monkeypatch.setattr(holder, attribute, failing)
            if isinstance(holder, types.ModuleType):
                for module in loaded:  # where it is imported by name
                    for known, value in list(vars(module).items()):
                        if value is function:
                            monkeypatch.setattr(module, known, failing)

    def _failing(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def check() -> None:
            uid = current_run.get()
            if self.broken.get(uid) == name:
                self.reached.add(uid)
                raise RuntimeError("injected")

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: Any, **options: Any) -> Any:
                check()
                return await function(*args, **options)

            return later

        @functools.wraps(function)
        def now(*args: Any, **options: Any) -> Any:
            check()
            return function(*args, **options)

        return now


@pytest.mark.slow
async def test_a_run_that_makes_any_function_of_a_pass_fail_ends_and_touches_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    injector = Injector(monkeypatch)
    world.summary = lambda: builders.summary("failed")
    bad = {str(uuid.uuid4()): name for name in injector.names}
    injector.broken = bad
    names = {uid: f"bad-{number}" for number, uid in enumerate(bad)}

    async def put(name: str, **metadata: Any) -> None:
        body = {"metadata": {"name": name, "namespace": "team-a", **metadata}, "spec": {"tests": {"image": "t"}}}
        await world.kube.put("integrationruns", body)

    ends: dict[str, IntegrationRunStatus] = {}
    for group in batched(names.items(), AT_ONCE):
        await asyncio.gather(*(put(name, uid=uid) for uid, name in group), put("good"))
        runs = [*(name for _, name in group), "good"]
        await world.until(lambda runs=runs: all(world.settled(name) for name in runs), f"all of {group}", seconds=60)
        assert world.kube.left_over() == {}
        assert world.run("good").status.reason == "TestsFailed"  # type: ignore[union-attr]
        ends |= {bad[uid]: world.run(name).status for uid, name in group}  # type: ignore[union-attr]
        for name in runs:
            await world.kube.remove("integrationruns", name, "team-a")
        await world.until(lambda: not world.kube.all("integrationruns"), "all gone")
    assert {status.reason for status in ends.values()} == {"InternalError", "TestsFailed"}
    failed = {name: status for name, status in ends.items() if status.reason == "InternalError"}
    assert {name for name in ends if name not in failed} >= {bad[uid] for uid in bad if uid not in injector.reached}
    assert len(injector.reached) >= REACHED
    assert {
        "lifecycle.plan.plan",
        "controller.provision.Provisioner.create",
        "verdict.diagnose.diagnose",
    } <= failed.keys()
    for status in failed.values():
        assert (status.phase, status.verdict) == ("Errored", "Errored")
        assert "after 5 tries (RuntimeError" in status.message
        assert [c.status for c in status.conditions if c.type == "Succeeded"] == ["False"]


async def test_a_run_that_was_set_aside_can_be_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    injector = Injector(monkeypatch)
    uid = str(uuid.uuid4())
    injector.broken = {uid: "lifecycle.plan.plan"}
    body = {"metadata": {"name": "orders", "namespace": "team-a", "uid": uid}, "spec": {"tests": {"image": "t"}}}
    await world.kube.put("integrationruns", body)
    await world.until(world.settled, "set aside")
    await world.kube.remove("integrationruns", "orders", "team-a")
    await world.until(lambda: world.run() is None, "gone")
    assert world.kube.left_over() == {}


async def test_evidence_that_makes_the_operator_fail_keeps_no_run_from_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a log that nobody expected")

    monkeypatch.setattr("seatrial.evidence.gather.Gatherer.__call__", fail)
    world.summary = lambda: builders.summary("failed")
    await world.apply()
    await world.until(world.settled, "cleaned up")
    status = world.run().status  # type: ignore[union-attr]
    assert status.reason == "TestsFailed"
    (lost,) = [c for c in status.conditions if c.type == "EvidenceArchived"]
    assert (lost.status, lost.reason) == ("False", "Refused")
    assert "an error of the operator (RuntimeError)" in lost.message
