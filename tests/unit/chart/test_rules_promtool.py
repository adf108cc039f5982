"""The alerts, evaluated by Prometheus' own promtool: what raises each of them, and what does not.

A quiet installation is given as series of one sample a minute; each case changes some of them from minute 60 on.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from seatrial.archive.server.metrics import unattached
from seatrial.metrics import Metrics
from tests.unit.chart.rendering import CHART
from tests.unit.chart.test_rules import ALERTS, expressions

pytestmark = pytest.mark.slow

ROOT = CHART.parents[1]
FOUND_AT = 'namespace="seatrial-system"'

# Seconds to the end of a namespace, and how many environments needed at most that long.
CLEANED_UP = 'seatrial_environment_clean_up_duration_seconds_bucket{le="%s"}'
FINISHED = 'seatrial_runs_finished_total{verdict="%s", reason="%s"}'
UPLOADS = 'seatrial_archive_uploads_total{kind="file", outcome="%s"}'
QUIET = {
    "seatrial_build_info": "1x120",
    "seatrial_ready": "1x120",
    "seatrial_archive_feed_connected": "1x120",
    "seatrial_internal_errors_total": "0x120",
    "seatrial_results_lost_total": "0x120",
    "seatrial_evidence_lost_total": "0x120",
    "seatrial_orphans_deleted_total": "0x120",
    'seatrial_environments{state="live"}': "3x120",
    'seatrial_environments{state="ending"}': "1x120",
    'seatrial_environments{state="stuck"}': "0x120",
    'seatrial_environments{state="leftover"}': "0x120",
    'seatrial_reconcile_errors_total{kind="ConflictError"}': "0+1x120",
    'seatrial_reconcile_errors_total{kind="UnavailableError"}': "0x120",
    "seatrial_reconcile_duration_seconds_count": "0+50x120",
    FINISHED % ("Passed", "TestsPassed"): "0+2x120",
    FINISHED % ("Failed", "TestsFailed"): "0+1x120",
    FINISHED % ("Errored", "ServiceLost"): "0x120",
    FINISHED % ("Errored", "InvalidSpec"): "0x120",
    CLEANED_UP % "5": "0x120",
    CLEANED_UP % "8": "0+3x120",
    CLEANED_UP % "34": "0+3x120",
    CLEANED_UP % "60": "0+3x120",
    CLEANED_UP % "+Inf": "0+3x120",
    "seatrial_environment_clean_up_duration_seconds_count": "0+3x120",
    UPLOADS % "stored": "0+9x120",
    UPLOADS % "volume_full": "0x120",
    UPLOADS % "unavailable": "0x120",
    UPLOADS % "error": "0x120",
    "seatrial_archive_disk_free_bytes": "60x120",
    "seatrial_archive_disk_size_bytes": "100x120",
    "seatrial_archive_history_pending": "0x120",
}


@dataclass(frozen=True)
class Case:
    """What is different, and which alerts are raised so many minutes after the beginning."""

    name: str
    minute: int
    changes: dict[str, str | None]
    raised: tuple[str, ...] = ()


NO_QUICK_CLEAN_UP = {CLEANED_UP % "8": "0x120", CLEANED_UP % "34": "0x120"}
FEW_RUNS = {FINISHED % ("Passed", "TestsPassed"): "0x120", FINISHED % ("Failed", "TestsFailed"): "0x120"}

CASES = [
    Case("nothing happens", 120, {}),
    Case("the operator is replaced", 62, {"seatrial_build_info": "1x59 stale _ _ 1x60"}),
    Case("the operator is gone", 65, {"seatrial_build_info": "1x59 stale"}, ("SeatrialOperatorDown",)),
    Case("an operator starts", 62, {"seatrial_ready": "1x59 0x2 1x60"}),
    Case("an operator does not get ready", 65, {"seatrial_ready": "1x59 0x60"}, ("SeatrialOperatorNotReady",)),
    Case("the API server is away for a moment", 66, {
        'seatrial_reconcile_errors_total{kind="UnavailableError"}': "0x60 0+50x3 150x60",
    }),
    Case(
        "the operator does not reach the API server", 90, {
            'seatrial_reconcile_errors_total{kind="UnavailableError"}': "0x60 0+50x60",
        },
        ("SeatrialPassesFailing",),
    ),
    Case(
        "one run in four is Errored", 90, {FINISHED % ("Errored", "ServiceLost"): "0x60 0+1x60"},
        ("SeatrialErrorRate reason=ServiceLost",),
    ),
    Case("one run in twelve is Errored", 110, {
        FINISHED % ("Errored", "ServiceLost"): "0x60 0+1x60", FINISHED % ("Passed", "TestsPassed"): "0+11x120",
    }),
    Case("two runs, both Errored", 80, FEW_RUNS | {FINISHED % ("Errored", "ServiceLost"): "0x60 2x60"}),
    Case(
        "four runs, all Errored", 80, FEW_RUNS | {FINISHED % ("Errored", "ServiceLost"): "0x60 4x60"},
        ("SeatrialErrorRate reason=ServiceLost",),
    ),
    Case("somebody sends manifests that are wrong", 90, {FINISHED % ("Errored", "InvalidSpec"): "0x60 0+9x60"}),
    Case(
        "a run makes the operator fail", 62, {"seatrial_internal_errors_total": "0x60 1x60"},
        ("SeatrialInternalErrors",),
    ),
    Case("the last internal error was long ago", 119, {"seatrial_internal_errors_total": "0x50 5x70"}),
    Case("a namespace goes slowly", 64, {'seatrial_environments{state="stuck"}': "0x60 1x3 0x60"}),
    Case("a namespace is held", 70, {'seatrial_environments{state="stuck"}': "0x60 1x60"}, ("SeatrialNamespaceStuck",)),
    Case("an orphan waits for the next sweep", 63, {'seatrial_environments{state="leftover"}': "0x60 1x2 0x60"}),
    Case(
        "orphans can't be deleted", 75, {'seatrial_environments{state="leftover"}': "0x60 2x60"},
        ("SeatrialOrphansRemain",),
    ),
    Case("an orphan is deleted", 62, {"seatrial_orphans_deleted_total": "0x60 1x60"}, ("SeatrialOrphansDeleted",)),
    Case("environments take a minute to go", 100, NO_QUICK_CLEAN_UP, ("SeatrialCleanUpSlow",)),
    Case("one environment takes a minute to go", 80, NO_QUICK_CLEAN_UP | {
        CLEANED_UP % "60": "0x60 1x60", CLEANED_UP % "+Inf": "0x60 1x60",
        "seatrial_environment_clean_up_duration_seconds_count": "0x60 1x60",
    }),
    Case("a result is lost", 62, {"seatrial_results_lost_total": "0x60 1x60"}, ("SeatrialResultsLost",)),
    Case("an operator that lost results long ago starts anew", 90, {"seatrial_results_lost_total": "7x60 0x60"}),
    Case("evidence is lost", 62, {"seatrial_evidence_lost_total": "0x60 1x60"}, ("SeatrialEvidenceLost",)),
    Case("the archive is replaced", 62, {"seatrial_archive_feed_connected": "1x59 0x2 1x60"}),
    Case(
        "the archive is away", 65, {"seatrial_archive_feed_connected": "1x59 0x60"}, ("SeatrialArchiveUnreachable",)
    ),
    Case(
        "the bucket does not answer", 65, {UPLOADS % "unavailable": "0x60 0+3x60"},
        ("SeatrialArchiveUploadsFailing outcome=unavailable",),
    ),
    Case(
        "the archive fails", 65, {UPLOADS % "error": "0x60 0+1x60"},
        ("SeatrialArchiveUploadsFailing outcome=error",),
    ),
    Case(
        "the volume fills up", 75, {"seatrial_archive_disk_free_bytes": "60x59 15x60"}, ("SeatrialArchiveNearlyFull",)
    ),
    Case(
        "the volume is full", 75, {"seatrial_archive_disk_free_bytes": "60x59 4x60"},
        ("SeatrialArchiveFull", "SeatrialArchiveNearlyFull"),
    ),
    Case("a file does not fit", 63, {UPLOADS % "volume_full": "0x60 1x60"}, ("SeatrialArchiveFull",)),
    Case("many results come at once", 72, {"seatrial_archive_history_pending": "0x60 90x10 0x50"}),
    Case("the history's database is away", 80, {"seatrial_archive_history_pending": "0x60 1+1x60"},
         ("SeatrialHistoryBehind",)),
    Case("Prometheus is away", 71, {"seatrial_archive_disk_size_bytes": "100x59 _x12 100x60"}),
    Case(
        "Prometheus may not ask the archive", 90, {
            "seatrial_archive_disk_size_bytes": None, "seatrial_archive_disk_free_bytes": None,
            UPLOADS % "volume_full": None, UPLOADS % "unavailable": None, UPLOADS % "error": None,
        },
        ("SeatrialArchiveNotMeasured",),
    ),
]  # fmt: skip


@pytest.fixture(scope="session")
def promtool() -> str:
    if shutil.which("go") is None:
        pytest.skip("no Go: promtool is built with it")
    done = subprocess.run(
        [ROOT / "tests" / "cluster" / "cluster", "program", "promtool"],
        capture_output=True, text=True, timeout=1800, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run(promtool: str, *arguments: str | Path, given: str = "") -> None:
    done = subprocess.run([promtool, *arguments], input=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def series(name: str) -> str:
    return f"{name[:-1]}, {FOUND_AT}}}" if name.endswith("}") else f"{name}{{{FOUND_AT}}}"


def sample(alert: str) -> dict[str, Any]:
    """The sample of a raised alert, given as its name and what sets it apart from others of that name."""
    name, *labels = alert.split()
    found = {"alertname": name} | dict(label.split("=") for label in labels)
    return {"labels": "{" + ", ".join(f'{k}="{v}"' for k, v in found.items()) + "}", "value": 1}


def evaluated(case: Case) -> dict[str, Any]:
    known = {**QUIET, **case.changes}
    return {
        "name": case.name,
        "interval": "1m",
        "input_series": [{"series": series(k), "values": v} for k, v in known.items() if v is not None],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, reason, outcome) (ALERTS{alertstate="firing"})',
                "eval_time": f"{case.minute}m",
                "exp_samples": [sample(alert) for alert in case.raised],
            }
        ],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alerts_are_raised_when_they_should_be(promtool: str, tmp_path: Path, case: Case) -> None:
    assert case.changes.keys() <= QUIET.keys()
    file = tmp_path / "test.yaml"
    rules = str(CHART / "files" / "rules.yaml")
    file.write_text(json.dumps({"rule_files": [rules], "evaluation_interval": "1m", "tests": [evaluated(case)]}))
    run(promtool, "test", "rules", file)


def test_every_alert_is_raised_by_a_case() -> None:
    assert {alert.split()[0] for case in CASES for alert in case.raised} == {rule["alert"] for rule in ALERTS}


def test_an_alert_shows_how_much_in_words(promtool: str, tmp_path: Path) -> None:
    (rule,) = (rule for rule in ALERTS if rule["alert"] == "SeatrialErrorRate")
    case = next(case for case in CASES if case.name == "one run in four is Errored")
    annotations = rule["annotations"] | {
        "summary": "Many runs end with ServiceLost",
        "description": ("25% of the runs of the last half hour are Errored: Errored, ServiceLost."),
    }
    alert = {
        "alertname": rule["alert"],
        "eval_time": "120m",
        "exp_alerts": [
            {
                "exp_labels": {"severity": "warning", "reason": "ServiceLost", "namespace": "seatrial-system"},
                "exp_annotations": annotations,
            }
        ],
    }
    test = {k: v for k, v in evaluated(case).items() if k != "promql_expr_test"} | {"alert_rule_test": [alert]}
    file = tmp_path / "test.yaml"
    rules = str(CHART / "files" / "rules.yaml")
    file.write_text(json.dumps({"rule_files": [rules], "evaluation_interval": "1m", "tests": [test]}))
    run(promtool, "test", "rules", file)


def test_prometheus_can_read_every_expression(promtool: str, tmp_path: Path) -> None:
    """Those of the dashboard too, with Grafana's variables set."""
    rules = [
        {"record": f"x:{number}", "expr": text.replace("$__rate_interval", "5m").replace("$__range", "1h")}
        for number, (_, text) in enumerate(expressions())
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    run(promtool, "check", "rules", "--lint=none", file)
    run(promtool, "check", "rules", CHART / "files" / "rules.yaml")


@pytest.mark.parametrize("metrics", [Metrics, unattached])
def test_metrics_keep_to_prometheus_conventions(promtool: str, metrics: Callable[[], Any]) -> None:
    run(promtool, "check", "metrics", given=generate_latest(metrics().registry).decode())
