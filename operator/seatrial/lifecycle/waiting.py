"""What a run waits for, as its condition Succeeded says until the verdict. Written seldom: only what holds a run up."""

from __future__ import annotations

from seatrial.api.status import Phase
from seatrial.facts.attempt import AttemptFacts
from seatrial.verdict import kubernetes
from seatrial.verdict.pods import in_order


def waits_for(facts: AttemptFacts, phase: Phase | None) -> str:
    """One line for people; the same as long as the same holds the run up."""
    if facts.shard.archive_error:
        return "waits for the archive: it can't be asked for the result"
    if phase is Phase.TESTING:
        return "the tests run"
    pods = in_order(facts.pods)
    if names := [pod.component for pod in pods if pod.unschedulable]:
        return f"waits for a node: {', '.join(names)}"
    if names := [p.component for p in pods if any(c.waiting in kubernetes.IMAGE_WAITING for c in p.containers)]:
        return f"waits for an image: {', '.join(names)}"
    return "the environment starts"
