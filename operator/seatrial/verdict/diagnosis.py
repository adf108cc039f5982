"""What a diagnosis is, and the parts of its sentences."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.api import labels
from seatrial.api.run import IntegrationRun
from seatrial.api.status import Reason, Verdict
from seatrial.facts.attempt import Pod, Termination
from seatrial.verdict.excerpt import last_line
from seatrial_protocol.text import shorten

MESSAGE_LIMIT = 1000
KILLED = 128 + 9
"""The exit status after a SIGKILL. The container runtime does not always notice that the kernel sent it for memory."""
LAST_SIGNAL = 64
"""Above it an exit code of more than 128 is the program's own, such as 255."""
REFUSED_PODS = (
    "a policy, a webhook or a quota of the cluster refuses it; allow it in namespaces with the label "
    f"{labels.MANAGED_BY}={labels.MANAGER} (the events in the evidence say what refused it)"
)


@dataclass(frozen=True)
class Diagnosis:
    """How a run ended and why."""

    verdict: Verdict
    reason: Reason
    message: str


def _cut(message: str) -> str:
    """The message as a status can hold it."""
    return shorten(message, MESSAGE_LIMIT)


def errored(reason: Reason, message: str) -> Diagnosis:
    """An Errored run."""
    return Diagnosis(Verdict.ERRORED, reason, _cut(message))


def failed(reason: Reason, message: str) -> Diagnosis:
    """A Failed run."""
    return Diagnosis(Verdict.FAILED, reason, _cut(message))


def may_be_memory(end: Termination) -> bool:
    """Whether a kill may have been the kernel's, for memory, although nobody says so."""
    return end.exit_code == KILLED and end.reason == "Error"


def how_it_ended(end: Termination, *, quote: bool = True) -> str:
    """`exit 1: <last log line>`, `ended by signal 9`, `killed for using more memory than its limit`."""
    if end.reason == "OOMKilled":
        how = "killed for using more memory than its limit"
    elif 128 < end.exit_code <= 128 + LAST_SIGNAL:
        how = f"ended by signal {end.exit_code - 128}"
        if may_be_memory(end):
            how += ", by somebody or for using more memory than its limit"
    else:
        how = f"exit {end.exit_code}"
    line = last_line(end.message) if quote else ""
    return f"{how}: {line}" if line else how


def log_command(run: IntegrationRun, component: str) -> str:
    """The command that shows a component's log, also when the environment is gone."""
    return f"`seatrial logs {run.metadata.name} {component}`"


def resources_field(pod: Pod) -> str:
    """The field of the run in which the resources of a pod's containers are."""
    match pod.role:
        case labels.Role.SERVICE:
            return f"spec.services.{pod.component}.resources"
        case labels.Role.APP:
            return f"spec.apps.{pod.component}.resources"
        case labels.Role.MIGRATIONS:
            return "spec.migrations[].resources"
    return "spec.tests.resources"
