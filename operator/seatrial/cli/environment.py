"""The environment of a run, for commands that go into it."""

from __future__ import annotations

from seatrial.api.status import ConditionType, Phase
from seatrial.cli.errors import CliError
from seatrial.cli.run import Run

_KEEP = "spec.retention.failed and passed keep environments after the verdict; seatrial rerun starts the run anew"


def check_environment(run: Run) -> str:
    """The namespace of the run's environment.

    Raises:
        CliError: there is none, not yet or no longer.
    """
    environment = run.status.namespace
    if run.has(ConditionType.CLEANED_UP):
        raise CliError(f"the environment of run {run.name} is gone", hint=_KEEP)
    if run.status.phase == Phase.CLEANING_UP:
        raise CliError(f"the environment of run {run.name} is being deleted", hint=_KEEP)
    if not environment:
        state = run.state or "not accepted yet"
        raise CliError(f"run {run.name} has no environment: it is {state}", hint=run.status.message)
    return environment
