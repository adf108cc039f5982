"""Writes `plans.json` again: the whole plan of every case in `test_plan.py`. `python -m tests.unit.lifecycle.plans`

Whoever changes a plan reads the difference of that file: it has every field of a status that changes, with conditions
and messages, what is done before and after it, the Events, and when the run is looked at again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seatrial.api.status import IntegrationRunStatus
from seatrial.lifecycle.actions import Plan
from tests.unit import builders as b

FILE = Path(__file__).with_name("plans.json")


def dump(status: IntegrationRunStatus) -> dict[str, Any]:
    """A status as it is written."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)


def shown(before: IntegrationRunStatus, plan: Plan) -> dict[str, Any]:
    """The whole plan, of the status what it changes."""
    old, new = dump(before), dump(plan.status)
    return {
        "before": [str(action) for action in plan.before],
        "status": {name: new.get(name) for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)},
        "events": [f"{event.type} {event.reason}: {event.message}" for event in plan.events],
        "after": [str(action) for action in plan.after],
        "due": None if plan.due is None else round((plan.due - b.NOW).total_seconds(), 3),
    }


def all_shown() -> dict[str, Any]:
    """The plans of all cases."""
    from tests.unit.lifecycle.test_plan import CASES, EVIDENCE, decide

    cases = {**CASES, **{f"evidence: {name}": case for name, case in EVIDENCE.items()}}
    return {name: shown(case.run.status, decide(case.run, case.seen)) for name, case in cases.items()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(all_shown(), indent=1, ensure_ascii=False) + "\n")
