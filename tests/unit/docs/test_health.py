"""Argo CD's health check and Flux' readiness expressions in docs/operations.md, on statuses of all endings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cel
import pytest
import yaml
from lupa.lua51 import LuaRuntime  # Argo CD's interpreter has this version of Lua

from seatrial.api.run import IntegrationRun
from seatrial.api.status import IntegrationRunStatus, Reason
from seatrial.api.times import parse_time
from seatrial.lifecycle.ending import rejected
from seatrial.lifecycle.plan import created, plan
from tests.unit import builders as b
from tests.unit.verdict.test_recorded import RECORDED, run_of, seen

Object = dict[str, Any]
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def the_one(found: Iterator[Any]) -> Any:
    (one,) = found
    return one


HEALTH = the_one(
    script for block in BLOCKS for name, script in (block.get("data") or {}).items() if name.endswith("_IntegrationRun")
)
EXPRESSIONS = the_one(
    check for block in BLOCKS for check in (block.get("spec") or {}).get("healthCheckExprs", ()) if block.get("spec")
)


def body(run: IntegrationRun, status: IntegrationRunStatus) -> Object:
    """The object as the API server gives it."""
    return b.body(status=status.model_dump(mode="json", by_alias=True, exclude_none=True), name=run.metadata.name)


def argo_cd(run: Object) -> tuple[str, str]:
    lua = LuaRuntime()
    check = lua.eval(f"function(obj) {HEALTH} end")
    health = check(lua.table_from(run, recursive=True))
    return health.status, health.message


def flux(run: Object) -> str:
    """As its controller asks: failed, then current, else in progress."""
    return next((word for word in ("failed", "current") if cel.evaluate(EXPRESSIONS[word], run)), "in progress")


def wait(run: Object, status: str) -> bool:
    """What `kubectl wait --for=condition=Succeeded=STATUS` waits for."""
    generation = run["metadata"]["generation"]
    return any(
        c["type"] == "Succeeded" and c["status"] == status and c["observedGeneration"] >= generation
        for c in run["status"].get("conditions", ())
    )


def recorded(path: Path) -> tuple[IntegrationRun, IntegrationRunStatus]:
    found = json.loads(path.read_text())
    verdict_at = parse_time(found["observed"]["timeline"]["verdict"])
    assert verdict_at is not None
    run = run_of(found)
    return run, plan(run, seen(found), verdict_at).status


ENDINGS: dict[str, Callable[[], tuple[IntegrationRun, IntegrationRunStatus]]] = {
    **{path.stem: lambda path=path: recorded(path) for path in RECORDED},  # type: ignore[misc]
    "invalid": lambda: (b.run(), rejected(b.run(), Reason.INVALID_SPEC, "spec.tests: wrong", b.NOW).status),
    "quota": lambda: (b.run(), rejected(b.run(), Reason.QUOTA_EXCEEDED, "pods: exceeded quota", b.NOW).status),
    "cancelled before anything was made": lambda: (
        b.run(), plan(b.run({"cancel": True}), b.facts(namespace=None), b.NOW).status,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_every_ending_is_one_for_those_who_know_only_conditions(name: str) -> None:
    run, status = ENDINGS[name]()
    passed = status.verdict == "Passed"
    found = body(run, status)
    assert argo_cd(found) == ("Healthy" if passed else "Degraded", f"{status.reason}: {status.message}")
    assert flux(found) == ("current" if passed else "failed")
    assert (wait(found, "True"), wait(found, "False")) == (passed, not passed)


def under_way() -> dict[str, tuple[IntegrationRun, IntegrationRunStatus]]:
    starting = b.run().model_copy(update={"status": created(b.run(), b.at(7200), b.at(-30)).status})
    facts = b.facts(b.tests_pod(), **b.TESTING)
    return {"Starting": (starting, starting.status), "Testing": (starting, plan(starting, facts, b.NOW).status)}


@pytest.mark.parametrize("phase", ["Starting", "Testing"])
def test_a_run_under_way_is_none(phase: str) -> None:
    run, status = under_way()[phase]
    found = body(run, status)
    assert argo_cd(found)[0] == "Progressing"
    assert argo_cd(found)[1].startswith(f"{phase}: ")
    assert flux(found) == "in progress"
    assert not wait(found, "True")
    assert not wait(found, "False")


@pytest.mark.parametrize("status", [{}, {"phase": "Starting"}])
def test_neither_is_one_that_nobody_has_taken_up(status: Object) -> None:
    found = {**b.body(), "status": status}
    assert argo_cd(found)[0] == "Progressing"
    assert flux(found) == "in progress"
    del found["status"]
    assert argo_cd(found) == ("Progressing", "waits for the operator")
