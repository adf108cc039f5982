"""The summary for pull requests and CI jobs."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from seatrial.archive.model.runs import Counts
from seatrial.archive.server.reports.markdown import LIMIT, summary
from tests.unit.report.samples import HINT, TRACEBACK, failed, report, row, run

HOSTILE = (
    "</pre></code></details><script>alert(1)</script> <img src=x onerror=alert(1)> "
    "](javascript:alert(1)) **b** `c` | @team #12\n\n# title\n- item"
)


class Rendered(HTMLParser):
    """What a reader sees: elements and text."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_failed_run() -> None:
    test = replace(failed("tests/test_orders.py::test_order_is_paid"), catalogue_id="INT-020")
    flaky = row("t.py::sometimes", flaky=True, reruns=1, failures=(replace(test.failures[0], rerun=True),))
    shown = Rendered(summary(report(failed=[test], flaky=[flaky], slowest=[row("t.py::slow", seconds=3.21)]))).text
    for expected in (
        "❌ Failed: 2 of 5 tests passed",
        "1 failed, 1 error, 1 skipped, 1 flaky",
        "tests/test_orders.py::test_order_is_paid (INT-020): AssertionError: assert 'open' == 'paid'",
        'assert client.state(order) == "paid"',
        "tests/test_orders.py:41: AssertionError",
        "t.py::sometimes passed after 1 failed try: AssertionError",
        "3.2 s t.py::slow",
        "Run pr-1 in team-a, 9.3 s",
        "seatrial results pr-1 --namespace team-a -o DIR",
    ):
        assert expected in shown
    assert "TestsFailed" not in shown  # said by the title


def test_an_errored_run_begins_with_diagnosis_and_evidence() -> None:
    errored = run("Errored", "ServiceLost", "postgres: out of memory", tests=Counts())
    lines = [line for line in Rendered(summary(report(errored, [HINT]))).text.splitlines() if line.strip()]
    assert lines[:4] == [
        "⚠️ Errored",
        "ServiceLost: postgres: out of memory",
        "What the evidence says",
        "orders: connection refused to postgres (the probable cause)"
        "logs/orders.log: psycopg.OperationalError: connection refused "
        'to "postgres:5432"postgres was killed for using more memory than its limit; give it more: '
        "spec.services.postgres.resources",
    ]


def test_commands_in_our_words_are_code() -> None:
    text = summary(report(run("Errored", "AppCrashed", "app web ends (exit 1: <b>); see `seatrial logs orders web`")))
    assert "app web ends (exit 1: &lt;b&gt;); see <code>seatrial logs orders web</code></p>" in text
    odd = summary(report(run("Errored", "AppCrashed", "it said ` and no more")))
    assert "it said ` and no more</p>" in odd


def test_a_run_that_passed_and_one_that_goes_on() -> None:
    assert summary(report(run("Passed", "TestsPassed"))).startswith("## ✅ Passed: 2 of 5 tests passed\n")
    assert summary(report(run(None, ""))).startswith("## ⏳ Testing: 2 of 5 tests passed\n")
    bare = replace(run(None, ""), phase="", attempts=(), tests=Counts())
    assert summary(report(bare)).startswith("## ⏳ Pending\n")


def test_no_text_of_a_test_is_markdown_or_html() -> None:
    test = failed(HOSTILE, HOSTILE, f"E   {HOSTILE}")
    hint = replace(HINT, line=HOSTILE, title=HOSTILE, advice=HOSTILE, file=HOSTILE)
    errored = run("Errored", "ServiceLost", HOSTILE, started_by=HOSTILE, started_link='https://x" onclick="alert(1)')
    flaky = replace(test, flaky=True, reruns=2)
    page = Rendered(summary(report(errored, [hint], failed=[test], flaky=[flaky], slowest=[test])))
    plain = Rendered(summary(report(run("Errored", "ServiceLost", "m", started_by="x"), [HINT], failed=[failed("a")],
                                    flaky=[replace(failed("a"), flaky=True, reruns=2)],
                                    slowest=[row("a")])))  # fmt: skip
    assert page.elements == plain.elements
    assert page.attributes == plain.attributes
    assert "<script>alert(1)</script>" in page.text


def test_prose_calls_nobody() -> None:
    shown = summary(report(run("Errored", "AppCrashed", "ask @team, see #12")))
    assert "@team" not in shown
    assert "#12" not in shown


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "\x00", "\u202eevil\u202c", "\r"])
def test_control_characters_are_made_harmless(text: str) -> None:
    shown = summary(report(failed=[failed(f"t.py::a[{text}]", text, text)]))
    assert all(
        character.isprintable() or character == "\n" for character in shown.replace("\u200b", "").replace("\ufe0f", "")
    )


def test_the_link_of_the_job_that_started_it() -> None:
    shown = summary(report(run(started_link="https://ci.example/jobs/7?a=1&b=2")))
    assert ("href", "https://ci.example/jobs/7?a=1&b=2") in Rendered(shown).attributes


@pytest.mark.parametrize("text", ["x" * 5_000, "&" * 5_000, "<@#\n" * 2_000])
def test_however_much_went_wrong_it_fits_a_comment(text: str) -> None:
    many = [failed(f"t.py::test[{n}]{text}", text, "\n".join(f"E   {text}" for _ in range(100))) for n in range(40)]
    of = report(run("Errored", text, text, started_by=text), [replace(HINT, line=text, title=text, advice=text)] * 50,
                failed=many, flaky=many, slowest=many)  # fmt: skip
    shown = summary(replace(of, failed_total=1234))
    assert len(shown) <= LIMIT
    assert "more\n" in shown
    assert "seatrial results" in shown


def test_a_long_traceback_shows_its_decisive_lines() -> None:
    long = "\n".join(f"    line {n}" for n in range(200)) + "\n" + TRACEBACK
    shown = summary(report(failed=[failed("t.py::a", text=long)]))
    assert "E       AssertionError: assert 'open' == 'paid'" in shown
    assert "line 100" not in shown
