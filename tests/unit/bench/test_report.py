from __future__ import annotations

from typing import Any

import pytest

from bench import report
from bench.counters import Counts
from bench.measure import Floor, Run

KEYS = {
    "cold_first_test_ratio", "cold_first_test_s", "floor_s", "verdict_latency_s", "clean_up_s", "writes_per_run",
    "polling_reads", "operator_rss_mb", "whole_run_ratio",
}  # fmt: skip


def counts(writes: float = 30, reads: float = 0, own_writes: float = 30, own_reads: float = 0) -> Counts:
    return Counts(writes, reads, own_writes, own_reads, 1)


def run(**more: Any) -> Run:
    base: dict[str, Any] = {
        "first_test": 3.0, "verdict": 0.5, "verdict_written": 0.4, "clean_up": 5.3, "whole": 8.0, "counts": counts(),
    }  # fmt: skip
    return Run(**{**base, **more})


def repetition(floor: float = 2.5, script: float = 16.0, **of_run: Any) -> report.Repetition:
    return report.Repetition(Floor(floor), script, run(), run(**of_run), 1.0)


def figure(repetitions: list[report.Repetition], key: str, memory: float = 90e6) -> report.Figure:
    (found,) = [f for f in report.figures(repetitions, memory) if f.key == key]
    return found


def test_a_ratio_compares_what_was_measured_together() -> None:
    slow_hour = repetition(floor=10.0, first_test=11.0)
    found = figure([repetition(floor=2.0, first_test=2.4), slow_hour], "cold_first_test_ratio")
    assert found.values == (1.2, 1.1)
    assert found.worst == 1.2


@pytest.mark.parametrize(
    ("key", "of_run", "ok"),
    [
        ("cold_first_test_ratio", {"first_test": 3.1}, True),
        ("cold_first_test_ratio", {"first_test": 3.2}, False),
        ("verdict_latency_s", {"verdict": 1.0}, True),
        ("verdict_latency_s", {"verdict": 1.01}, False),
        ("clean_up_s", {"clean_up": 6.1}, False),
        ("writes_per_run", {"counts": counts(writes=40)}, True),
        ("writes_per_run", {"counts": counts(writes=41)}, False),
        ("polling_reads", {"counts": counts(reads=1)}, False),
    ],
)
def test_bounds(key: str, of_run: dict[str, Any], ok: bool) -> None:
    assert figure([repetition(**of_run)], key).ok is ok
    assert ("OVER" in report.table([figure([repetition(**of_run)], key)])) is not ok


def test_the_median_keeps_a_bound_not_the_worst() -> None:
    found = figure([repetition(verdict=v) for v in (0.4, 0.5, 3.0)], "verdict_latency_s")
    assert (found.median, found.worst, found.ok) == (0.5, 3.0, True)


def test_a_disturbed_run_gives_no_counts() -> None:
    found = figure([repetition(counts=None), repetition()], "writes_per_run")
    assert found.values == (30,)


def test_no_figure_is_not_a_kept_bound() -> None:
    found = figure([repetition(counts=None)], "polling_reads")
    assert (found.median, found.ok) == (None, None)
    assert " ok " not in report.table([found])


def test_the_file_has_every_key_with_its_bound() -> None:
    repetitions = [repetition()]
    written = report.results(report.figures(repetitions, 90e6), repetitions, {"at": "now"})
    assert set(written) >= KEYS | {"samples", "bounds", "worst", "ok", "about"}
    assert written["operator_rss_mb"] == 90
    assert written["bounds"]["whole_run_ratio"] == 0.6
    assert written["samples"][0]["quickstart"]["counts"]["writes"] == 30


def test_two_counts_that_differ_are_reported() -> None:
    assert report.disagreements([repetition()]) == []
    (line,) = report.disagreements([repetition(), repetition(counts=counts(writes=30, own_writes=29))])
    assert "repetition 2" in line
    assert "30 writes" in line


def test_the_timeline_is_in_the_order_of_the_moments_all_have() -> None:
    runs = [{"created": 0.1, "ready": 2.0, "odd": 1.0}, {"ready": 4.0, "created": 0.3}]
    assert report.timeline(runs) == [("created", 0.2), ("ready", 3.0)]
    assert report.timeline_table([{"ready": 1.0}], runs).splitlines()[-1] == "| ready | 3.00 s | 1.00 s |"
