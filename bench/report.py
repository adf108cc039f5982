"""From samples to figures, bounds, one table and one file; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.measure import Floor, Run, Timeline


@dataclass(frozen=True)
class Repetition:
    """One round; what is compared was measured one after the other, so that the machine was in the same mood."""

    floor: Floor
    script: float
    job: Run
    quickstart: Run
    busy: float
    """The largest share of the machine's CPU time in use just before a measurement; -1 if unknown."""


@dataclass(frozen=True)
class Figure:
    """One figure of all repetitions."""

    key: str
    what: str
    unit: str
    values: tuple[float, ...]
    bound: float | None = None

    @property
    def median(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def worst(self) -> float | None:
        return max(self.values, default=None)

    @property
    def ok(self) -> bool | None:
        """Whether the median keeps the bound; None without a bound or without a figure."""
        return None if self.bound is None or self.median is None else self.median <= self.bound


def figures(repetitions: Sequence[Repetition], memory_bytes: float) -> list[Figure]:
    """All figures; those of the operator's requests only from repetitions that were alone on the cluster."""
    runs = [r.quickstart for r in repetitions]
    counted = [run.counts for run in runs if run.counts is not None]

    def of(key: str, what: str, unit: str, values: Sequence[float], bound: float | None = None) -> Figure:
        return Figure(key, what, unit, tuple(values), bound)

    return [
        of("floor_s", "floor: apply to first test", "s", [r.floor.first_test for r in repetitions]),
        of("cold_first_test_s", "run: apply to first test", "s", [run.first_test for run in runs]),
        of(
            "cold_first_test_ratio", "  run / floor", "x",
            [r.quickstart.first_test / r.floor.first_test for r in repetitions], 1.25,
        ),
        of("verdict_latency_s", "last test's end to verdict seen", "s", [run.verdict for run in runs], 1.0),
        of("clean_up_s", "verdict to namespace gone", "s", [run.clean_up for run in runs], 6.0),
        of("script_s", "by-hand script: apply to namespace gone", "s", [r.script for r in repetitions]),
        of("whole_run_s", "same job as a run: apply to namespace gone", "s", [r.job.whole for r in repetitions]),
        of("whole_run_ratio", "  run / script", "x", [r.job.whole / r.script for r in repetitions], 0.6),
        of("writes_per_run", "writes of the operator for a run", "", [c.writes for c in counted], 40),
        of("polling_reads", "reads of the operator for a run", "", [c.reads for c in counted], 0),
        of("operator_rss_mb", "operator's memory after the runs", "MB", [memory_bytes / 1e6] if memory_bytes else []),
    ]  # fmt: skip


def disagreements(repetitions: Sequence[Repetition]) -> list[str]:
    """Where the operator's own counters and the API server's differ."""
    differences = []
    for number, repetition in enumerate(repetitions, 1):
        c = repetition.quickstart.counts
        if c is not None and (c.writes, c.reads) != (c.own_writes, c.own_reads):
            differences.append(
                f"repetition {number}: the API server counted {c.writes:.0f} writes and {c.reads:.0f} reads, "
                f"the operator {c.own_writes:.0f} and {c.own_reads:.0f}"
            )
    return differences


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if not unit else f"{value:.2f} {unit}"


def table(found: Sequence[Figure]) -> str:
    """The figures for people (it is Markdown too)."""
    rows = [("what", "median", "worst", "bound", "")]
    for figure in found:
        verdict = {True: "ok", False: "OVER", None: ""}[figure.ok]
        bound = _number(figure.bound, figure.unit) if figure.bound is not None else ""
        rows.append(
            (figure.what, _number(figure.median, figure.unit), _number(figure.worst, figure.unit), bound, verdict)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def timeline(timelines: Sequence[Timeline]) -> list[tuple[str, float]]:
    """The moments that all have, each with its median, in their order."""
    shared = set.intersection(*(set(t) for t in timelines)) if timelines else set()
    return sorted(((name, median(t[name] for t in timelines)) for name in shared), key=lambda pair: pair[1])


def timeline_table(floors: Sequence[Timeline], runs: Sequence[Timeline]) -> str:
    """The moments of the run, beside those of the floor where it has them."""
    floor = dict(timeline(floors))
    lines = ["| moment | run | floor |", "| --- | --- | --- |"]
    for name, at in timeline(runs):
        lines.append(f"| {name} | {at:.2f} s | {f'{floor[name]:.2f} s' if name in floor else ''} |")
    return "\n".join(lines)


def results(found: Sequence[Figure], repetitions: Sequence[Repetition], about: Mapping[str, Any]) -> dict[str, Any]:
    """The file's contents: medians by key, then worst, bounds and whether they are kept, then all samples."""
    return {
        **{figure.key: figure.median for figure in found},
        "worst": {figure.key: figure.worst for figure in found},
        "bounds": {figure.key: figure.bound for figure in found if figure.bound is not None},
        "ok": {figure.key: figure.ok for figure in found if figure.bound is not None},
        "about": dict(about),
        "samples": [asdict(repetition) for repetition in repetitions],
    }
