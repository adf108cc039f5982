"""How sessions end, as the plugin records it."""

from __future__ import annotations

import pytest

from tests.unit.runner.recorded import Recorded

pytest_plugins = ["pytester"]


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
    assert (recorded.events[-1]["event"], recorded.events[-1]["id"]) == ("start", "test_it.py::test_b")
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
