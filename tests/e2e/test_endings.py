"""Runs that are ended from outside: deleted or cancelled at every moment. Nothing stays, and what had finished is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import Bench, archived

pytestmark = pytest.mark.cluster

LONG = {
    "test_it.py": "import time\n\ndef test_first():\n    pass\n\ndef test_second():\n    time.sleep(3600)\n",
}
BLOCKED: dict[str, Any] = {
    # an app that never answers keeps the run where it starts
    "services": {"postgres": {}},
    "apps": {"web": {"image": "seatrial/pytest:0.1.0", "command": ["sleep", "3600"], "port": 8000}},
}
MOMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "at once": ({"services": {"postgres": {}}}, ""),
    "while it starts": (BLOCKED, "Starting"),
    "while it tests": ({"services": {"postgres": {}}}, "Testing"),
}


@pytest.mark.parametrize(("spec", "phase"), MOMENTS.values(), ids=[name.replace(" ", "-") for name in MOMENTS])
async def test_a_deleted_run_takes_its_environment_with_it(bench: Bench, spec: dict[str, Any], phase: str) -> None:
    name = await bench.start(spec, tests=LONG)
    if phase:
        await bench.reach(name, phase)
        assert await bench.environments()
    await bench.delete(name)
    await bench.gone(30)


@pytest.mark.parametrize(("spec", "phase"), MOMENTS.values(), ids=[name.replace(" ", "-") for name in MOMENTS])
async def test_a_cancelled_run_gives_back_and_keeps_what_had_finished(
    bench: Bench, spec: dict[str, Any], phase: str
) -> None:
    name = await bench.start(spec, tests=LONG)
    if phase:
        await bench.reach(name, phase)
    await bench.cancel(name)

    verdict = await bench.verdict(name, 30)
    assert (verdict["verdict"], verdict["reason"]) == ("Cancelled", "Cancelled")
    status = await bench.reclaimed(name)
    assert status["phase"] == "Cancelled"
    if phase == "Testing":
        assert status["tests"]["passed"] == 1
        held = await archived(await bench.uid(name))
        assert status["results"]["digest"] in str(held)
