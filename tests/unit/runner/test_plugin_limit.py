"""The limit for one test."""

from __future__ import annotations

import pytest

from tests.unit.runner.recorded import Recorded

pytest_plugins = ["pytester"]


SLOW: dict[str, tuple[str, str, str]] = {
    "call": ("def test_slow(): time.sleep(60)", "failed", "in its call"),
    "set-up": ("@pytest.fixture\ndef f(): time.sleep(60)\ndef test_slow(f): pass", "error", "in its set-up"),
    "teardown": (
        "@pytest.fixture\ndef f():\n    yield\n    time.sleep(60)\ndef test_slow(f): pass",
        "error",
        "in its teardown",
    ),
    "swallowed": (
        "def test_slow():\n    try: time.sleep(60)\n    except BaseException: pass",
        "failed",
        "in its call",
    ),
    "unittest": ("class C(unittest.TestCase):\n    def test_slow(self): time.sleep(60)", "failed", "in its call"),
    "asyncio": ("@pytest.mark.asyncio\nasync def test_slow(): await asyncio.sleep(60)", "failed", "in its call"),
}


@pytest.mark.parametrize("kind", [*SLOW, "xdist"])
def test_a_test_over_its_limit_fails_and_the_others_run(recorded: Recorded, kind: str) -> None:
    source, outcome, message = SLOW["call" if kind == "xdist" else kind]
    recorded.env(SEATRIAL_TEST_TIMEOUT="0.3")
    head = "import asyncio, time, unittest\nimport pytest\n"
    plugins = {"xdist": ["-pxdist", "-n1"], "asyncio": ["-ppytest_asyncio.plugin"]}.get(kind, [])
    result = recorded.run(f"{head}{source}\ndef test_next(): pass\n", *plugins)
    assert result.ret == 1
    name = next(name for name in recorded.outcomes if name.endswith("test_slow"))
    assert recorded.outcomes == {name: outcome, "test_next": "passed"}
    failed = recorded.failure("test_slow")
    assert "over its limit of 0.3 s" in failed["message"]
    assert message in failed["message"]
    (end,) = [event for event in recorded.of("end") if event["id"].endswith("test_slow")]
    assert end["timedOut"] is True


def test_set_up_and_call_share_the_limit(recorded: Recorded) -> None:
    recorded.env(SEATRIAL_TEST_TIMEOUT="0.6")
    recorded.run(
        """
        import time
        import pytest
        @pytest.fixture
        def slow(): time.sleep(0.4)
        def test_slow(slow): time.sleep(0.4)
        def test_quick(): time.sleep(0.4)
        """
    )
    assert recorded.outcomes == {"test_slow": "failed", "test_quick": "passed"}


def test_a_test_may_use_the_alarm_signal_itself(recorded: Recorded) -> None:
    recorded.env(SEATRIAL_TEST_TIMEOUT="30")
    recorded.run(
        """
        import signal, time
        import pytest
        class Mine(Exception): pass
        def ring(*_): raise Mine
        @pytest.fixture
        def bell():
            before = signal.signal(signal.SIGALRM, ring)
            yield
            assert signal.getsignal(signal.SIGALRM) is ring
            signal.signal(signal.SIGALRM, before)
        def test_in_fixture(bell):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Mine):
                time.sleep(20)
        def test_in_call():
            signal.signal(signal.SIGALRM, ring)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Mine):
                time.sleep(20)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        """
    )
    assert recorded.outcomes == {"test_in_fixture": "passed", "test_in_call": "passed"}


def test_an_earlier_limit_of_another_plugin_wins(recorded: Recorded) -> None:
    recorded.env(SEATRIAL_TEST_TIMEOUT="30")
    recorded.pytester.makeconftest(
        """
        import signal
        import pytest
        def expired(*_): pytest.fail("their limit")
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_protocol(item):
            signal.signal(signal.SIGALRM, expired)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            yield
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        """
    )
    recorded.run("import time\ndef test_slow(): time.sleep(20)\n")
    assert recorded.failure("test_slow")["message"] == "Failed: their limit"


def test_a_later_limit_of_another_plugin_is_kept(recorded: Recorded) -> None:
    recorded.env(SEATRIAL_TEST_TIMEOUT="0.2")
    recorded.pytester.makeconftest(
        """
        import signal
        import pytest
        left = []
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_protocol(item):
            signal.signal(signal.SIGALRM, print)
            signal.setitimer(signal.ITIMER_REAL, 30)
            yield
            left.append((signal.getsignal(signal.SIGALRM) is print, signal.getitimer(signal.ITIMER_REAL)[0]))
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        def pytest_sessionfinish():
            assert [mine for mine, _ in left] == [True] and 20 < left[0][1] < 30
        """
    )
    result = recorded.run("import time\ndef test_slow(): time.sleep(20)\n")
    assert result.ret == 1
    assert "over its limit" in recorded.failure("test_slow")["message"]


@pytest.mark.parametrize("value", ["soon", "1 s"])
def test_a_limit_that_is_no_number_is_reported(recorded: Recorded, value: str) -> None:
    recorded.env(SEATRIAL_TEST_TIMEOUT=value)
    result = recorded.run("def test_a(): pass\n")
    assert result.ret == 4
    assert "SEATRIAL_TEST_TIMEOUT must be a number of seconds" in result.stderr.str()
