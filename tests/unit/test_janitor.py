"""Which environments the janitor deletes, and which it never touches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from seatrial.api.times import format_time
from seatrial.janitor import complaints, inspect
from tests.unit import builders as b

MARGIN = timedelta(minutes=5)
LABELS = {"app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/run-uid": b.UID}


def environment(expires: float | str | None = -600, *, age: float = 7200, **more: Any) -> dict[str, Any]:
    """A namespace that expires so many seconds from now."""
    moment = format_time(b.at(expires)) if isinstance(expires, int | float) else expires
    annotations = {"seatrial.dev/expires-at": moment} if moment is not None else {}
    metadata = {"name": "st-a", "uid": "n", "labels": LABELS, "annotations": annotations}
    return {"metadata": {**metadata, "creationTimestamp": format_time(b.at(-age)), **more}}


EXPIRED = {
    "long over": (environment(), True),
    "just beyond the margin": (environment(-300), True),
    "within the margin": (environment(-299), False),
    "not over": (environment(600), False),
    "young, whatever it says": (environment(-86400, age=299), False),
    "no run's uid": (environment(labels={"app.kubernetes.io/managed-by": "seatrial"}), False),
    "a run's uid that is empty": (environment(labels={**LABELS, "seatrial.dev/run-uid": ""}), False),
    "no labels": (environment(labels=None), False),
    "no end": (environment(None), False),
    "an end that is no moment": (environment("soon"), False),
    "an end without a time zone": (environment("2020-01-01T00:00:00"), False),
    "going already": (environment(deletionTimestamp=format_time(b.at(-10))), False),
}


@pytest.mark.parametrize(("namespace", "expired"), EXPIRED.values(), ids=EXPIRED.keys())
def test_what_is_deleted(namespace: dict[str, Any], expired: bool) -> None:
    assert [n.name for n in inspect([namespace], b.NOW, MARGIN).expired] == (["st-a"] if expired else [])


def test_what_is_stuck_is_reported_with_what_holds_it() -> None:
    held = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "finalizer x in 1 pods"}
    stuck = environment(deletionTimestamp=format_time(b.at(-121))) | {"status": {"conditions": [held]}}
    (line,) = complaints(inspect([stuck], b.NOW, MARGIN))
    assert "st-a" in line
    assert "finalizer x in 1 pods" in line


@pytest.mark.parametrize("end", [None, "soon"])
def test_what_never_ends_is_reported_and_left_alone(end: str | None) -> None:
    (line,) = complaints(inspect([environment(end)], b.NOW, MARGIN))
    assert "kubectl delete namespace st-a" in line
