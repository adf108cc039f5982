"""What a plan is made of: actions, Events and the status, in the order that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from seatrial.api.status import IntegrationRunStatus

EVIDENCE_LOST = "EvidenceLost"
"""Reason of the Event that says that evidence could not be archived."""


@dataclass(frozen=True)
class AddFinalizer:
    """Keep the run until its environment is gone."""


@dataclass(frozen=True)
class CreateEnvironment:
    """Create everything, in one burst. How that went becomes the plan."""


@dataclass(frozen=True)
class StopTests:
    """Ask the tests to end, so that what has finished is still collected."""


@dataclass(frozen=True)
class GatherEvidence:
    """Upload the evidence; with `whole` false, the run's record alone."""

    whole: bool


@dataclass(frozen=True)
class CleanUp:
    """Delete the namespace and, in the same moment, its pods."""


@dataclass(frozen=True)
class DeletePods:
    """Delete at once the pods of a namespace that is going: somebody else has deleted it, or an operator that ended in
    between, and pods may take as long as their grace period.
    """


@dataclass(frozen=True)
class CheckNamespace:
    """Ask the cluster whether the namespace is still there: a watch that began anew does not report what went."""


@dataclass(frozen=True)
class RemoveFinalizer:
    """Let the deleted run go, once a look at the cluster shows no environment."""


@dataclass(frozen=True)
class DeleteRun:
    """The record has been kept long enough."""


BeforeStatus = AddFinalizer | CreateEnvironment
AfterStatus = StopTests | GatherEvidence | CleanUp | DeletePods | CheckNamespace | RemoveFinalizer | DeleteRun


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event to be written: on transitions only."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """What to do about a run, in this order.

    1. `before`, one after the other. An environment that is created here replaces the rest of the plan by how it went.
    2. `status`, written once and only if it differs from what is there.
    3. `events` and metrics, only if the status was written: the next pass sees no transition any more.
    4. `after`, one after the other. So the verdict stands before anything is deleted, and a crash loses nothing.
    5. `due`: when to look again; None: when something happens.

    A step that fails ends the pass; the next one plans anew from what is there.
    """

    status: IntegrationRunStatus
    before: tuple[BeforeStatus, ...] = ()
    after: tuple[AfterStatus, ...] = ()
    due: datetime | None = None
    events: tuple[Event, ...] = ()
