"""What the plugin writes of tests, in real pytest processes."""

from __future__ import annotations

import pytest

from seatrial_protocol.events import KINDS, Collected, parse_event
from tests.unit.runner.recorded import Recorded

pytest_plugins = ["pytester"]

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
def test_each_test_is_reported_with_its_outcome_and_facts(recorded: Recorded, args: tuple[str, ...]) -> None:
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


def test_odd_ids(recorded: Recorded) -> None:
    recorded.pytester.makeini("[pytest]\ndisable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n")
    recorded.pytester.makepyfile(
        test_it="import pytest\n"
        "@pytest.mark.parametrize('x', ['é\\u2028\\x1b', 'a::b[c]/d', '\\udc80', 'x' * 3000, '\\n'])\n"
        "def test_odd(x): pass\n"
    )
    recorded.env(PYTHONUTF8="1")
    assert recorded.rerun("-q", "-pno:cacheprovider").ret == 0  # pytest's own cache can't write such ids
    ids = [event["id"].partition("::")[2] for event in recorded.of("end")]
    assert ids[:3] == ["test_odd[é\u2028\x1b]", "test_odd[a::b[c]/d]", "test_odd[\\udc80]"]
    assert len(ids) == 5


def test_events_are_what_the_protocol_reads(recorded: Recorded) -> None:
    """One object a line, of a kind that the protocol knows, and nothing in it that nobody reads."""
    recorded.run(MANY)
    for event in recorded.events:
        typed = KINDS[event["event"]].parse(event)
        empty = {name for name, value in event.items() if value in ("", 0, None, [], False)}
        assert set(event) - {"rootdir", "args"} - empty <= set(typed.to_json()), typed


def test_every_line_is_one_that_is_read(recorded: Recorded) -> None:
    """Output of nothing but control characters takes six bytes a character."""
    recorded.run(
        """
        import sys
        import pytest

        def test_noise():
            print(chr(1) * 100_000)
            print(chr(1) * 100_000, file=sys.stderr)
            raise AssertionError(chr(2) * 100_000)

        @pytest.mark.parametrize("text", ["x" * 100_000])
        def test_long_id(text):
            pass
        """
    )
    lines = recorded.path.read_bytes().splitlines()
    assert [type(parse_event(line)).KIND for line in lines].count("end") == 2
    assert max(map(len, lines)) < 1024 * 1024


def test_many_collection_errors_are_one_line_that_is_read(recorded: Recorded) -> None:
    body = "\n".join(f"x{n} = {n}  # {'y' * 100}" for n in range(200))
    for number in range(60):
        recorded.pytester.makepyfile(**{f"test_{number}": f"def test():\n    pass\n{body}\nimport nowhere_{number}\n"})
    recorded.rerun("--tb=long")
    events = [parse_event(line) for line in recorded.path.read_bytes().splitlines()]
    collected = next(event for event in events if isinstance(event, Collected))
    assert collected.error_count == len(collected.errors) == 60
    assert all("nowhere" in error.text for error in collected.errors)
