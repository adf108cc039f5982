"""Alerts and dashboard: they ask for metrics that exist, every alert has its page, the chart has both unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from seatrial.api.status import Phase, Reason, Verdict
from seatrial.archive.server.errors import REFUSALS
from seatrial.metrics import ENVIRONMENT_STATES, programs
from tests.unit.chart.promql import named
from tests.unit.chart.rendering import CHART, NAMESPACE, Rendered

Render = Callable[..., Rendered]

ROOT = CHART.parents[1]
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
DASHBOARD_FILE = CHART / "dashboards" / "seatrial.json"
DASHBOARD = json.loads(DASHBOARD_FILE.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

FROM_SCRAPING = {"namespace", "instance", "le"}
"""Labels that Prometheus adds, and that of a histogram's buckets."""
VALUES = {
    "verdict": set(Verdict),
    "reason": set(Reason),
    "phase": set(Phase),
    "state": set(ENVIRONMENT_STATES),
    "kind": {"file", "manifest", "live"},
    "outcome": {"stored", "unchanged", "error", "disconnected"} | {outcome for _, outcome in REFUSALS.values()},
}


def expressions() -> Iterator[tuple[str, str]]:
    yield from ((rule["alert"], rule["expr"]) for rule in ALERTS)
    for panel in PANELS:
        yield from ((f"panel {panel['title']}", target["expr"]) for target in panel["targets"])


def labels_of_metrics() -> dict[str, set[str]]:
    """Labels by the name that queries use."""
    series_labels = {name: set(f.labels) for found in programs().values() for f in found for name in f.series()}
    process = ProcessCollector(registry=CollectorRegistry()).collect()
    return series_labels | {f"{f.name}_total" if f.type == "counter" else f.name: set() for f in process}


METRICS = labels_of_metrics()


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ("up", {"up"}, set()),
        ('a_total{x="1", y!~"b|c"}[5m] offset 1h', {"a_total"}, {"x", "y"}),
        ("histogram_quantile(0.9, sum by (le, x) (rate(b_bucket[5m]))) > 1e3", {"b_bucket"}, {"le", "x"}),
        ("sum(a) without (y) / on (x) group_left (z) b and on () c", {"a", "b", "c"}, {"x", "y", "z"}),
    ],
)
def test_what_an_expression_names(expression: str, metrics: set[str], labels: set[str]) -> None:
    found = named(expression)
    assert (found.metrics, found.labels) == (metrics, labels)


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=lambda text: str(text)[:40])
def test_only_metrics_labels_and_values_that_there_are(where: str, expression: str) -> None:
    found = named(expression)
    assert found.metrics, where
    assert found.metrics <= METRICS.keys(), where
    assert found.labels - FROM_SCRAPING <= set().union(*(METRICS[name] for name in found.metrics)), where
    for label, value in found.values:
        assert value in VALUES[label], where


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_it_means_and_where_its_page_is(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Seatrial")
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    page = ROOT / rule["annotations"]["runbook_url"]
    assert page == RUNBOOKS / f"{rule['alert']}.md"
    text = page.read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["What it means", "Look", "Do"]
    assert "```sh" in text


def test_every_page_belongs_to_an_alert_and_is_listed() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in ALERTS}
    listed = re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text())
    assert listed == [rule["alert"] for rule in ALERTS]


def test_what_the_dashboard_shows_can_be_read() -> None:
    assert len(PANELS) == len({panel["title"] for panel in PANELS})
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    (variable,) = DASHBOARD["templating"]["list"]
    for panel in PANELS:
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references))


def test_no_two_panels_lie_over_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24, panel["title"]
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"]


def test_neither_is_there_unless_wanted(render: Render) -> None:
    objects = render()
    assert not objects.has("PrometheusRule", "seatrial")
    assert not objects.has("ConfigMap", "seatrial-dashboards")


def test_the_rules_reach_prometheus_as_they_are_tested(render: Render) -> None:
    rule = render("prometheusRule.enabled=true", "prometheusRule.labels.release=prometheus").get(
        "PrometheusRule", "seatrial"
    )
    assert rule["apiVersion"] == "monitoring.coreos.com/v1"
    assert rule["metadata"]["namespace"] == NAMESPACE
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert rule["spec"] == RULES


def test_runbooks_are_linked_where_people_read_them(render: Render) -> None:
    spec = render("prometheusRule.enabled=true", "prometheusRule.runbooks=https://git.example/seatrial/").get(
        "PrometheusRule", "seatrial"
    )["spec"]
    linked = [rule["annotations"]["runbook_url"] for group in spec["groups"] for rule in group["rules"]]
    assert linked == [f"https://git.example/seatrial/docs/runbooks/{rule['alert']}.md" for rule in ALERTS]


def test_grafanas_sidecar_finds_the_dashboard(render: Render) -> None:
    found = render("dashboards.enabled=true", "dashboards.annotations.grafana_folder=Testing").get(
        "ConfigMap", "seatrial-dashboards"
    )
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "Testing"}
    assert found["data"] == {"seatrial.json": DASHBOARD_FILE.read_text()}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("prometheusRule.enabled=maybe", "enabled"),
        ("prometheusRule.label.release=x", "label"),
        ("prometheusRule.runbooks=https://git.example/no-slash-at-the-end", "runbooks"),
        ("dashboards.enable=true", "enable"),
    ],
)
def test_a_wrong_value_is_refused_by_name(template: Callable[..., Any], value: str, complaint: str) -> None:
    done = template("--set", value)
    assert done.returncode != 0
    assert complaint in done.stderr
