"""What the metrics say before anything has happened, and of environments in every state."""

from __future__ import annotations

from datetime import timedelta

import pytest

from seatrial.api import labels
from seatrial.api.status import Reason
from seatrial.api.times import format_time
from seatrial.archive.server.metrics import unattached
from seatrial.controller.housekeeping import Housekeeper
from seatrial.facts.cache import FactsCache
from seatrial.lifecycle.clean_up import STUCK_AFTER
from seatrial.metrics import Metrics, programs
from seatrial.settings import Settings
from tests.unit.builders import NOW

MINUTE = timedelta(minutes=1)


def test_every_metric_has_the_prefix_its_type_asks_for_and_a_meaning() -> None:
    for found in programs().values():
        assert found
        for metric in found:
            assert metric.name.startswith("seatrial_")
            assert metric.name.endswith("_total") is (metric.type == "counter")
            assert metric.meaning


def test_no_metric_is_of_both_programs() -> None:
    operator, archive = ({metric.name for metric in found} for found in programs().values())
    assert operator.isdisjoint(archive)


def test_the_first_verdict_of_every_reason_is_a_rise_from_zero() -> None:
    (family,) = (f for f in Metrics().registry.collect() if f.name == "seatrial_runs_finished")
    shown = {s.labels["reason"]: s.labels["verdict"] for s in family.samples if s.name.endswith("_total")}
    assert set(shown) == set(Reason) - {Reason.NAMESPACE_STUCK}
    assert {reason for reason, verdict in shown.items() if verdict != "Errored"} == {
        "TestsPassed", "TestsFailed", "CollectionError", "Cancelled",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("created", "deleted", "expires", "state"),
    [
        (MINUTE, None, -MINUTE, "live"),
        (MINUTE, MINUTE, -MINUTE, "ending"),
        (MINUTE, STUCK_AFTER, -MINUTE, "stuck"),
        (60 * MINUTE, None, 10 * MINUTE, "leftover"),
        (60 * MINUTE, None, -MINUTE, "leftover"),
    ],
    ids=["young", "being deleted", "being deleted for long", "outlived its lease", "its run is gone"],
)
def test_environments_are_counted_by_state(
    created: timedelta, deleted: timedelta | None, expires: timedelta, state: str
) -> None:
    store, metrics, settings = FactsCache(), Metrics(), Settings(key=b"k" * 32)
    store.put_namespace(
        {
            "metadata": {
                "name": "st-x",
                "uid": "n-1",
                "resourceVersion": "1",
                "labels": {labels.MANAGED_BY: labels.MANAGER, labels.RUN_UID: "gone"},
                "annotations": {labels.EXPIRES_AT: format_time(NOW - expires)},
                "creationTimestamp": format_time(NOW - created),
                **({"deletionTimestamp": format_time(NOW - deleted)} if deleted else {}),
            }
        }
    )
    Housekeeper(None, store, settings, metrics, lambda: NOW).count()  # type: ignore[arg-type]
    shown = {
        s: metrics.registry.get_sample_value("seatrial_environments", {"state": s})
        for s in ("live", "ending", "stuck", "leftover")
    }
    assert shown == {s: float(s == state) for s in shown}


def test_an_archive_counts_what_it_refuses_from_zero() -> None:
    refused = {"kind": "file", "outcome": "volume_full"}
    assert unattached().registry.get_sample_value("seatrial_archive_uploads_total", refused) == 0
