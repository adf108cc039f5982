"""The suite does not see the plugin, and nothing of ours breaks a session."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.runner.recorded import Recorded
from tests.unit.runner.support import RUNNER

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("path", ["/dev/full", "/nowhere/events.jsonl"])
def test_events_that_can_not_be_written_change_nothing(recorded: Recorded, path: str) -> None:
    recorded.env(SEATRIAL_EVENTS=path)
    result = recorded.run("def test_a(): pass\ndef test_b(): pass\n")
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    remarks = [line for line in result.errlines if line.startswith("seatrial: ")]
    assert len(remarks) == 1


def test_without_settings_the_plugin_does_nothing(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEATRIAL_EVENTS")
    assert recorded.run("def test_a(): pass\n").ret == 0
    assert not recorded.path.exists()


def test_a_fork_of_the_process_is_silent(recorded: Recorded) -> None:
    """A child that returns into pytest runs the rest of the session, too; that must not be told twice."""
    recorded.run(
        """
        import os
        def test_a():
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
        def test_b(): pass
        """
    )
    assert [event["id"] for event in recorded.of("end")] == ["test_it.py::test_a", "test_it.py::test_b"]
    assert len(recorded.of("finish")) == 1


def test_a_test_that_closes_our_descriptor_gets_no_events_in_its_files(recorded: Recorded) -> None:
    recorded.run(
        """
        import os
        def test_closes(tmp_path):
            events = os.environ["SEATRIAL_EVENTS"]
            (fd,) = [int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")
                     and os.readlink(f"/proc/self/fd/{fd}") == events]
            os.close(fd)
            global mine
            mine = open(tmp_path / "mine", "w+b", buffering=0)
            os.dup2(mine.fileno(), fd)
        def test_next():
            mine.seek(0)
            assert mine.read() == b""
        """
    )
    assert recorded.outcomes == {"test_closes": "passed", "test_next": "passed"}
    assert len(recorded.of("finish")) == 1


def test_a_pytest_started_by_a_test_is_silent(recorded: Recorded) -> None:
    recorded.pytester.makepyfile(inner="def test_inner(): pass\n")
    recorded.run(
        """
        import subprocess, sys
        def test_outer():
            subprocess.run([sys.executable, "-mpytest", "-p", "seatrial_runner.plugin", "inner.py"], check=True)
        """
    )
    assert recorded.outcomes == {"test_outer": "passed"}
    assert len(recorded.of("session")) == 1


def test_stacks_are_written_at_a_signal_to_end(recorded: Recorded) -> None:
    result = recorded.run(
        """
        import os, signal
        def test_child_is_quiet():
            pid = os.fork()
            if pid == 0:
                os.kill(os.getpid(), signal.SIGTERM)
                os._exit(0)
            assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGTERM
        def test_hangs():
            os.kill(os.getpid(), signal.SIGTERM)
        """
    )
    assert result.ret == -15
    stacks = result.stderr.str()
    assert "in test_hangs" in stacks
    assert "in test_child_is_quiet" not in stacks


@pytest.mark.parametrize(
    ("module", "change", "message"),
    [
        ("pytest", "__version__ = '6.2.5'", "needs pytest 7 or newer"),
        ("sys", "version_info = (3, 8, 20, 'final', 0)", "needs Python 3.9 or newer"),
    ],
)
def test_an_image_that_is_too_old_is_refused_by_name(tmp_path: Path, module: str, change: str, message: str) -> None:
    program = f"""
import pytest, sys
{module}.{change}
try:
    import seatrial_runner.plugin
except pytest.UsageError as error:
    print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": RUNNER}, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert message in result.stdout


MOCKED = """
    import json, os, re, signal, threading, time, unittest.mock
    import pytest
    from unittest.mock import patch

    NAMES = [
        "time.time", "time.monotonic", "time.perf_counter", "time.time_ns", "time.clock_gettime", "json.dumps",
        "json.JSONEncoder.encode", "json.encoder.JSONEncoder.iterencode", "json.encoder.encode_basestring", "os.getpid",
        "os.fstat", "os.open", "os.close", "os.environ", "threading.current_thread", "threading.main_thread",
        "threading.enumerate", "threading.Thread", "threading.Lock", "contextlib.suppress", "signal.setitimer",
        "signal.getitimer", "signal.getsignal", "signal.signal", "faulthandler.dump_traceback", "builtins.print",
    ]

    @pytest.fixture(params=NAMES)
    def mocked(request):
        with patch(request.param):
            yield request.param

    @pytest.fixture
    def sent(monkeypatch):
        written = []
        monkeypatch.setattr(os, "write", lambda fd, data: written.append(data))
        return written

    def test_mocked(mocked):
        assert 1 == 2, f"{mocked}: this message must reach the report"

    def test_write(sent):
        os.write(7, b"AT")
        assert sent == [b"AT"]

    def test_next(): pass
"""


@pytest.mark.parametrize("limit", ["", "30"], ids=["no limit", "limit"])
@pytest.mark.parametrize("args", [(), ("-pxdist", "-n1")], ids=["alone", "xdist"])
def test_what_tests_mock_the_plugin_does_not_use(recorded: Recorded, args: tuple[str, ...], limit: str) -> None:
    recorded.env(SEATRIAL_TEST_TIMEOUT=limit)
    recorded.run(MOCKED, *args)
    mocked = {name: outcome for name, outcome in recorded.outcomes.items() if name.startswith("test_mocked")}
    assert set(mocked.values()) == {"failed"}
    assert len(mocked) == 26
    assert recorded.outcomes["test_write"] == recorded.outcomes["test_next"] == "passed"
    for name, message in recorded.failures.items():
        assert f"{name[len('test_mocked[') : -1]}: this message must reach the report" in message
    assert recorded.of("plugin-error") == []
    assert recorded.one("finish")["exitStatus"] == 1


@pytest.mark.parametrize("args", [(), ("-pxdist", "-n1")], ids=["alone", "xdist"])
def test_a_scripted_clock_is_read_by_its_test_alone(recorded: Recorded, args: tuple[str, ...]) -> None:
    result = recorded.run(
        """
        import time
        from unittest.mock import patch
        import pytest

        @pytest.fixture(params=["time.time", "time.monotonic", "time.perf_counter", "time.clock_gettime"])
        def clock(request):
            with patch(request.param, side_effect=[100.0, 107.0]) as scripted:
                yield scripted
                assert scripted.call_count == 2

        def test_two_readings(clock):
            assert clock(1) == 100.0
            assert clock(1) == 107.0
        """,
        *args,
    )
    result.assert_outcomes(passed=4)


FROZEN = {
    "patch": """
        from unittest.mock import patch
        with patch("time.time", return_value=1577836799.0), patch("time.perf_counter", return_value=5.0):
            yield
    """,
    "freezegun": """
        import freezegun
        with freezegun.freeze_time("2020-01-01"):
            yield
    """,
    "time-machine": """
        import datetime, time_machine
        with time_machine.travel(datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc), tick=False):
            yield
    """,
}
SLEEPS = """
    import datetime, threading, time

    def test_year():
        assert datetime.datetime.now().year in (2020, 2031) or time.time() == 1577836799.0

    def test_waits_and_fails():
        threading.Event().wait(0.3)
        assert 0
"""


@pytest.mark.parametrize("scope", ["function", "session"])
@pytest.mark.parametrize("args", [(), ("-pxdist", "-n1")], ids=["alone", "xdist"])
@pytest.mark.parametrize("how", FROZEN)
def test_a_suite_that_turns_its_clock(recorded: Recorded, how: str, args: tuple[str, ...], scope: str) -> None:
    recorded.pytester.makeconftest(
        f"import pytest\n@pytest.fixture(scope='{scope}', autouse=True)\ndef frozen():{FROZEN[how]}"
    )
    before = time.time()
    result = recorded.run(SLEEPS, *args)
    after = time.time()
    result.assert_outcomes(passed=1, failed=1)
    times = [event["t"] for event in recorded.events]
    assert before <= times[0] <= times[-1] <= after
    assert times == sorted(times)
    seconds = {event["id"].partition("::")[2]: event["seconds"] for event in recorded.of("end")}
    assert 0 <= seconds["test_year"] < after - before
    assert 0.3 <= seconds["test_waits_and_fails"] < after - before
    assert 0.3 <= recorded.failure("test_waits_and_fails")["seconds"] < after - before


def test_a_limit_holds_though_the_clock_is_frozen(recorded: Recorded) -> None:
    recorded.env(SEATRIAL_TEST_TIMEOUT="3")
    recorded.pytester.makeconftest(
        f"import freezegun, pytest\n@pytest.fixture(scope='session', autouse=True)\ndef frozen():{FROZEN['freezegun']}"
    )
    recorded.run("import threading\ndef test_slow(): threading.Event().wait(50)\ndef test_next(): pass\n")
    assert recorded.outcomes == {"test_slow": "failed", "test_next": "passed"}


def test_no_thread_and_no_object_comes_or_goes(recorded: Recorded) -> None:
    recorded.pytester.makeconftest(
        """
        import threading
        import pytest
        def pytest_sessionstart(session):
            session.threads = threading.enumerate()
        @pytest.fixture(autouse=True)
        def no_threads_left(request):
            yield
            assert threading.enumerate() == request.session.threads
        """
    )
    result = recorded.run(
        """
        import gc, os, threading
        import pytest
        def test_only_the_main_thread():
            assert threading.enumerate() == [threading.main_thread()]
            assert len(os.listdir("/proc/self/task")) == 1
        def test_fork():
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        def test_after_a_fork():
            assert threading.enumerate() == [threading.main_thread()]
        def test_no_objects_leak():
            seen = set()
            for _ in range(20):
                gc.collect(); gc.collect()
                seen.add(len(gc.get_objects()))
            assert len(seen) <= 2, seen
        """,
        "-Walways",
    )
    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*multi-threaded*")
    assert recorded.of("plugin-error") == []


def test_objects_of_ours_do_not_grow_from_test_to_test(recorded: Recorded) -> None:
    recorded.pytester.makeconftest(
        """
        import gc
        def ours():
            return sum(1 for each in gc.get_objects() if type(each).__module__.startswith("seatrial_runner"))
        """
    )
    recorded.run(
        """
        import pytest
        from conftest import ours
        seen = []
        @pytest.mark.parametrize("number", range(50))
        def test_counts(number):
            seen.append(ours())
            assert number % 7 != 1
        def test_all_alike():
            assert len(set(seen[1:])) == 1 and seen[0] == seen[-1], seen
        """,
        "-q",
    )
    assert recorded.outcomes["test_all_alike"] == "passed"


@pytest.mark.parametrize("args", [(), ("-pxdist", "-n1")], ids=["alone", "xdist"])
def test_a_suite_with_warnings_as_errors(recorded: Recorded, args: tuple[str, ...]) -> None:
    recorded.pytester.makeini("[pytest]\nfilterwarnings = error\n")
    recorded.env(SEATRIAL_TEST_TIMEOUT="30")
    result = recorded.run(
        "import os, subprocess, sys\ndef test_a(): subprocess.run([sys.executable, '-c', ''])\n", *args
    )
    result.assert_outcomes(passed=1)
    assert result.ret == 0
