"""How a run ended (or how far it is), on one screen of 80 columns: verdict, failures, times, where the results are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from seatrial.api.status import ConditionType, FailureNote, IntegrationRunStatus, SlowTest, TestCounts
from seatrial.archive.model.report import Report, Span, excerpt, spans, took
from seatrial.archive.model.tests import FailureText, TestRow
from seatrial.cli.output import VERDICT_STYLE, Out, verdict_mark
from seatrial.cli.phrases import counts_text, seconds
from seatrial.cli.run import Run
from seatrial.cli.terminal import one_line, visible
from seatrial_protocol.hints import Hint

_SAID_BY_THE_HEADLINE = ("TestsPassed", "TestsFailed")
_BAR_WIDTH = 24
_FAILURES_SHOWN = 20
_EXCERPT_LINES = 10
_HINTS_SHOWN = 5


def headline(status: IntegrationRunStatus) -> str:
    """`12/12`, `9/12  2 failed, 1 skipped`, or the reason where no test ran."""
    if status.tests is None or not status.tests.total:
        return one_line(status.reason)
    rest = {name: count for name, count in status.tests if name not in ("total", "passed") and count}
    return f"{status.tests.passed}/{status.tests.total}" + (f"  {counts_text(rest)}" if rest else "")


def show(
    out: Out,
    run: Run,
    results_command: str = "",
    *,
    archived: Report | None = None,
    verdict_last: bool = False,
) -> None:
    """Prints the report; with the verdict as its last words where much was printed before.

    `results_command`: how to fetch the results, if the report shows it. `archived`: what the archive knows besides.
    """
    status = run.status
    if not verdict_last:
        _verdict(out, run)
    sections = [
        section
        for section in (
            _hints(out, archived.hints if archived else ()),
            _failures(out, status.failures, status.tests or TestCounts(), archived),
            _flaky(out, archived.flaky if archived else ()),
            _attempts(out, archived),
            _times(out, spans(_timeline(status))),
            _slowest(status.slowest),
            _coverage(out, archived),
            _kept(run),
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


def _verdict(out: Out, run: Run) -> None:
    status, reason = run.status, one_line(run.status.reason)
    state = one_line(run.state) or "not accepted yet"
    head = Text.assemble((f"{verdict_mark(run.verdict, out.glyphs)} {state}", VERDICT_STYLE.get(state, "bold cyan")))
    head.append(f" {headline(status)}".rstrip())
    head.append(f"  {_about(run.name, took(_timeline(status)))}", "dim")
    out.console.print(head, soft_wrap=True)
    message = one_line(status.message)
    if message and reason not in _SAID_BY_THE_HEADLINE:
        label = f"{reason}: " if reason and reason not in head.plain else ""
        out.paragraph(Text.assemble((label, "bold"), message), indent=2)


def _timeline(status: IntegrationRunStatus) -> dict[str, str | None]:
    return status.timeline.model_dump(by_alias=True)


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


def _failures(out: Out, failures: Sequence[FailureNote], tests: TestCounts, archived: Report | None) -> Section:
    if not failures:
        return []
    texts = {test.id: test.failures for test in archived.failed} if archived else {}
    lines, shown_before = [Text("  Failed tests", "bold")], set[str]()
    for failure in failures[:_FAILURES_SHOWN]:
        catalogue = f" ({failure.catalogue_id})" if failure.catalogue_id else ""
        lines.append(Text.assemble((f"  {out.glyphs.bad} ", "red"), one_line(failure.id + catalogue)))
        message = one_line(failure.message)
        lines += out.wrapped(Text(message), indent=6) if message else []
        if message not in shown_before:  # where many fail of one cause, its traceback is shown once
            lines += _excerpt(out, texts.get(failure.id, ()))
        shown_before.add(message)
    more = tests.failed + tests.errors - min(len(failures), _FAILURES_SHOWN)
    if more > 0:
        lines.append(Text(f"    and {more} more; the results have all", "dim"))
    return lines


def _excerpt(out: Out, failures: Sequence[FailureText]) -> Section:
    """The lines of the last failure that say why, each cut to the terminal's width; the files have all of it."""
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
        shown = f"passed when it ran again ({test.reruns}x)" + (f": {message}" if message else "")
        lines += out.wrapped(Text(one_line(shown), "dim"), indent=6)
    return lines


def _attempts(out: Out, archived: Report | None) -> Section:
    attempts = archived.run.attempts if archived else ()
    if len(attempts) < 2:
        return []
    lines = [Text("  Attempts", "bold")]
    for attempt in attempts:
        words = (str(attempt.attempt), attempt.verdict or "", attempt.reason)
        shown = "  ".join(word for word in words if word)
        lines += out.wrapped(Text(one_line(shown + (f": {attempt.message}" if attempt.message else ""))), indent=2)
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


def _slowest(slowest: Sequence[SlowTest]) -> Section:
    lines = [Text(f"  {seconds(_number(test.seconds)) or '?':>8}  {one_line(test.id)}") for test in slowest]
    return [Text("  Slowest tests", "bold"), *lines] if lines else []


def _coverage(out: Out, archived: Report | None) -> Section:
    lines = []
    if archived is not None and archived.line_rate is not None:
        lines.append(Text.assemble(("  Coverage  ", "bold"), f"{math.floor(archived.line_rate * 100)} % of lines"))
    for note in archived.notes if archived else ():
        lines += _marked(out, "!", "yellow", Text(one_line(note)))
    return lines


def _kept(run: Run) -> Section:
    """Where to look, if `spec.retention` keeps the environment."""
    environment, over = run.status.namespace, str(run.status.phase or "") == run.verdict
    if not run.verdict or not over or not environment or run.has(ConditionType.CLEANED_UP):
        return []
    return [Text.assemble(("  Environment  ", "bold"), f"kept for now: kubectl get all -n {environment}")]


def _results(status: IntegrationRunStatus, command: str) -> Section:
    if not command or status.results is None or not status.results.digest:
        return []
    return [Text.assemble(("  Results  ", "bold"), command)]


def _number(value: str) -> float | None:
    try:
        return float(value.removesuffix("s"))
    except ValueError:
        return None
