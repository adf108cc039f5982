"""How sessions end, as the plugin records it."""

from __future__ import annotations

import pytest

from tests.unit.runner.recorded import Recorded

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("args", [(), ("-pxdist", "-n2")], ids=["alone", "xdist"])
def test_collection_errors_are_reported(recorded: Recorded, args: tuple[str, ...]) -> None:
    recorded.pytester.makepyfile(test_broken="import nothing_of_this_name\n", test_good="def test_a(): pass\n")
    result = recorded.rerun(*args)
    assert result.ret != 0
    errors = recorded.of("collected")[-1]["errors"]
    assert [error["id"] for error in errors] == ["test_broken.py"]
    assert "No module named 'nothing_of_this_name'" in errors[0]["message"]
    assert "import nothing_of_this_name" in errors[0]["text"]
    assert recorded.one("finish")["exitStatus"] == result.ret


def test_a_syntax_error_is_reported_by_what_it_is(recorded: Recorded) -> None:
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
    assert (recorded.events[-1]["event"], recorded.events[-1]["id"]) == ("start", "test_it.py::test_b")
    assert recorded.of("finish") == []


def test_a_crashed_worker_of_xdist_fails_its_test(recorded: Recorded) -> None:
    recorded.run("import os\ndef test_a(): os._exit(1)\ndef test_b(): pass\n", "-pxdist", "-n1")
    assert recorded.outcomes == {"test_a": "failed", "test_b": "passed"}
    assert "crashed" in recorded.failure("test_a")["message"]


def test_exit_status_changed_by_a_plugin_is_the_one_reported(recorded: Recorded) -> None:
    recorded.pytester.makeconftest("def pytest_sessionfinish(session): session.exitstatus = 9\n")
    assert recorded.run("def test_a(): pass\n").ret == 9
    assert recorded.one("finish")["exitStatus"] == 9


def test_help_is_no_session(recorded: Recorded) -> None:
    assert recorded.run("", "--help").ret == 0
    assert recorded.of("finish") == []


COLLECTION = {
    "test_good": "import pytest\n@pytest.mark.parametrize('i', range(6))\ndef test_ok(i): pass\n",
    "test_bad": "import not_there\n",
    "test_skip": "import pytest\npytest.importorskip('not_there_either')\ndef test_never(): assert False\n",
    "test_live": "import pytest\npytest.skip('LIVE_SMOKE is not set', allow_module_level=True)\n",
}


@pytest.mark.parametrize(
    "args",
    [("--continue-on-collection-errors",), ("-pxdist", "-n2"), ("-pxdist", "-n2", "--continue-on-collection-errors")],
    ids=["alone", "xdist", "xdist, goes on"],
)
@pytest.mark.parametrize("failing", [False, True], ids=["good", "one fails"])
def test_files_that_fail_or_skip_themselves_count(recorded: Recorded, args: tuple[str, ...], failing: bool) -> None:
    recorded.pytester.makepyfile(**COLLECTION, **({"test_red": "def test_red(): assert 0\n"} if failing else {}))
    result = recorded.rerun(*args)
    assert result.ret == 1
    written = recorded.of("collected")[-1]
    assert (written["count"], written["errorCount"], written["skipCount"]) == (6 + failing, 1, 2)
    assert {skip["id"]: skip["message"] for skip in written["skips"]} == {
        "test_skip.py": "could not import 'not_there_either': No module named 'not_there_either'",
        "test_live.py": "LIVE_SMOKE is not set",
    }
    counts = recorded.one("finish")["counts"]
    expected = {"passed": 6, "skipped": 2, "error": 1, **({"failed": 1} if failing else {})}
    assert counts == expected
    assert result.parseoutcomes() == {"errors": expected.pop("error"), **expected}


def test_counts_are_those_of_pytest_s_last_line(recorded: Recorded) -> None:
    source = """
        import warnings
        import pytest

        @pytest.fixture
        def unclean():
            yield
            assert 0
        def test_fails_twice(unclean): assert 0
        def test_unclean(unclean): pass
        def test_parts(subtests):
            for number in range(3):
                with subtests.test(number=number):
                    assert number != 1
        def test_warns(): warnings.warn("old")
        @pytest.mark.xfail
        def test_expected(): assert 0
    """
    result = recorded.run(source)
    counts = recorded.one("finish")["counts"]
    assert counts == {"failed": 3, "passed": 2, "error": 2, "warnings": 1, "xfailed": 1}
    plain = recorded.plain().parseoutcomes()
    assert result.parseoutcomes() == plain
    assert {"errors": counts.pop("error"), **counts} == plain
    assert recorded.outcomes == {
        "test_fails_twice": "failed",
        "test_unclean": "error",
        "test_parts": "failed",
        "test_warns": "passed",
        "test_expected": "xfailed",
    }


LATE = """
    import pytest
    late = []

    def test_first(subtests):
        late.append(subtests)

    def test_second():
        with late[0].test("late and good"): pass
        with late[0].test("late and bad"): assert OK, "bad after its end"

    def test_third(): pass
"""


def test_subtests_that_report_after_the_end_of_their_test(recorded: Recorded) -> None:
    """pytest-xdist lets no report of another test pass."""
    result = recorded.run("OK = True\n" + LATE.replace("\n    ", "\n"))
    assert result.ret == 0
    assert recorded.outcomes == {"test_first": "passed", "test_second": "passed", "test_third": "passed"}
    assert len(recorded.of("start")) == len(recorded.of("end")) == 3


def test_a_subtest_that_fails_after_the_end_of_its_test_counts_by_itself(recorded: Recorded) -> None:
    result = recorded.run("OK = False\n" + LATE.replace("\n    ", "\n"))
    assert result.ret == 1
    ends = [(event["id"].partition("::")[2], event["outcome"]) for event in recorded.of("end")]
    assert sorted(ends) == [
        ("test_first", "failed"),
        ("test_first", "passed"),
        ("test_second", "passed"),
        ("test_third", "passed"),
    ]
    assert len(recorded.of("start")) == len(recorded.of("end")) == 4
    assert "bad after its end" in recorded.failures["test_first"]
    assert recorded.one("finish")["counts"] == {"passed": 3, "failed": 1}


@pytest.mark.parametrize("args", [(), ("-pxdist", "-n1")], ids=["alone", "xdist"])
def test_a_session_that_stops_says_why(recorded: Recorded, args: tuple[str, ...]) -> None:
    recorded.run("import pytest\n@pytest.mark.parametrize('i', range(9))\ndef test_a(i): assert i\n", "-x", *args)
    assert recorded.one("finish")["stopped"] == "stopping after 1 failures"
    assert recorded.of("collected")[-1]["count"] == 9


@pytest.mark.parametrize(
    ("where", "kind", "status"),
    [
        ("def pytest_configure(): pytest.exit('LICENSE_SERVER is not set', returncode=7)", "Exit", 7),
        ("def pytest_configure(): pytest.exit('LICENSE_SERVER is not set')", "Exit", 2),
        ("def pytest_sessionstart(): pytest.exit('LICENSE_SERVER is not set', returncode=7)", "Exit", 7),
        ("def pytest_collection(): pytest.exit('LICENSE_SERVER is not set', returncode=7)", "Exit", 7),
        ("import sys; sys.exit('LICENSE_SERVER is not set')", "SystemExit", None),
    ],
)
def test_a_conftest_that_ends_the_session_says_why(
    recorded: Recorded, where: str, kind: str, status: int | None
) -> None:
    recorded.pytester.makeconftest(f"import pytest\n{where}\n")
    result = recorded.run("def test_a(): pass\n")
    interrupted = recorded.one("interrupted")
    assert (interrupted["kind"], interrupted["message"]) == (kind, "LICENSE_SERVER is not set")
    assert [event["exitStatus"] for event in recorded.of("finish")] == ([] if status is None else [status])
    assert result.ret == (1 if status is None else status)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pytest.exit('LICENSE_SERVER is not set')", "Exit: LICENSE_SERVER is not set"),
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
    ],
)
def test_a_conftest_that_can_not_be_loaded_says_why(recorded: Recorded, body: str, message: str) -> None:
    recorded.pytester.makeconftest(f"import pytest\n{body}\n")
    assert recorded.run("def test_a(): pass\n").ret == 4
    written = recorded.one("conftest-error")
    assert (written["path"], written["message"]) == (str(recorded.pytester.path / "conftest.py"), message)


def test_too_many_warnings(recorded: Recorded) -> None:
    source = "import warnings\ndef test_a(): warnings.warn('old')\ndef test_b(): warnings.warn('older')\n"
    assert recorded.run(source, "--max-warnings=1").ret == 6
    assert recorded.one("finish")["demands"] == [{"code": "max-warnings", "limit": 1, "was": 2}]
    recorded.path.unlink()
    recorded.pytester.makeini("[pytest]\nmax_warnings = 2\n")
    assert recorded.rerun().ret == 0
    assert recorded.one("finish")["demands"] == []


def test_too_little_coverage(recorded: Recorded) -> None:
    source = "def unused():\n    print(1)\n    print(2)\ndef test_a(): pass\n"
    result = recorded.run(source, "-p", "pytest_cov.plugin", "--cov=.", "--cov-fail-under=90", "--cov-report=")
    assert result.ret == 1
    (demand,) = recorded.one("finish")["demands"]
    assert (demand["code"], demand["limit"]) == ("coverage", 90)
    assert 0 < demand["was"] < 90


def test_threads_that_keep_the_process_are_named(recorded: Recorded) -> None:
    recorded.run(
        """
        import threading
        stop = threading.Event()
        def test_a():
            threading.Thread(target=stop.wait, args=(1,), name="grpc-poller").start()
            threading.Thread(target=stop.wait, name="harmless", daemon=True).start()
        """
    )
    assert recorded.one("finish")["threads"] == ["grpc-poller"]


def test_no_file_matches(recorded: Recorded) -> None:
    (recorded.pytester.path / "suite" / "deeper").mkdir(parents=True)
    (recorded.pytester.path / "suite" / "test-content").write_text("def test_it(): pass\n")
    (recorded.pytester.path / "suite" / "deeper" / "checks.py").write_text("def test_it(): pass\n")
    (recorded.pytester.path / "suite" / "test_empty.py").write_text("def nothing(): pass\n")
    assert recorded.rerun("suite").ret == 5
    written = recorded.one("no-tests")
    assert written["others"] == ["suite/deeper/checks.py", "suite/test-content"]
    assert written["matching"] == ["suite/test_empty.py"]
    assert written["pythonFiles"] == ["test_*.py", "*_test.py"]


def test_all_deselected_by_the_project_s_own_options(recorded: Recorded) -> None:
    recorded.pytester.makeini("[pytest]\naddopts = -m 'not slow'\nmarkers = slow\n")
    source = "import pytest\n@pytest.mark.slow\ndef test_a(): pass\n"
    assert recorded.run(source).ret == 5
    written = recorded.one("no-tests")
    assert (written["markers"], written["addopts"]) == ("not slow", "-m not slow")
    assert recorded.one("collected")["deselected"] == 1


def test_a_conftest_that_breaks_in_the_workers_alone(recorded: Recorded) -> None:
    recorded.pytester.makeconftest("import os\nif 'PYTEST_XDIST_WORKER' in os.environ: import not_there\n")
    recorded.run("def test_a(): pass\n", "-pxdist", "-n1")
    lost = recorded.of("worker-lost")
    assert lost
    assert lost[0]["worker"] == "gw0"
    assert "No module named 'not_there'" in lost[0]["text"]
    assert "not_there" in lost[0]["message"]
