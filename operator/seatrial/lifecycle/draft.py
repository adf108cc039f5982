"""A status in the making: each change gives a new draft."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Self

from seatrial.api.run import IntegrationRun
from seatrial.api.status import (
    ConditionType,
    FailureNote,
    IntegrationRunStatus,
    Results,
    SlowTest,
    TestCounts,
)
from seatrial.api.times import format_time, moment_of
from seatrial.facts.attempt import ShardFacts
from seatrial.facts.result import Result
from seatrial.lifecycle.conditions import upsert
from seatrial_protocol.text import shorten

FAILURES, SLOWEST = 20, 5
"""How many a status shows."""
FAILURE_LIMIT = 300
"""Characters of a failure's message."""


@dataclass(frozen=True)
class Draft:
    """The status of a run, as it becomes."""

    run: IntegrationRun
    status: IntegrationRunStatus
    now: datetime

    @classmethod
    def of(cls, run: IntegrationRun, now: datetime) -> Self:
        """The status as it is."""
        return cls(run, run.status, now)

    def set(self, **fields: Any) -> Self:
        """With other values of these fields."""
        return replace(self, status=self.status.model_copy(update=fields))

    def stamp(self, **moments: datetime | str | None) -> Self:
        """With these moments in the timeline."""
        texts = {k: format_time(v) if isinstance(v, datetime) else v for k, v in moments.items()}
        return self.set(timeline=self.status.timeline.model_copy(update=texts))

    def condition(
        self, kind: ConditionType, value: Literal["True", "False", "Unknown"], reason: str, message: str = ""
    ) -> Self:
        """With this condition."""
        generation = self.run.metadata.generation
        return self.set(
            conditions=upsert(self.status.conditions, kind, value, reason, message, now=self.now, generation=generation)
        )

    def has(self, kind: ConditionType) -> bool:
        """Whether the condition is there, whatever it says."""
        return any(condition.type == kind for condition in self.status.conditions)

    def ready(self, shard: ShardFacts) -> Self:
        """With the moment when all that the tests wait for answered, if that is known."""
        summary = shard.result.summary if shard.result else None
        opened = shard.gates_open or moment_of(summary.gates_open_at if summary else None)
        if opened is None:
            return self
        return self.stamp(environment_ready=opened).condition(ConditionType.ENVIRONMENT_READY, "True", "AllReady")

    def results(self, result: Result | None) -> Self:
        """With the counts, failures and times of a result, if there is one."""
        if result is None:
            return self
        draft = self.set(results=Results(url=f"/v1/runs/{self.run.metadata.uid}", digest=result.digest))
        summary = result.summary
        if summary is None:
            return draft
        tests = summary.tests
        counts = TestCounts.model_validate({name: getattr(tests, name) for name in TestCounts.model_fields})
        failures = tuple(
            FailureNote(id=each.id, catalogue_id=each.catalogue_id or "", message=shorten(each.message, FAILURE_LIMIT))
            for each in summary.failures[:FAILURES]
        )
        slowest = tuple(SlowTest(id=each.id, seconds=f"{each.seconds:.3f}") for each in summary.slowest[:SLOWEST])
        # a test that was running till the end has no end of its own
        last = summary.ended_at if summary.running else summary.last_test_ended_at
        return draft.set(
            tests=counts, tests_summary=f"{counts.passed}/{counts.total}", failures=failures, slowest=slowest
        ).stamp(
            first_test=moment_of(summary.first_test_at) or self.status.timeline.first_test, last_test=moment_of(last)
        )
