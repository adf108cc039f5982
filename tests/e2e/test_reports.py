"""What the command tells and fetches of a run whose environment and whose record are gone."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from tests.e2e.conftest import Bench, call
from tests.unit.report.rules import ADDED, CTRF, junit_problems

pytestmark = pytest.mark.cluster

TESTS = {
    "test_it.py": 'def test_good():\n    pass\n\ndef test_bad():\n    """INT-020"""\n'
    '    print("printed ]]> \\x1b[31mred\\x1b[0m \\x00")\n    assert {"state": "open"} == {"state": "paid"}\n'
}
BROKEN = {
    "services": {"postgres": {}},
    "apps": {
        "orders": {"image": "seatrial/pytest:0.1.0", "command": ["python", "-c", "import ordersdb"], "port": 8000}
    },
}


async def seatrial(bench: Bench, *words: str) -> str:
    return await call(sys.executable, "-m", "seatrial.cli.main", *words, "--namespace", bench.namespace)


async def over(bench: Bench, name: str) -> str:
    """Waits until nothing is left of a run but what is archived; gives its uid."""
    uid = await bench.uid(name)
    await bench.verdict(name)
    await bench.cleaned_up(name)
    await bench.delete(name)
    await bench.gone()
    return uid


async def test_a_failed_run_that_is_gone(bench: Bench, tmp_path: Path) -> None:
    name = await bench.start({"services": {"postgres": {}}}, tests=TESTS)
    uid = await over(bench, name)
    for known_as in (name, uid):
        shown = await seatrial(bench, "results", known_as)
        assert shown.startswith("✗ Failed 1/2  1 failed")
        assert "E       AssertionError: assert {'state': 'open'} == {'state': 'paid'}" in shown
    # a command that is there to be copied stays in one line
    assert [line for line in shown.splitlines() if len(line) > 80 and not line.startswith("  Results  ")] == []
    await seatrial(bench, "results", name, "-o", str(tmp_path))
    junit, strict = await asyncio.gather(
        seatrial(bench, "results", name, "--format", "junit"), seatrial(bench, "results", name, "--format", "xunit")
    )
    assert junit == (tmp_path / "junit.xml").read_text(encoding="utf-8")
    root = ElementTree.fromstring(junit)
    assert junit_problems(root, frozenset(ADDED)) == []
    assert junit_problems(ElementTree.fromstring(strict)) == []
    assert root.find(".//testcase[@name='test_bad']/properties/property[@value='INT-020']") is not None
    assert "printed ]]> red #x00" in (root.findtext(".//system-out") or "")
    jsonschema.validate(json.loads((tmp_path / "ctrf.json").read_text(encoding="utf-8")), CTRF)
    assert "## ❌ Failed: 1 of 2 tests passed" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert (tmp_path / "attempt-1/evidence/logs/postgres.log").stat().st_size > 0
    assert (tmp_path / "attempt-1/shard-0/output.log").stat().st_size > 0


async def test_an_errored_run_shows_the_line_that_shows_why(bench: Bench) -> None:
    name = await bench.start(BROKEN, tests=TESTS)
    await bench.verdict(name)
    shown = await seatrial(bench, "results", name)  # at once: the evidence may still be on its way
    assert shown.splitlines()[0].startswith("! Errored AppCrashed")
    assert "ModuleNotFoundError: No module named 'ordersdb'" in shown.split("What the evidence says")[1]
    await bench.cleaned_up(name)
    assert "import ordersdb" in await seatrial(bench, "logs", name, "orders")
    junit = ElementTree.fromstring(await seatrial(bench, "results", name, "--format", "junit"))
    assert "AppCrashed" in str(junit.find(".//testcase[@classname='seatrial']/error[@message]").get("message"))  # type: ignore[union-attr]
