"""How a run ended (or how far it is), on one screen of 80 columns: verdict, failures, where the time went, where the results are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from rich.text import Text

from .output import VERDICT_STYLE, Out, verdict_mark
from .progress import counts_text, one_line, seconds

_POINTS = (
    ("queued", ""),
    ("started", "waiting for the operator"),
    ("environmentReady", "environment"),
    ("firstTest", "pytest: start and collection"),
    ("lastTest", "tests"),
    ("verdict", "results and verdict"),
    ("reclaimed", "reclaim"),
)
_SAID_BY_THE_HEADLINE = ("TestsPassed", "TestsFailed")
_BAR_WIDTH = 24
_FAILURES_SHOWN = 20


@dataclass(frozen=True)
class Span:
    """A part of a run's time."""

    name: str
    seconds: float


def instant(text: object) -> float | None:
    """An RFC 3339 time as unix seconds; None for what is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def spans(timeline: Mapping[str, Any]) -> list[Span]:
    """Where the time went: from each point of the timeline that is known to the next one."""
    known = _known(timeline)
    return [Span(name, max(0.0, at - before)) for (_, before), (name, at) in pairwise(known)]


def took(timeline: Mapping[str, Any]) -> float | None:
    """Seconds from the run's beginning to its verdict."""
    known, end = _known(timeline), instant(timeline.get("verdict"))
    return max(0.0, end - known[0][1]) if known and end is not None else None


def _known(timeline: Mapping[str, Any]) -> list[tuple[str, float]]:
    known = [(name, at) for point, name in _POINTS if (at := instant(timeline.get(point))) is not None]
    # The API server notes creation in whole seconds, so a shorter wait can't be told from none.
    queued, started = instant(timeline.get("queued")), instant(timeline.get("started"))
    if queued is not None and started is not None and started - queued < 1:
        del known[0]
    return known


def headline(status: Mapping[str, Any]) -> str:
    """`12/12`, `9/12  2 failed, 1 skipped`, or the reason where no test ran."""
    tests = status.get("tests") or {}
    total = tests.get("total") or 0
    if not total:
        return str(status.get("reason") or "")
    rest = {name: count for name, count in tests.items() if name not in ("total", "passed") and count}
    return f"{tests.get('passed', 0)}/{total}" + (f"  {counts_text(rest)}" if rest else "")


def show(out: Out, run: Mapping[str, Any], results_command: str = "", *, verdict_last: bool = False) -> None:
    """Prints the report; with the verdict as its last words where much was printed before.

    `results_command`: how to fetch the results, if that is to be told.
    """
    status = run.get("status") or {}
    if not verdict_last:
        _verdict(out, run)
    sections = [
        section
        for section in (
            _failures(out, status.get("failures") or (), status.get("tests") or {}),
            _times(out, spans(status.get("timeline") or {})),
            _slowest(status.get("slowest") or ()),
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


def _failures(out: Out, failures: Sequence[Mapping[str, Any]], tests: Mapping[str, Any]) -> Section:
    if not failures:
        return []
    lines = [Text("  Failed tests", "bold")]
    for failure in failures[:_FAILURES_SHOWN]:
        catalogue = f" ({failure['catalogueId']})" if failure.get("catalogueId") else ""
        lines.append(Text.assemble((f"  {out.glyphs.bad} ", "red"), one_line(str(failure.get("id"))) + catalogue))
        if message := one_line(str(failure.get("message") or "")):
            lines += out.wrapped(Text(message, "dim"), indent=6)
    more = (tests.get("failed") or 0) + (tests.get("errors") or 0) - min(len(failures), _FAILURES_SHOWN)
    if more > 0:
        lines.append(Text(f"    and {more} more; the results have all", "dim"))
    return lines


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


def _kept(status: Mapping[str, Any]) -> Section:
    """Where to look, if `spec.retention` keeps the environment."""
    reclaimed = any(c.get("type") == "Reclaimed" and c.get("status") == "True" for c in status.get("conditions") or ())
    if (
        not status.get("verdict")
        or status.get("phase") != status["verdict"]
        or reclaimed
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
