"""Exit codes of the command, and the one error that commands raise for people."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """What the command's exit status means; 0 to 5 as pytest has them."""

    PASSED = 0
    TESTS_FAILED = 1
    CANCELLED = 2
    INFRASTRUCTURE = 3
    USAGE = 4
    NOTHING_COLLECTED = 5
    WAITED_TOO_LONG = 124
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class CliError(Exception):
    """Something that the user must know: what happened, in lines; what to do next; the exit status."""

    def __init__(self, message: str, *, details: Sequence[str] = (), hint: str = "", code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.message, self.details, self.hint, self.code = message, tuple(details), hint, code


def exit_of(verdict: str, reason: str) -> Exit:
    """The exit status for a run's verdict and reason."""
    match verdict, reason:
        case "Passed", _:
            return Exit.PASSED
        case _, "NoTestsCollected" | "AllTestsSkipped":
            return Exit.NOTHING_COLLECTED
        case "Cancelled", _:
            return Exit.CANCELLED
        case _, "InvalidSpec" | "UsageError":
            return Exit.USAGE
        case "Failed", _:
            return Exit.TESTS_FAILED
    return Exit.INFRASTRUCTURE
