"""Kubernetes conditions: set one, keep the others, and the time only moves when the status does."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from seatrial.api.status import Condition, ConditionType, IntegrationRunStatus
from seatrial.api.times import format_time
from seatrial_protocol.text import shorten

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
        message=shorten(message, MESSAGE_LIMIT),
        last_transition_time=old.last_transition_time if old is not None and same else format_time(now),
        observed_generation=generation,
    )
    if old is None:
        return (*conditions, new)
    return tuple(new if c.type == kind else c for c in conditions)


def is_true(conditions: tuple[Condition, ...], kind: ConditionType) -> bool:
    """Whether the condition is there and True."""
    return any(c.type == kind and c.status == "True" for c in conditions)


def with_message(status: IntegrationRunStatus, message: str) -> IntegrationRunStatus:
    """The status with another message, also in the conditions that repeat it."""
    repeated, new = shorten(status.message, MESSAGE_LIMIT), shorten(message, MESSAGE_LIMIT)
    conditions = tuple(
        c.model_copy(update={"message": new}) if c.message and c.message == repeated else c for c in status.conditions
    )
    return status.model_copy(update={"message": message, "conditions": conditions})


def with_generation(status: IntegrationRunStatus, generation: int) -> IntegrationRunStatus:
    """The status as one about this generation of the spec: `kubectl wait` believes no condition about an older one."""
    if status.observed_generation == generation:
        return status
    conditions = tuple(c.model_copy(update={"observed_generation": generation}) for c in status.conditions)
    return status.model_copy(update={"observed_generation": generation, "conditions": conditions})
