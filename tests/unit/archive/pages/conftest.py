from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from seatrial.archive.model.runs import Counts, RunDetail


@pytest.fixture
def detail() -> Callable[..., RunDetail]:
    """A run of which only some things matter."""

    def make(**more: object) -> RunDetail:
        plain = {
            "uid": "u", "namespace": "team", "namespace_uid": "", "name": "pr-1",
            "created_at": datetime(2026, 1, 1, tzinfo=UTC), "attempt": 1,
            "phase": "Passed", "verdict": "Passed", "reason": "", "message": "", "labels": {}, "started_by": "",
            "started_with": "", "started_link": "", "spec_hash": "", "started_at": None, "ended_at": None,
            "tests": Counts(),
            "spec": {}, "attempts": (),
        }  # fmt: skip
        return RunDetail(**(plain | more))  # type: ignore[arg-type]

    return make
