"""Time limits, and how long things are kept."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import ConfigDict

from seatrial.api.base import Model, cel, rules
from seatrial.api.scalars import Duration


class Timeouts(Model):
    """How long each part may take before the run ends as Errored."""

    environment: Duration = timedelta(minutes=5)
    """From the start of each waiting process until all that it waits for is ready."""
    tests: Duration = timedelta(minutes=30)
    """The whole pytest process, once the environment is ready."""


class EvidenceWhen(StrEnum):
    """For which runs evidence is gathered."""

    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"
    NEVER = "Never"


class Retention(Model):
    """How long things live."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.maxLifetime == oldSelf.maxLifetime",
                "spec.retention.maxLifetime can't change after creation: "
                "the environment carries its end from the first moment",
            )
        )
    )
    passed: Duration = timedelta(0)
    """The environment, after a run that passed."""
    failed: Duration = timedelta(0)
    """The environment, after any other verdict."""
    max_lifetime: Duration = timedelta(hours=2)
    """The environment in any case, from its creation; can't change afterwards."""
    record: Duration = timedelta(days=7)
    """The IntegrationRun itself, from its verdict. Results live on in the archive."""
    evidence: EvidenceWhen = EvidenceWhen.ON_FAILURE
    """Whether logs, events and states of the environment are archived before it is deleted: after every run that did
    not pass (`OnFailure`), after every run (`Always`), or not at all (`Never`)."""
