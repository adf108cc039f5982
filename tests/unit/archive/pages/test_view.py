from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.runs import Counts, RunRow
from seatrial.archive.model.tests import TestHistory, TestPage, TestPoint, TestRow
from seatrial.archive.server.pages import addresses, evidence, files, manifest, numbers, questions, trend, words
from seatrial_protocol.manifest import Manifest

NOW = datetime(2026, 11, 21, 15, 3, 50, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/", "./"),
        ("/flaky", "./"),
        ("/runs/u", "../"),
        ("/runs/u/tests", "../../"),
        ("/runs/u/files/1/0/a/b.log", "../../../../../../"),
    ],
)
def test_the_root_as_a_page_sees_it(path, root):
    assert addresses.root(path) == root


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ("", None),
        ("24h", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
        ("90m", NOW - timedelta(minutes=90)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T10:00:00+02:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20T10:00:00.5Z", datetime(2026, 11, 20, 10, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_times_in_addresses(given, at):
    assert addresses.time_parameter(given, NOW, "since") == at


@pytest.mark.parametrize(
    "given", ["yesterday", "0h", "999999d", "24H", "<script>", "2026-13-01", "9999-12-31T23:59:59-14:00"]
)
def test_times_that_are_none(given):
    with pytest.raises(InvalidError, match="since="):
        addresses.time_parameter(given, NOW, "since")


def test_filters_in_the_address_and_back():
    address = {
        "namespace": "a",
        "verdict": "Failed",
        "reason": "R",
        "text": "x y",
        "since": "24h",
        "until": "2026-11-20",
    }
    asked = questions.RunQuestion.of(address, ["k=v", "empty="])
    wanted = asked.filter(frozenset({"a"}), None, NOW)
    assert (wanted.namespace, wanted.verdict, wanted.reason, wanted.text) == ("a", "Failed", "R", "x y")
    assert wanted.labels == (("k", "v"), ("empty", ""))
    assert wanted.since == NOW - timedelta(days=1)
    assert wanted.until == datetime(2026, 11, 21, tzinfo=UTC)  # the whole day belongs to it
    assert wanted.namespaces == {"a"}
    assert asked.address(cursor="c&d") == (
        "?namespace=a&verdict=Failed&reason=R&text=x%20y&label=k%3Dv&label=empty%3D&since=24h&until=2026-11-20&cursor=c%26d"
    )
    assert questions.RunQuestion.of({}, []).address() == "?"


def test_running_is_no_verdict():
    wanted = questions.RunQuestion.of({"verdict": "running"}, []).filter(None, None, NOW)
    assert (wanted.verdict, wanted.active) == (None, True)


@pytest.mark.parametrize(("given", "labels"), [({"verdict": "Great"}, []), ({}, ["no-value"]), ({}, ["=v"])])
def test_filters_that_are_none(given, labels):
    with pytest.raises(InvalidError):
        questions.RunQuestion.of(given, labels)


def hint(**more: object) -> dict[str, object]:
    return {
        "component": "db",
        "file": "logs/db.log",
        "line": "gone",
        "at": None,
        "title": "t",
        "advice": "a",
        "cause": False,
        **more,
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], []),
        ([hint()], [("db", False, None)]),
        ([hint(component="app"), hint(cause=True)], [("db", True, None), ("app", False, None)]),  # causes come first
        ([hint(at="2026-11-21T15:03:50Z")], [("db", False, NOW)]),
        (["text", None, [hint()], hint(component=None), hint(at="soon"), hint(cause="perhaps")], []),
        ({"not": "a list"}, []),
    ],
)
def test_hints(body, expected):
    found = evidence.hints(json.dumps(body).encode(), {"logs/db.log"})
    assert [(one.component, one.cause, one.at) for one in found] == expected


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_hints_that_can_not_be_read(body):
    assert evidence.hints(body, ()) == ()


def test_hints_are_bounded():
    found = evidence.hints(json.dumps([hint(line="x" * 10_000)] * 100).encode(), ())
    assert len(found) == 12
    assert len(found[0].line) <= 1_000


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counts(), "no tests"),
        (Counts(total=5), "no test has ended"),
        (Counts(total=3, passed=3), "3 passed"),
        (Counts(total=10, passed=5, failed=1, errors=2), "1 failed, 2 errors, 5 passed, 2 never ran"),
        (Counts(total=20_000, passed=20_000), "20\u202f000 passed"),
    ],
)
def test_counts_in_words(counts, text):
    assert numbers.counts_in_words(counts) == text


def test_shares_fill_the_bar_as_far_as_tests_ran():
    shares = numbers.shares(Counts(total=10, passed=4, failed=1))
    assert [(share.outcome, share.x, share.width) for share in shares] == [("failed", 0, 100), ("passed", 100, 400)]


BODY = b"2026-11-21T15:03:50Z start\n# no time\n2026-11-21T15:03:51Z ERROR x\n2026-11-21T15:03:52Z end"


@pytest.mark.parametrize(
    ("asked", "numbers", "count", "found", "around"),
    [
        ({}, [1, 2, 3], 4, None, (None, 4)),
        ({"first": 4}, [4], 4, None, (1, None)),
        ({"first": 99}, [4], 4, None, (1, None)),
        ({"text": "error"}, [3], 4, 1, (None, None)),
        ({"text": "2026", "limit": 2}, [1, 3], 4, 3, (None, 4)),
        ({"text": "2026", "limit": 2, "first": 4}, [4], 4, 3, (1, None)),
        ({"text": "nothing like it"}, [], 4, 0, (None, None)),
        ({"around": NOW.timestamp() + 1}, [3, 4], 4, None, (1, None)),
        ({"around": NOW.timestamp() + 99}, [1, 2, 3], 4, None, (None, 4)),
    ],
)
def test_pages_of_a_file(asked, numbers, count, found, around):
    page = files.text_page(BODY, **({"first": 1, "limit": 3} | asked))
    assert [line.number for line in page.lines] == numbers
    assert (page.count, page.found) == (count, found)
    assert (page.previous, page.next) == around


def test_the_line_that_was_asked_for_is_marked():
    page = files.text_page(BODY, 1, 100, around=NOW.timestamp() + 1)
    assert [line.number for line in page.lines if line.marked] == [3]
    assert [line.tone for line in page.lines] == ["", "", "error", ""]


def test_an_empty_file_has_a_page():
    assert files.text_page(b"", 1, 10) == files.TextPage((), 0, None, None, None)


def test_files_can_be_read_or_only_downloaded():
    paths = [
        "logs/a b.log",
        "artifacts/x.png",
        "artifacts/x.zip",
        "artifacts/Makefile",
        "artifacts/evil.html",
        "artifacts/#?.txt",
    ]
    entries = [{"path": path, "size": 1, "sha256": "0" * 64} for path in paths]
    rows = files.files(SetKey("u", 2, None), Manifest.parse({"schema": 1, "run": {"uid": "u"}, "files": entries}))
    assert {row.path: (row.address, row.picture) for row in rows} == {
        "logs/a b.log": ("files/2/evidence/logs/a%20b.log", False),
        "artifacts/x.png": ("files/2/evidence/artifacts/x.png", True),
        "artifacts/x.zip": ("", False),
        "artifacts/Makefile": ("files/2/evidence/artifacts/Makefile", False),
        "artifacts/evil.html": ("files/2/evidence/artifacts/evil.html", False),  # as text
        "artifacts/#?.txt": ("files/2/evidence/artifacts/%23%3F.txt", False),
    }
    assert rows[-1].download == "v1/runs/u/attempts/2/evidence/files/logs/a%20b.log"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ci.example.org/1?a=b#c", "https://ci.example.org/1?a=b#c"),
        ("http://ci", "http://ci"),
        ("javascript:alert(1)", ""),
        ("JaVaScRiPt:alert(1)//https://x", ""),
        ("data:text/html,x", ""),
        ("https://x\n", ""),
        ('https://x" onclick="y', ""),
        ("//evil", ""),
        ("", ""),
    ],
)
def test_only_links_of_the_web_are_links(address, shown):
    assert addresses.safe_link(address) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "just now"), (60, "1 min ago"), (3_500, "58 min ago"), (7_300, "2 h ago"), (90_000, "1 day ago"),
     (5e5, "5 days ago"),
     (2e6, "2026-10-29"), (-30, "just now")],
)  # fmt: skip
def test_how_long_ago(seconds, text):
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(
    ("node", "parts"),
    [
        ("a/b.py::C::test_x[p::q]", ("a/b.py", "C::test_x[p::q]")),
        ("a/b.py", ("", "a/b.py")),
        ("b.py::test_x", ("b.py", "test_x")),
        ("", ("", "")),
    ],
)
def test_ids_in_two_parts(node, parts):
    assert words.split_id(node) == parts


def test_a_moment_in_an_address_is_never_after_the_line():
    assert words.rfc3339(1_795_273_430.9999985) == "2026-11-21T15:03:50.999998Z"
    assert words.clock(1_795_273_430.9999985) == "15:03:50.999"


def point(outcome: str, seconds: float, number: int, flaky: bool = False) -> TestPoint:
    return TestPoint(f"u{number}", f"run-{number}", 1, 0, NOW - timedelta(days=number), outcome, seconds, flaky, "", "")


def test_the_trend_of_a_test():
    points = (point("failed", 4, 0), point("passed", 2, 1, flaky=True), point("passed", 1, 2))
    drawn = trend.trend(TestHistory("a", "t", None, points, 2, 1, 1, 1.5))
    assert [(bar.uid, bar.css, bar.height) for bar in drawn.bars] == [
        ("u2", "good", 25),
        ("u1", "flaky", 50),
        ("u0", "bad", 100),
    ]
    assert (drawn.top, drawn.median_y) == (4, 62.5)


def test_the_trend_of_no_runs():
    assert trend.trend(TestHistory("a", "t", None, (), 0, 0, 0, None)).bars == ()


def test_the_manifest_starts_the_same_run_under_a_new_name(detail):
    repeated = yaml.safe_load(
        manifest.manifest_of(detail(name="n" * 60, labels={"a": "b"}, spec={"tests": {"image": "x\n--- y: [z"}}))
    )
    assert repeated["metadata"] == {"generateName": "n" * 50 + "-", "namespace": "team", "labels": {"a": "b"}}
    assert repeated["spec"] == {"tests": {"image": "x\n--- y: [z"}}
    assert (repeated["apiVersion"], repeated["kind"]) == ("seatrial.dev/v1alpha1", "IntegrationRun")


def test_a_hint_points_to_what_is_stored():
    found = evidence.hints(json.dumps([hint(), hint(file="../../secret")]).encode(), {"logs/db.log"})
    assert [one.file for one in found] == ["logs/db.log", ""]


@pytest.mark.parametrize(
    ("body", "expected"), [(b'["one", 2, "two"]', ("one", "two")), (b"{}", ()), (b"", ()), (b"[" * 100_000, ())]
)
def test_notes_of_what_could_not_be_gathered(body, expected):
    assert evidence.notes(body) == expected


@pytest.mark.parametrize(
    ("phase", "verdict", "expected"),
    [("Testing", None, True), ("Deleted", None, False), ("CleaningUp", "Passed", False)],
)
def test_runs_that_go_on(detail, phase, verdict, expected):
    assert words.goes_on(detail(phase=phase, verdict=verdict)) is expected


@pytest.mark.parametrize(
    ("outcomes", "total", "words"),
    [
        (["failed"], 1, "1 failed test"),
        (["failed", "error", "unfinished"], 3, "2 failed tests, 1 test did not finish"),
        (["collection-error", "collection-error"], 2, "2 files not collected"),
        (
            ["failed", "unfinished"],
            1200,
            "1\N{NARROW NO-BREAK SPACE}200 failed tests",
        ),  # nobody has looked at all of them
    ],
)
def test_what_went_wrong_in_words(outcomes, total, words):
    rows = tuple(
        TestRow("u", 1, 0, "t", None, outcome, 0, None, None, None, None, (), 0, False, False, "")
        for outcome in outcomes
    )
    assert numbers.bad_in_words(TestPage(rows, None, total)) == words


@pytest.mark.parametrize(("taken_up", "seconds"), [(0.7, 9.3), (4.2, 10), (None, 10), (-3, 10)])
def test_a_run_begins_when_it_was_taken_up_if_that_was_in_the_second_of_its_creation(taken_up, seconds):
    started = None if taken_up is None else NOW + timedelta(seconds=taken_up)
    row = RunRow(
        "u",
        "n",
        "",
        "r",
        NOW,
        1,
        "Failed",
        "Failed",
        "",
        "",
        {},
        "",
        "",
        "",
        "",
        started,
        NOW + timedelta(seconds=10),
        Counts(),
    )
    assert row.seconds == pytest.approx(seconds)
