"""The plugin in real pytest processes, as users' images run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seatrial_runner.record import TEXT_LIMIT, Progress, bounded, catalogue_id
from tests.unit.runner.support import RUNNER, Event

pytest_plugins = ["pytester"]


class Recorded:
    """Runs pytest with the plugin and reads what it wrote."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self.path = pytester.path / "events.jsonl"
        self._monkeypatch = monkeypatch
        for name in ("SEATRIAL_EVENTS_OWNER", "SEATRIAL_TEST_TIMEOUT", "PYTEST_ADDOPTS"):
            monkeypatch.delenv(name, raising=False)
        self.env(PYTHONPATH=RUNNER, SEATRIAL_EVENTS=str(self.path), PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    def env(self, **values: str) -> None:
        for name, value in values.items():
            self._monkeypatch.setenv(name, value)

    def run(self, source: str, *args: str) -> pytest.RunResult:
        self.pytester.makepyfile(test_it=source)
        return self.again(*args)

    def again(self, *args: str) -> pytest.RunResult:
        # without a timeout of its own a test that hangs would hang this suite
        return self.pytester.runpytest_subprocess("-p", "seatrial_runner.plugin", *args, timeout=60)

    @property
    def events(self) -> list[Event]:
        # splitlines() knows more ends of lines than JSON lines have: none of them may be in the file
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["event"] == kind]

    def one(self, kind: str) -> Event:
        (event,) = self.of(kind)
        return event

    @property
    def outcomes(self) -> dict[str, str]:
        return {event["id"].partition("::")[2]: event["outcome"] for event in self.of("end")}

    def failure(self, name: str) -> Event:
        (event,) = [e for e in self.of("phase") if e["outcome"] == "failed" and e["id"].endswith(f"::{name}")]
        return event


@pytest.fixture
def recorded(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    return Recorded(pytester, monkeypatch)


MANY = '''
    """All ways in which a test can end."""
    import sys, unittest
    import pytest

    def test_passes():
        """INT-007: passes."""

    def test_int_020_fails():
        print("to stdout")
        print("to stderr", file=sys.stderr)
        assert 1 == 2, "one is not two"

    @pytest.mark.catalogue("INT-030")
    @pytest.mark.skip(reason="not now")
    def test_skipped(): pass

    @pytest.mark.xfail(reason="known bug")
    def test_xfailed(): assert 0

    @pytest.mark.xfail(reason="never runs", run=False)
    def test_not_run(): assert 0

    @pytest.mark.seatrial(id="INT-031")
    @pytest.mark.xfail
    def test_xpassed(): pass

    @pytest.mark.xfail(strict=True, reason="must fail")
    def test_strict(): pass

    @pytest.fixture
    def broken():
        raise RuntimeError("set-up is broken")

    @pytest.fixture
    def unclean():
        yield
        raise RuntimeError("teardown is broken")

    def test_setup_error(broken): pass
    def test_teardown_error(unclean): pass
    def test_failed_and_unclean(unclean): assert 0

    class TestClass:
        @classmethod
        def setup_class(cls):
            raise RuntimeError("class set-up is broken")
        def test_a(self): pass
        def test_b(self): pass

    class Case(unittest.TestCase):
        def test_good(self): pass
        def test_bad(self): self.assertEqual(1, 2)
        @unittest.skip("not this one")
        def test_skip(self): pass
        @unittest.expectedFailure
        def test_expected(self): self.fail()
'''
OUTCOMES = {
    "test_passes": "passed",
    "test_int_020_fails": "failed",
    "test_skipped": "skipped",
    "test_xfailed": "xfailed",
    "test_not_run": "xfailed",
    "test_xpassed": "xpassed",
    "test_strict": "failed",
    "test_setup_error": "error",
    "test_teardown_error": "error",
    "test_failed_and_unclean": "failed",
    "TestClass::test_a": "error",
    "TestClass::test_b": "error",
    "Case::test_good": "passed",
    "Case::test_bad": "failed",
    "Case::test_skip": "skipped",
    "Case::test_expected": "xfailed",
}


@pytest.mark.parametrize("args", [(), ("-pxdist", "-n2")], ids=["alone", "xdist"])
def test_each_test_is_told_with_its_outcome_and_facts(recorded: Recorded, args: tuple[str, ...]) -> None:
    result = recorded.run(MANY, "--strict-markers", *args)
    assert result.ret == 1
    assert recorded.outcomes == OUTCOMES
    assert recorded.events[0]["event"] == "session"
    assert recorded.events[0]["pytest"] == pytest.__version__
    assert recorded.events[-1]["event"] == "finish"
    assert recorded.one("finish")["exitStatus"] == 1
    assert recorded.one("collected")["count"] == len(OUTCOMES)
    assert {event["id"] for event in recorded.of("start")} == {event["id"] for event in recorded.of("end")}

    failed = recorded.failure("test_int_020_fails")
    assert failed["message"] == "AssertionError: one is not two"
    assert "assert 1 == 2" in failed["text"]
    assert (failed["stdout"], failed["stderr"]) == ("to stdout\n", "to stderr\n")

    ends = {event["id"].partition("::")[2]: event for event in recorded.of("end")}
    ids = {name: event["catalogueId"] for name, event in ends.items() if event["catalogueId"]}
    assert ids == {
        "test_passes": "INT-007",
        "test_int_020_fails": "INT-020",
        "test_skipped": "INT-030",
        "test_xpassed": "INT-031",
    }
    assert ends["test_skipped"]["markers"] == ["catalogue", "skip"]
    assert (ends["test_passes"]["file"], ends["test_passes"]["line"]) == ("test_it.py", 5)
    reasons = {e["id"].partition("::")[2]: e.get("message") for e in recorded.of("phase") if e["outcome"] == "skipped"}
    assert reasons["test_skipped"] == "not now"
    assert reasons["Case::test_skip"] == "not this one"


def mark(name: str, *args: str, **kwargs: str) -> pytest.Mark:
    return pytest.Mark(name, args, kwargs, _ispytest=True)


@pytest.mark.parametrize(
    ("name", "doc", "marks", "expected"),
    [
        ("test_int_020_rejects_bad_input", None, [], "INT-020"),
        ("test_INT_020", None, [], "INT-020"),
        ("test_int_020", "Checks UTF-8.", [], "INT-020"),
        ("test_http_404_is_told", "INT-005: a missing page.", [], "INT-005"),
        ("test_gate", "\n    INT-005\n    Planner hand-over.", [], "INT-005"),
        ("test_gate", "The planner's gate (INT-005, INT-006).", [], "INT-005"),
        ("test_int_020", "INT-021: docstring", [mark("catalogue", "INT-022")], "INT-022"),
        ("test_gate", None, [mark("seatrial", id="REQ-9")], "REQ-9"),
        ("test_gate", None, [mark("catalogue")], None),
        ("test_gate", None, [mark("other", id="REQ-9")], None),
        ("test_gate", "Nothing of the kind.", [], None),
        ("test_int_20x", None, [], None),
        ("test_x_1", None, [], None),
    ],
)
def test_catalogue_id(name: str, doc: str | None, marks: list[pytest.Mark], expected: str | None) -> None:
    assert catalogue_id(name, doc, marks) == expected


@pytest.mark.parametrize(
    ("phases", "xfail", "outcome"),
    [
        ([("setup", "passed"), ("call", "passed"), ("teardown", "passed")], False, "passed"),
        ([("setup", "passed"), ("call", "failed"), ("call", "passed"), ("teardown", "passed")], False, "failed"),
        ([("setup", "passed"), ("call", "skipped"), ("call", "passed"), ("teardown", "passed")], False, "passed"),
        ([("setup", "passed"), ("call", "failed"), ("teardown", "failed")], False, "failed"),
        ([("setup", "passed"), ("call", "skipped"), ("teardown", "failed")], True, "error"),
    ],
)
def test_outcome_of_phases(phases: list[tuple[str, str]], xfail: bool, outcome: str) -> None:
    test = Progress(xfail=xfail)
    for when, what in phases:
        test.add(when, what)
    assert test.outcome == outcome


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\U0001f600" * 200_000, "\udc80" * 100_000])
def test_bounded_text_keeps_both_ends_and_says_what_is_missing(text: str) -> None:
    short = bounded("begin " + text + " end")
    assert len(short.encode("utf-8")) < TEXT_LIMIT + 100
    assert short.startswith("begin ")
    assert short.endswith(" end")
    assert "characters left out" in short


def test_short_text_is_kept_as_it_is() -> None:
    assert bounded("a\x00\u2028é") == "a\x00\u2028é"


def test_ten_megabytes_of_output_make_a_bounded_event(recorded: Recorded) -> None:
    recorded.run("def test_loud():\n    print('x' * 10_000_000)\n    assert 0\n", "-q", "--show-capture=no")
    assert 50_000 < recorded.path.stat().st_size < 100_000
    assert recorded.outcomes == {"test_loud": "failed"}


def test_output_of_passed_tests_is_not_kept(recorded: Recorded) -> None:
    recorded.run("def test_chatty():\n    print('secret of the test')\n")
    assert "secret of the test" not in recorded.path.read_text()


def test_subtests_fail_their_test(recorded: Recorded) -> None:
    recorded.run(
        """
        import unittest
        class Case(unittest.TestCase):
            def test_parts(self):
                for number in range(3):
                    with self.subTest("part", number=number):
                        self.assertNotEqual(number, 1)
        """
    )
    assert recorded.outcomes == {"Case::test_parts": "failed"}
    failed = [event for event in recorded.of("phase") if event["outcome"] == "failed"]
    assert "number=1" in failed[0]["subtest"]


# How sessions end


@pytest.mark.parametrize("args", [(), ("-pxdist", "-n2")], ids=["alone", "xdist"])
def test_collection_errors_are_told(recorded: Recorded, args: tuple[str, ...]) -> None:
    recorded.pytester.makepyfile(test_broken="import nothing_of_this_name\n", test_good="def test_a(): pass\n")
    result = recorded.again(*args)
    assert result.ret != 0
    errors = recorded.of("collected")[-1]["errors"]
    assert [error["id"] for error in errors] == ["test_broken.py"]
    assert "No module named 'nothing_of_this_name'" in errors[0]["message"]
    assert "import nothing_of_this_name" in errors[0]["text"]
    assert recorded.one("finish")["exitStatus"] == result.ret


def test_a_syntax_error_is_told_by_what_it_is(recorded: Recorded) -> None:
    recorded.run("def test_a(:\n    pass\n")
    (error,) = recorded.of("collected")[-1]["errors"]
    assert error["message"] == "SyntaxError: invalid syntax"


def test_nothing_collected(recorded: Recorded) -> None:
    assert recorded.run("def not_a_test(): pass\n").ret == 5
    assert (recorded.one("collected")["count"], recorded.one("finish")["exitStatus"]) == (0, 5)


def test_deselected_tests_are_counted(recorded: Recorded) -> None:
    assert recorded.run("def test_a(): pass\ndef test_b(): pass\n", "-k", "nothing_like_it").ret == 5
    assert (recorded.one("collected")["count"], recorded.one("collected")["deselected"]) == (0, 2)


def test_stop_at_the_first_failure(recorded: Recorded) -> None:
    result = recorded.run("def test_a(): assert 0\ndef test_b(): pass\n", "-x")
    assert recorded.outcomes == {"test_a": "failed"}
    assert recorded.one("collected")["count"] == 2
    assert recorded.one("finish")["exitStatus"] == result.ret == 1


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("raise KeyboardInterrupt", 2, "interrupted"),
        ("pytest.exit('enough')", 2, "interrupted"),
        ("pytest.exit('enough', returncode=0)", 0, "interrupted"),
    ],
)
def test_an_interrupted_test_has_no_end(recorded: Recorded, body: str, status: int, message: str) -> None:
    recorded.run(f"import pytest\ndef test_a(): pass\ndef test_b(): {body}\ndef test_c(): pass\n")
    assert recorded.outcomes == {"test_a": "passed"}
    assert [event["id"] for event in recorded.of("start")] == ["test_it.py::test_a", "test_it.py::test_b"]
    assert recorded.one(message)["event"] == message
    assert recorded.one("finish")["exitStatus"] == status


def test_internal_error(recorded: Recorded) -> None:
    recorded.pytester.makeconftest("def pytest_runtest_logfinish(): raise ValueError('conftest is broken')\n")
    result = recorded.run("def test_a(): pass\n")
    assert result.ret == 3
    assert recorded.one("internal-error")["message"] == "ValueError: conftest is broken"
    assert recorded.one("finish")["exitStatus"] == 3


def test_a_process_that_just_goes_leaves_what_was_known(recorded: Recorded) -> None:
    result = recorded.run("import os\ndef test_a(): pass\ndef test_b(): os._exit(0)\n")
    assert result.ret == 0
    assert recorded.outcomes == {"test_a": "passed"}
    assert recorded.events[-2]["id"] == "test_it.py::test_b"  # its start, and its set-up
    assert recorded.of("finish") == []


def test_a_crashed_worker_of_xdist_fails_its_test(recorded: Recorded) -> None:
    recorded.run("import os\ndef test_a(): os._exit(1)\ndef test_b(): pass\n", "-pxdist", "-n1")
    assert recorded.outcomes == {"test_a": "failed", "test_b": "passed"}
    assert "crashed" in recorded.failure("test_a")["message"]


def test_exit_status_changed_by_a_plugin_is_the_one_told(recorded: Recorded) -> None:
    recorded.pytester.makeconftest("def pytest_sessionfinish(session): session.exitstatus = 9\n")
    assert recorded.run("def test_a(): pass\n").ret == 9
    assert recorded.one("finish")["exitStatus"] == 9


def test_help_is_no_session(recorded: Recorded) -> None:
    assert recorded.run("", "--help").ret == 0
    assert recorded.of("finish") == []


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


# Nothing of ours breaks a session


@pytest.mark.parametrize("path", ["/dev/full", "/nowhere/events.jsonl"])
def test_events_that_can_not_be_written_change_nothing(recorded: Recorded, path: str) -> None:
    recorded.env(SEATRIAL_EVENTS=path)
    result = recorded.run("def test_a(): pass\ndef test_b(): pass\n")
    assert result.ret == 0
    result.assert_outcomes(passed=2)
    said = [line for line in result.errlines if line.startswith("seatrial: ")]
    assert len(said) == 1


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


def test_forks_do_not_warn_of_our_thread(recorded: Recorded) -> None:
    result = recorded.run(
        """
        import multiprocessing, os
        def test_fork():
            for _ in range(3):
                pid = os.fork()
                if pid == 0:
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
        def test_multiprocessing():
            process = multiprocessing.get_context("fork").Process(target=print)
            process.start()
            process.join()
        """,
        "-Walways",
    )
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*multi-threaded*")


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


def test_odd_ids(recorded: Recorded) -> None:
    recorded.pytester.makeini("[pytest]\ndisable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n")
    recorded.pytester.makepyfile(
        test_it="import pytest\n"
        "@pytest.mark.parametrize('x', ['é\\u2028\\x1b', 'a::b[c]/d', '\\udc80', 'x' * 3000, '\\n'])\n"
        "def test_odd(x): pass\n"
    )
    recorded.env(PYTHONUTF8="1")
    assert recorded.again("-q", "-pno:cacheprovider").ret == 0  # pytest's own cache can't write such ids
    ids = [event["id"].partition("::")[2] for event in recorded.of("end")]
    assert ids[:3] == ["test_odd[é\u2028\x1b]", "test_odd[a::b[c]/d]", "test_odd[\\udc80]"]
    assert len(ids) == 5


def test_heartbeats_go_on_while_a_test_waits(recorded: Recorded) -> None:
    recorded.run(
        """
        import os, time
        def test_forks():
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        def test_waits():
            while b"heartbeat" not in open(os.environ["SEATRIAL_EVENTS"], "rb").read():
                time.sleep(0.05)
        """
    )
    assert recorded.outcomes == {"test_forks": "passed", "test_waits": "passed"}


def test_stacks_are_written_when_the_process_is_told_to_end(recorded: Recorded) -> None:
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
    ("module", "change", "said"),
    [
        ("pytest", "__version__ = '6.2.5'", "needs pytest 7 or newer"),
        ("sys", "version_info = (3, 8, 20, 'final', 0)", "needs Python 3.9 or newer"),
    ],
)
def test_an_image_that_is_too_old_is_told_so(tmp_path: Path, module: str, change: str, said: str) -> None:
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
    assert said in result.stdout


# The limit for one test

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
    source, outcome, said = SLOW["call" if kind == "xdist" else kind]
    recorded.env(SEATRIAL_TEST_TIMEOUT="0.3")
    head = "import asyncio, time, unittest\nimport pytest\n"
    plugins = {"xdist": ["-pxdist", "-n1"], "asyncio": ["-ppytest_asyncio.plugin"]}.get(kind, [])
    result = recorded.run(f"{head}{source}\ndef test_next(): pass\n", *plugins)
    assert result.ret == 1
    name = next(name for name in recorded.outcomes if name.endswith("test_slow"))
    assert recorded.outcomes == {name: outcome, "test_next": "passed"}
    failed = recorded.failure("test_slow")
    assert "over its limit of 0.3 s" in failed["message"]
    assert said in failed["message"]
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
def test_a_limit_that_is_no_number_is_told(recorded: Recorded, value: str) -> None:
    recorded.env(SEATRIAL_TEST_TIMEOUT=value)
    result = recorded.run("def test_a(): pass\n")
    assert result.ret == 4
    assert "SEATRIAL_TEST_TIMEOUT must be a number of seconds" in result.stderr.str()


def test_events_are_what_their_documentation_lists(recorded: Recorded) -> None:
    """One object a line, each with a time and a kind that events.py names."""
    recorded.run(MANY)
    documented = Path(RUNNER, "seatrial_runner", "events.py").read_text().partition('"""')[2]
    kinds: dict[str, Any] = {event["event"]: event["t"] for event in recorded.events}
    assert all(f"``{kind}``" in documented and isinstance(t, float) for kind, t in kinds.items())
