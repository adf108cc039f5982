"""How a run ended (or how far it is), on one screen of 80 columns: verdict, failures, where the time went, where the results are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from seatrial.archive.model.json import to_json
from seatrial.archive.model.report import Report, Span, excerpt, spans, took
from seatrial.archive.model.tests import FailureText, TestRow
from seatrial.cli.output import VERDICT_STYLE, Out, verdict_mark
from seatrial.cli.phrases import counts_text, seconds
from seatrial.cli.terminal import one_line, visible
from seatrial_protocol.hints import Hint

_SAID_BY_THE_HEADLINE = ("TestsPassed", "TestsFailed")
_BAR_WIDTH = 24
_FAILURES_SHOWN = 20
_EXCERPT_LINES = 10
_HINTS_SHOWN = 5


def of_archive(told: Report) -> dict[str, Any]:
    """A run as the archive knows it, in the shape that the cluster would give it."""
    run, last = told.run, told.run.last
    return {
        "metadata": {"name": run.name, "namespace": run.namespace, "uid": run.uid},
        "status": {
            "phase": run.phase,
            "verdict": run.verdict or "",
            "reason": run.reason,
            "message": run.message,
            "attempt": run.attempt,
            "tests": to_json(run.tests),
            "failures": [{"id": t.id, "catalogueId": t.catalogue_id, "message": t.message} for t in told.failed],
            "slowest": [{"id": t.id, "seconds": t.seconds} for t in told.slowest],
            "timeline": to_json(last.timeline) if last else {},
            "results": {"digest": last.digest if last else ""},
        },
    }


def headline(status: Mapping[str, Any]) -> str:
    """`12/12`, `9/12  2 failed, 1 skipped`, or the reason where no test ran."""
    tests = status.get("tests") or {}
    total = tests.get("total") or 0
    if not total:
        return str(status.get("reason") or "")
    rest = {name: count for name, count in tests.items() if name not in ("total", "passed") and count}
    return f"{tests.get('passed', 0)}/{total}" + (f"  {counts_text(rest)}" if rest else "")


def show(
    out: Out,
    run: Mapping[str, Any],
    results_command: str = "",
    *,
    told: Report | None = None,
    verdict_last: bool = False,
) -> None:
    """Prints the report; with the verdict as its last words where much was printed before.

    `results_command`: how to fetch the results, if that is to be told. `told`: what the archive knows besides.
    """
    status = run.get("status") or {}
    if not verdict_last:
        _verdict(out, run)
    sections = [
        section
        for section in (
            _hints(out, told.hints if told else ()),
            _failures(out, status.get("failures") or (), status.get("tests") or {}, told),
            _flaky(out, told.flaky if told else ()),
            _attempts(out, told),
            _times(out, spans(status.get("timeline") or {})),
            _slowest(status.get("slowest") or ()),
            _coverage(out, told),
            _kept(status),
            _results(status, results_command),
        )
        if section
    ]
    for number, section in enumerate(sections):
        if number or not verdict_last:
            out.console.print()
        for line in section:
            out.console.print(line, soft_wrap=True)
    if verdict_last:
        out.console.print()
        _verdict(out, run)


def _verdict(out: Out, run: Mapping[str, Any]) -> None:
    metadata, status = run["metadata"], run.get("status") or {}
    verdict, reason = status.get("verdict") or "", status.get("reason") or ""
    phase = verdict or status.get("phase") or "not taken up yet"
    head = Text.assemble((f"{verdict_mark(verdict, out.glyphs)} {phase}", VERDICT_STYLE.get(phase, "bold cyan")))
    head.append(f" {headline(status)}".rstrip())
    head.append(f"  {_about(metadata['name'], took(status.get('timeline') or {}))}", "dim")
    out.console.print(head, soft_wrap=True)
    message = one_line(status.get("message") or "")
    if message and reason not in _SAID_BY_THE_HEADLINE:
        label = f"{reason}: " if reason and reason not in head.plain else ""
        out.paragraph(Text.assemble((label, "bold"), message), indent=2)


def _about(name: str, whole: float | None) -> str:
    return f"{name}, {seconds(whole)}" if whole is not None else name


Section = list[Text]


def _hints(out: Out, hints: Sequence[Hint]) -> Section:
    lines = [Text("  What the evidence says", "bold")] if hints else []
    for hint in hints[:_HINTS_SHOWN]:
        cause = Text(" (the probable cause)") if hint.cause else Text()
        lines += _marked(out, "!", "yellow", Text(one_line(f"{hint.component}: {hint.title}")) + cause)
        lines += out.wrapped(Text(f"{one_line(hint.file)}: {one_line(hint.line)}", "dim"), indent=6)
        lines += out.wrapped(Text(one_line(hint.advice)), indent=6)
    return lines


def _failures(
    out: Out, failures: Sequence[Mapping[str, Any]], tests: Mapping[str, Any], told: Report | None
) -> Section:
    if not failures:
        return []
    texts = {test.id: test.failures for test in told.failed} if told else {}
    lines, told_before = [Text("  Failed tests", "bold")], set[str]()
    for failure in failures[:_FAILURES_SHOWN]:
        catalogue = f" ({failure['catalogueId']})" if failure.get("catalogueId") else ""
        lines.append(Text.assemble((f"  {out.glyphs.bad} ", "red"), one_line(str(failure.get("id"))) + catalogue))
        message = one_line(str(failure.get("message") or ""))
        lines += out.wrapped(Text(message), indent=6) if message else []
        if message not in told_before:  # where many fail of one cause, its traceback is shown once
            lines += _excerpt(out, texts.get(str(failure.get("id")), ()))
        told_before.add(message)
    more = (tests.get("failed") or 0) + (tests.get("errors") or 0) - min(len(failures), _FAILURES_SHOWN)
    if more > 0:
        lines.append(Text(f"    and {more} more; the results have all", "dim"))
    return lines


def _excerpt(out: Out, failures: Sequence[FailureText]) -> Section:
    """The telling lines of the last failure, each cut to the terminal's width: what is whole is in the files."""
    final = next((failure for failure in reversed(failures) if not failure.rerun), None)
    lines = []
    for line in excerpt(final.text, _EXCERPT_LINES) if final else ():
        text = Text(visible(line.expandtabs(4)), "red" if line.startswith("E ") else "dim")
        text.truncate(max(20, out.console.width - 6), overflow="ellipsis")
        line_of_code = Text("      ") + text
        line_of_code.rstrip()
        lines.append(line_of_code)
    return lines


def _flaky(out: Out, tests: Sequence[TestRow]) -> Section:
    lines = [Text("  Flaky tests", "bold")] if tests else []
    for test in tests:
        lines.append(Text.assemble((f"  {out.glyphs.skip} ", "yellow"), one_line(test.id)))
        message = next((failure.message for failure in test.failures), "")
        said = f"passed when it was run again ({test.reruns}x)" + (f": {message}" if message else "")
        lines += out.wrapped(Text(one_line(said), "dim"), indent=6)
    return lines


def _attempts(out: Out, told: Report | None) -> Section:
    attempts = told.run.attempts if told else ()
    if len(attempts) < 2:
        return []
    lines = [Text("  Attempts", "bold")]
    for attempt in attempts:
        words = (str(attempt.attempt), attempt.verdict or "", attempt.reason)
        said = "  ".join(word for word in words if word)
        lines += out.wrapped(Text(one_line(said + (f": {attempt.message}" if attempt.message else ""))), indent=2)
    return lines


def _marked(out: Out, mark: str, style: str, text: Text) -> Section:
    first, *rest = out.wrapped(text, indent=4)
    return [Text.assemble("  ", (mark, style), " ") + first[4:], *rest]


def _times(out: Out, parts: Sequence[Span]) -> Section:
    if not parts:
        return []
    most = max(part.seconds for part in parts) or 1.0
    named, timed = max(len(part.name) for part in parts), max(len(seconds(part.seconds)) for part in parts)
    lines = [Text("  Where the time went", "bold")]
    for part in parts:
        bar = out.glyphs.bar * max(round(_BAR_WIDTH * part.seconds / most), 1 if part.seconds >= 0.05 else 0)
        line = Text.assemble(f"  {part.name:{named}}  {seconds(part.seconds):>{timed}}  ", (bar, "cyan"))
        line.rstrip()
        lines.append(line)
    return lines


def _slowest(slowest: Sequence[Mapping[str, Any]]) -> Section:
    lines = [
        Text(f"  {seconds(_number(test.get('seconds'))) or '?':>8}  {one_line(str(test.get('id')))}")
        for test in slowest
    ]
    return [Text("  Slowest tests", "bold"), *lines] if lines else []


def _coverage(out: Out, told: Report | None) -> Section:
    lines = []
    if told is not None and told.line_rate is not None:
        lines.append(Text.assemble(("  Coverage  ", "bold"), f"{math.floor(told.line_rate * 100)} % of lines"))
    for note in told.notes if told else ():
        lines += _marked(out, "!", "yellow", Text(one_line(note)))
    return lines


def _kept(status: Mapping[str, Any]) -> Section:
    """Where to look, if `spec.retention` keeps the environment."""
    cleaned_up = any(c.get("type") == "CleanedUp" and c.get("status") == "True" for c in status.get("conditions") or ())
    if (
        not status.get("verdict")
        or status.get("phase") != status["verdict"]
        or cleaned_up
        or not status.get("namespace")
    ):
        return []
    return [Text.assemble(("  Environment  ", "bold"), f"kept for now: kubectl get all -n {status['namespace']}")]


def _results(status: Mapping[str, Any], command: str) -> Section:
    if not command or not (status.get("results") or {}).get("digest"):
        return []
    return [Text.assemble(("  Results  ", "bold"), command)]


def _number(value: object) -> float | None:
    try:
        return float(str(value).removesuffix("s"))
    except ValueError:
        return None
