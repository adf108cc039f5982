"""Coverage of a suite in the default image, from pytest to the archive."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.conftest import Bench
from tests.e2e.test_reports import over, seatrial

pytestmark = pytest.mark.cluster

TESTS = {
    "prices.py": "def price(amount):\n    if amount > 100:\n        return amount * 9\n    return amount * 10\n\n\n"
    "def refund(amount):\n    return -price(amount)\n",
    "test_it.py": "import prices\n\n\ndef test_small():\n    assert prices.price(1) == 10\n\n\n"
    "def test_large():\n    assert prices.price(200) == 1800\n",
}
UNREACHED = {8}
"""Lines of prices.py: the body of refund."""


@pytest.mark.parametrize("args", [[], ["-n", "2"]], ids=["one-process", "xdist"])
async def test_coverage_is_in_the_archive(bench: Bench, tmp_path: Path, args: list[str]) -> None:
    name = await bench.start({"tests": {"coverage": True, "args": args}}, tests=TESTS)
    uid = await over(bench, name)
    shown = await seatrial(bench, "results", uid)
    assert shown.startswith("✓ Passed 2/2")
    await seatrial(bench, "results", uid, "-o", str(tmp_path))
    shard = tmp_path / "attempt-1" / "shard-0"
    whole = (tmp_path / "coverage.xml").read_bytes()
    assert whole == (shard / "coverage" / "coverage.xml").read_bytes()
    assert await seatrial(bench, "results", uid, "--format", "coverage") == whole.decode()
    root = ElementTree.fromstring(whole)
    lines = {one.get("filename"): list(one.iter("line")) for one in root.iter("class")}
    assert sorted(str(file) for file in lines) == ["prices.py", "test_it.py"]
    assert {int(str(line.get("number"))) for line in lines["prices.py"] if line.get("hits") == "0"} == UNREACHED
    assert "prices" in (shard / "coverage" / "html" / "index.html").read_text(encoding="utf-8")
    assert (shard / "coverage" / "data").read_bytes().startswith(b"SQLite format 3")
    valid, covered = int(root.attrib["lines-valid"]), int(root.attrib["lines-covered"])
    assert covered == valid - len(UNREACHED)
    summary = json.loads((shard / "summary.json").read_text(encoding="utf-8"))
    assert summary["coverage"] == {"lineRate": round(covered / valid, 4)}
    assert summary["notes"] == []
    assert f"Coverage  {100 * covered // valid} % of lines" in shown


async def test_without_the_package_the_run_goes_on_and_says_so(bench: Bench) -> None:
    absent = "raise ModuleNotFoundError(\"No module named 'coverage'\", name='coverage')\n"
    name = await bench.start({"tests": {"coverage": True}}, tests={**TESTS, "coverage.py": absent})
    uid = await over(bench, name)
    shown = await seatrial(bench, "results", uid)
    assert shown.startswith("✓ Passed 2/2")
    assert "install the package coverage in the image of the tests" in " ".join(shown.split())
