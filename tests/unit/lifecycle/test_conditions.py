"""Conditions: the same fact is the same condition, and a message is changed wherever it is repeated."""

from __future__ import annotations

from seatrial.api.status import ConditionType, IntegrationRunStatus
from seatrial.lifecycle.conditions import MESSAGE_LIMIT, upsert, with_message
from tests.unit import builders as b


def test_the_time_moves_only_with_the_status() -> None:
    kind = ConditionType.SUCCEEDED
    first = upsert((), kind, "Unknown", "Starting", "", now=b.at(0), generation=1)
    second = upsert(first, kind, "Unknown", "Testing", "", now=b.at(5), generation=1)
    third = upsert(second, kind, "True", "TestsPassed", "", now=b.at(9), generation=1)
    assert second[0].last_transition_time == first[0].last_transition_time
    assert (second[0].reason, third[0].reason) == ("Testing", "TestsPassed")
    assert third[0].last_transition_time > first[0].last_transition_time


def test_a_masked_message_is_masked_in_the_conditions_that_repeat_it_also_at_their_end() -> None:
    secret = "s3cret"
    message = "x" * (MESSAGE_LIMIT - 3) + secret
    conditions = upsert((), ConditionType.SUCCEEDED, "False", "AppCrashed", message, now=b.NOW, generation=1)
    conditions = upsert(conditions, ConditionType.ACCEPTED, "True", "Valid", "", now=b.NOW, generation=1)
    masked = with_message(IntegrationRunStatus(message=message, conditions=conditions), message.replace(secret, "***"))
    assert masked.message.endswith("***")
    assert [c.message[-3:] for c in masked.conditions] == ["***", ""]
