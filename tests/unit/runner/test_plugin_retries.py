"""Tests that are run again count once."""

from __future__ import annotations

import pytest

from tests.unit.runner.recorded import Recorded

pytest_plugins = ["pytester"]


RERUNS = """
from _pytest.runner import runtestprotocol

def announce(item, start):
    hook = item.ihook.pytest_runtest_logstart if start else item.ihook.pytest_runtest_logfinish
    hook(nodeid=item.nodeid, location=item.location)

def pytest_runtest_protocol(item, nextitem):
    if not EACH: announce(item, True)
    for attempt in range(3):
        if EACH: announce(item, True)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = attempt < 2 and any(report.failed for report in reports)
        for report in reports:
            if report.failed and again:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
            if report.outcome == "rerun" and not EACH:
                break
        if EACH: announce(item, False)
        if not again:
            break
        item._initrequest()
    if not EACH: announce(item, False)
    return True
"""


@pytest.mark.parametrize("each", [True, False], ids=["each attempt is announced", "only the first one is"])
def test_reruns_are_one_test(recorded: Recorded, each: bool) -> None:
    """Both ways in which versions of pytest-rerunfailures report."""
    recorded.pytester.makeconftest(f"EACH = {each}\n{RERUNS}")
    result = recorded.run(
        """
        import pytest
        seen = []
        def test_flaky():
            seen.append(1)
            assert len(seen) == 2
        def test_always(): assert 0
        @pytest.fixture
        def unclean():
            yield
            assert 0
        def test_unclean(unclean): pass
        """
    )
    assert result.ret == 1
    ends = {event["id"].partition("::")[2]: (event["outcome"], event.get("reruns")) for event in recorded.of("end")}
    assert ends == {"test_flaky": ("passed", 1), "test_always": ("failed", 2), "test_unclean": ("error", 2)}
    assert len(recorded.of("start")) == len(recorded.of("end")) == 3
    reruns = [event for event in recorded.of("phase") if event.get("rerun")]
    assert [event["outcome"] for event in reruns] == ["failed"] * 5


def test_a_test_that_was_to_be_run_again_has_not_ended(recorded: Recorded) -> None:
    recorded.pytester.makeconftest(f"EACH = True\n{RERUNS}")
    recorded.run(
        "import pytest\nseen = []\ndef test_a():\n    if seen: pytest.exit('no more')\n    assert seen.append(1)"
    )
    assert recorded.of("end") == []
    assert len(recorded.of("start")) == 1
