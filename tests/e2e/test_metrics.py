"""What the operator's metrics say after runs whose ends are known."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import OPERATOR_NAMESPACE, Bench, eventually, kubectl, quickstart
from tests.unit.chart import promql
from tests.unit.chart.test_rules import expressions

pytestmark = pytest.mark.cluster

SERVICES = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/services"
METRICS = f"{SERVICES}/seatrial-operator:metrics/proxy/metrics"
METRICS_OF_ARCHIVE = f"{SERVICES}/seatrial-archive:read/proxy/metrics"
WRITES_AT_MOST = 40
Sample = tuple[str, frozenset[tuple[str, str]]]


async def scrape(page: str = METRICS) -> tuple[str, dict[Sample, float]]:
    """The page, and the value of each sample on it."""
    text = await kubectl("get", "--raw", page)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return text, {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def named(name: str, **labels: str) -> Sample:
    return name, frozenset(labels.items())


@pytest.mark.disruptive  # alone: it counts
async def test_runs_are_counted_and_none_is_named(bench: Bench) -> None:
    _, before = await scrape()
    passed = await bench.run(quickstart())
    failed = await bench.run({}, {"test_it.py": "def test_it(): assert False\n"})
    assert (passed["verdict"], failed["verdict"]) == ("Passed", "Failed")
    text, after = await scrape()

    def grown(sample: Sample) -> float:
        return after.get(sample, 0) - before.get(sample, 0)

    assert grown(named("seatrial_runs_finished_total", verdict="Passed", reason="TestsPassed")) == 1
    assert grown(named("seatrial_runs_finished_total", verdict="Failed", reason="TestsFailed")) == 1
    assert grown(named("seatrial_run_time_to_first_test_seconds_count")) == 2
    assert grown(named("seatrial_environment_clean_up_duration_seconds_count")) == 2
    assert grown(named("seatrial_api_writes_per_run_count")) == 2
    assert grown(named("seatrial_api_writes_per_run_sum")) <= 2 * WRITES_AT_MOST
    assert grown(named("seatrial_results_lost_total")) == 0
    assert after[named("seatrial_archive_feed_connected")] == 1
    for identity in (*bench.uids, bench.namespace, passed["namespace"], failed["namespace"]):
        assert identity not in text

    async def both_shown() -> bool:
        runs = (await scrape())[1]
        return (
            runs.get(named("seatrial_runs", phase="Passed"), 0)
            >= 1
            <= runs.get(named("seatrial_runs", phase="Failed"), 0)
        )

    await eventually(both_shown, "both runs among those that there are", 20)


async def test_every_alert_and_panel_finds_its_metrics_in_the_cluster(bench: Bench) -> None:
    await bench.run({}, {"test_it.py": "def test_it(): pass\n"})
    shown = {name for page in (METRICS, METRICS_OF_ARCHIVE) for name, _ in (await scrape(page))[1]}
    once_it_happens = {"seatrial_reconcile_errors_total", "seatrial_archive_deleted_runs_total"}
    asked = {name for _, expression in expressions() for name in promql.named(expression).metrics}
    assert asked - once_it_happens <= shown
