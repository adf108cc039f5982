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


FLAKY_BY_RETRY = """
    import pytest
    tries = []

    @pytest.mark.flaky(retries=2, delay=0)
    def test_good_the_second_time():
        tries.append(1)
        assert len(tries) > 1, "bad the first time"

    @pytest.mark.flaky(retries=1, delay=0)
    def test_never_good():
        assert "what is wrong" == ""

    def test_plain(): pass
"""
FLAKY_BY_FLAKY = """
    import pytest
    tries = []

    @pytest.mark.flaky(max_runs=3, min_passes=1)
    def test_good_the_second_time():
        tries.append(1)
        assert len(tries) > 1, "bad the first time"

    @pytest.mark.flaky(max_runs=2)
    def test_never_good():
        assert 0, "never good"

    @pytest.fixture
    def broken():
        tries.append(1)
        assert len(tries) > 4, "broken the first time"

    @pytest.mark.flaky(max_runs=3)
    def test_set_up(broken): pass

    def test_plain(): pass
"""
FLAKY_BY_RERUNFAILURES = """
    import pytest
    tries = []

    @pytest.mark.flaky(reruns=2)
    def test_good_the_second_time():
        tries.append(1)
        assert len(tries) > 1, "bad the first time"

    @pytest.mark.flaky(reruns=1)
    def test_never_good(subtests):
        with subtests.test("part"):
            assert 0, "never good"

    def test_plain(): pass
"""


@pytest.mark.parametrize("args", [(), ("-pxdist", "-n1")], ids=["alone", "xdist"])
@pytest.mark.parametrize(
    ("plugin", "source", "tests"),
    [
        ("pytest_retry.retry_plugin", FLAKY_BY_RETRY, 3),
        ("flaky.flaky_pytest_plugin", FLAKY_BY_FLAKY, 4),
        ("pytest_rerunfailures", FLAKY_BY_RERUNFAILURES, 3),
    ],
    ids=["pytest-retry", "flaky", "pytest-rerunfailures"],
)
def test_plugins_that_run_tests_again(
    recorded: Recorded, plugin: str, source: str, tests: int, args: tuple[str, ...]
) -> None:
    result = recorded.run(source, "-p", plugin, *args)
    assert result.ret == 1
    assert recorded.of("plugin-error") == []
    assert len(recorded.of("start")) == len(recorded.of("end")) == tests == recorded.one("collected")["count"]
    ends = {e["id"].partition("::")[2]: (e["outcome"], e.get("reruns", 0)) for e in recorded.of("end")}
    assert ends["test_plain"] == ("passed", 0)
    assert ends["test_good_the_second_time"] == ("passed", 1)
    assert ends["test_never_good"] == ("failed", 1)
    assert ends.get("test_set_up", ("passed", 1))[0] == "passed"
    repeated = [e for e in recorded.of("phase") if e.get("rerun") and e["id"].endswith("::test_good_the_second_time")]
    assert ["bad the first time" in event["message"] for event in repeated] == [True]
    assert "bad the first time" in repeated[0]["text"]
    (last,) = [message for name, message in recorded.failures.items() if name == "test_never_good"]
    assert "never good" in last or "what is wrong" in last
