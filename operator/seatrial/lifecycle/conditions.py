"""Kubernetes conditions: set one, keep the others, and the time only moves when the status does."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from seatrial.api.status import Condition, ConditionType
from seatrial.facts.observed import format_time

MESSAGE_LIMIT = 2000


def upsert(
    conditions: tuple[Condition, ...],
    kind: ConditionType,
    status: Literal["True", "False", "Unknown"],
    reason: str,
    message: str,
    *,
    now: datetime,
    generation: int,
) -> tuple[Condition, ...]:
    """The conditions with this one set; equal to what was given when nothing changes."""
    old = next((c for c in conditions if c.type == kind), None)
    same = old is not None and old.status == status
    new = Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message[:MESSAGE_LIMIT],
        last_transition_time=old.last_transition_time if old is not None and same else format_time(now),
        observed_generation=generation,
    )
    if old is None:
        return (*conditions, new)
    return tuple(new if c.type == kind else c for c in conditions)


def is_true(conditions: tuple[Condition, ...], kind: ConditionType) -> bool:
    """Whether the condition is there and True."""
    return any(c.type == kind and c.status == "True" for c in conditions)
