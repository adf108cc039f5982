"""A run for a pull request's comment or a CI job's summary, in Markdown as GitHub and GitLab show it.

The texts of tests and logs stand in blocks of HTML, escaped: there nothing of it is Markdown, and nothing of it is
HTML.
"""

from __future__ import annotations

import html
import math
import re
import shlex
from collections.abc import Sequence

from seatrial.amounts import duration
from seatrial.archive.model.json import to_json
from seatrial.archive.model.report import Report, excerpt, spans, took
from seatrial.archive.model.runs import Counts, RunDetail, Timeline
from seatrial.archive.model.tests import FailureText, TestRow
from seatrial_protocol.hints import Hint
from seatrial_runner.report.junit import legal

LIMIT = 60_000
"""Characters; GitHub takes 65,536 in a comment."""
_SIGNS = {"Passed": "✅", "Failed": "❌", "Errored": "⚠️", "Cancelled": "🚫"}
_SAID_BY_THE_TITLE = ("TestsPassed", "TestsFailed")
_ROOM_FOR_FAILED = 40_000
_ROOM_FOR_MORE = 60
_HINTS = 5
_LINES = 15
_SHORT, _LONG = 300, 1_000
_DECEIVING = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_COMMAND = re.compile("`(seatrial [^`<>]+)`")
_CALLS = re.compile(r"([@#!])(?=\w)")


def summary(report: Report) -> str:
    """The run in at most `LIMIT` characters."""
    run = report.run
    head = [_title(run), _why(run), _coverage(report)]
    tail = [_timeline(run), _footer(run)]
    room = LIMIT - sum(len(block) + 1 for block in [*head, *tail])
    sections: list[str] = []
    for title, blocks, total, most in (
        ("What the evidence says", [_hint(hint) for hint in report.hints[:_HINTS]], 0, room),
        ("Failed tests", [_failed(test) for test in report.failed], report.failed_total, _ROOM_FOR_FAILED),
        ("Flaky tests", [_flaky(test) for test in report.flaky], run.tests.flaky, room),
        ("Slowest tests", [_slow(test) for test in report.slowest], 0, room),
    ):
        section = _section(title, blocks, total, min(room, most))
        room -= len(section) + 1
        sections.append(section)
    return "\n".join(block for block in [*head, *sections, *tail] if block)


def _section(title: str, blocks: Sequence[str], total: int, room: int) -> str:
    """As many of the blocks as there is room for."""
    taken: list[str] = []
    room -= len(title) + _ROOM_FOR_MORE
    for block in blocks:
        room -= len(block)
        if room < 0:
            break
        taken.append(block)
    if not blocks:
        return ""
    more = max(total, len(blocks)) - len(taken)
    body = "".join(taken)
    body = f"<ul>\n{body}</ul>\n" if body.startswith("<li>") else body
    return f"### {title}\n\n{body}" + (f"\nand {more} more\n" if more > 0 else "")


def _title(run: RunDetail) -> str:
    word = run.verdict or run.phase or "Pending"
    counted = f"{run.tests.passed} of {run.tests.total} tests passed" if run.tests.total else ""
    return f"## {_SIGNS.get(word, '⏳')} {word}" + (f": {counted}" if counted else "") + "\n"


def _why(run: RunDetail) -> str:
    lines = []
    if run.message and run.reason not in _SAID_BY_THE_TITLE:
        lines.append(f"<p><b>{_html(run.reason, _SHORT)}</b>: {_prose(run.message, _LONG)}</p>")
    if counts := _counts(run.tests):
        lines.append(f"<p>{counts}</p>")
    return "\n".join(lines) + "\n" if lines else ""


def _coverage(report: Report) -> str:
    shown = [] if report.line_rate is None else [f"Coverage: {math.floor(report.line_rate * 100)} % of lines"]
    shown += [_html(note, _SHORT) for note in report.notes[:_HINTS]]
    return "".join(f"<p>{line}</p>\n" for line in shown)


def _counts(tests: Counts) -> str:
    words = {"failed": tests.failed, "error" if tests.errors == 1 else "errors": tests.errors, "skipped": tests.skipped,
             "xfailed": tests.xfailed,
             "xpassed": tests.xpassed, "flaky": tests.flaky}  # fmt: skip
    return ", ".join(f"{count} {word}" for word, count in words.items() if count)


def _hint(hint: Hint) -> str:
    cause = " (the probable cause)" if hint.cause else ""
    shown = f"<b>{_html(hint.component, _SHORT)}: {_html(hint.title, _SHORT)}</b>{cause}"
    line = f"{_code(hint.file)}: {_code(hint.line)}"
    return _item(f"{shown}<br>{line}<br>{_prose(hint.advice, _SHORT)}")


def _failed(test: TestRow) -> str:
    head = f"<details><summary>{_code(_id(test))}{_catalogue(test)}: {_html(test.message, _SHORT)}</summary>\n\n"
    final = [failure for failure in test.failures if not failure.rerun] or list(test.failures)
    return head + "".join(_traceback(failure) for failure in final[:2]) + "</details>\n"


def _traceback(failure: FailureText) -> str:
    lines = [html.escape(_clean(line)[:_SHORT], quote=False) for line in excerpt(failure.text, _LINES)]
    return f"<pre>{chr(10).join(lines)}</pre>\n\n" if lines else ""


def _flaky(test: TestRow) -> str:
    shown = f": {_html(first.message, _SHORT)}" if (first := next(iter(test.failures), None)) else ""
    tries = "try" if test.reruns == 1 else "tries"
    return _item(f"{_code(_id(test))}{_catalogue(test)} passed after {test.reruns} failed {tries}{shown}")


def _timeline(run: RunDetail) -> str:
    parts = spans(timeline(run))
    if not parts:
        return ""
    rows = "".join(f"| {part.name} | {duration(part.seconds)} |\n" for part in parts)
    return f"### Where the time went\n\n| | |\n| --- | ---: |\n{rows}"


def timeline(run: RunDetail) -> dict[str, str | None]:
    """When the run got how far, as its status has it."""
    found: dict[str, str | None] = to_json(run.last.timeline if run.last else Timeline())
    return found


def _footer(run: RunDetail) -> str:
    command = shlex.join(["seatrial", "results", run.name, "--namespace", run.namespace])
    whole = took(timeline(run))
    about = f"Run {_code(run.name)} in {_code(run.namespace)}" + (f", {duration(whole)}" if whole is not None else "")
    if run.attempt > 1:
        about += f", attempt {run.attempt}"
    if run.started_by:
        about += f", started by {_html(run.started_by, _SHORT)}"
    if re.fullmatch(r"https?://[\w./?=&%~:+#@,-]+", run.started_link):
        about += f' (<a href="{html.escape(run.started_link)}">job</a>)'
    return f"<p>{about}. All of it: {_code(command)}; with its files: {_code(command + ' -o DIR')}</p>\n"


def _slow(test: TestRow) -> str:
    return _item(f"{duration(test.seconds)} {_code(_id(test))}")


def _item(text: str) -> str:
    return f"<li>{text}</li>\n"


def _catalogue(test: TestRow) -> str:
    return f" ({_html(test.catalogue_id, 100)})" if test.catalogue_id else ""


def _id(test: TestRow) -> str:
    return test.id or "collection"


def _code(text: str) -> str:
    return f"<code>{_line(text, _SHORT)}</code>"


def _html(text: str, most: int) -> str:
    """Text within a block of HTML without mentions (`@name`, `#12`); within `<code>` there are none anyway."""
    return _CALLS.sub("\\1&#8203;", _line(text, most))


def _prose(text: str, most: int) -> str:
    """A message, in which our commands stand between backticks."""
    return _COMMAND.sub(r"<code>\1</code>", _html(text, most))


def _line(text: str, most: int) -> str:
    line = " ".join(_clean(text).split())
    return html.escape(line if len(line) <= most else line[: most - 1] + "…", quote=False)


def _clean(text: str) -> str:
    """Without colours, control characters and marks that turn the direction of writing."""
    return _DECEIVING.sub("", legal(text))
