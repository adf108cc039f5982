"""Coverage of several shards as one report: what coverage.py itself would have said of all of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from seatrial.archive.model.errors import InvalidError, TooLargeError
from seatrial.archive.server.reports import coverage
from seatrial.archive.server.reports.coverage import Coverage

APP = """
def work(first, second):
    if first:
        done = 1
    if second:
        for each in range(second):
            done = each
    return first


def never(third):
    if third:
        return 1
"""
SHARDS = """
import sys
from coverage import Coverage

def report(name, coverage):
    coverage.xml_report(outfile=f"{name}.xml")

def shard(name, *calls):
    sys.modules.pop("app", None)
    coverage = Coverage(data_file=f"data.{name}", branch=True, include=["app.py", "lib/*"], config_file=False)
    coverage.start()
    import app
    for call in calls:
        app.work(*call)
    if name == "b":
        import lib.more
    coverage.stop()
    coverage.save()
    report(name, coverage)

shard("a", (1, 0))
shard("b", (0, 2), (0, 0))
whole = Coverage(data_file="data", branch=True, include=["app.py", "lib/*"], config_file=False)
whole.combine(["data.a", "data.b"])
report("whole", whole)
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What two shards wrote, and what coverage.py makes of the data of both."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "app.py").write_text(APP)
    (folder / "lib").mkdir()
    (folder / "lib" / "__init__.py").write_text("")
    (folder / "lib" / "more.py").write_text("x = 1\n")
    (folder / "go.py").write_text(SHARDS)
    subprocess.run([sys.executable, "go.py"], cwd=folder, check=True)
    return {name: (folder / f"{name}.xml").read_bytes() for name in ("a", "b", "whole")}


def merged(*reports: bytes) -> Coverage:
    together = Coverage()
    for report in reports:
        together.add(report[start : start + 100] for start in range(0, len(report), 100))
    return together


def counted(report: bytes) -> list[tuple[str, dict[str, Any]]]:
    """All elements with what they say; how often a line was hit is only known as whether."""
    found = []
    for element in ElementTree.fromstring(report).iter():
        about = {name: value for name, value in element.attrib.items() if name not in ("timestamp", "version")}
        if "hits" in about:
            about["hits"] = str(int(about["hits"]) > 0)
        if "missing-branches" in about:
            about["missing-branches"] = ",".join(sorted(about["missing-branches"].split(",")))
        found.append((element.tag, about))
    return found


def test_two_shards_merge_as_coverage_itself_would(reports: dict[str, bytes]) -> None:
    together = merged(reports["a"], reports["b"])
    assert counted(together.xml()) == counted(reports["whole"])
    root = ElementTree.fromstring(reports["whole"])
    assert f"{together.line_rate:.4g}" == root.attrib["line-rate"]


def test_shards_in_any_order_and_twice(reports: dict[str, bytes]) -> None:
    assert counted(merged(reports["b"], reports["a"], reports["a"]).xml()) == counted(reports["whole"])


def test_one_shard_stays_as_it_is(reports: dict[str, bytes]) -> None:
    assert counted(merged(reports["b"]).xml()) == counted(reports["b"])


BOMB = b"""<?xml version="1.0"?><!DOCTYPE coverage [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>
<coverage><sources><source>&b;</source></sources></coverage>"""


@pytest.mark.parametrize(
    "body",
    [b"", b"<coverage>", b"not xml", BOMB,
     b"<coverage><class name='a' filename='a'><line number='x' hits='1'/></class></coverage>",
     b"<coverage><class name='a'/></coverage>"],
    ids=["empty", "half", "text", "entities", "number", "attribute"],
)  # fmt: skip
def test_what_is_no_report_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidError, match=r"the coverage\.xml of a shard can't be read"):
        merged(body)


@pytest.mark.parametrize(
    "body",
    [
        b"<class name='c' filename='c'>"
        + b"".join(b"<line number='%d' hits='0'/>" % n for n in range(30))
        + b"</class>",
        b"".join(b"<class name='%d' filename='c'/>" % number for number in range(30)),
        b"".join(b"<source>%d</source>" % number for number in range(30)),
    ],
    ids=["lines", "files", "folders"],
)  # fmt: skip
def test_a_report_that_is_too_much_to_hold_is_refused(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "LIMIT", 20)
    with pytest.raises(TooLargeError, match="more than 20"):
        merged(b"<coverage>" + body + b"</coverage>")


def test_no_lines_have_no_rate() -> None:
    assert merged(b"<coverage/>").line_rate is None
