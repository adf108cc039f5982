"""``exit.json``: how the tests' process ended, or why it never started. The launcher writes it."""

from __future__ import annotations

from typing import Optional

from seatrial_protocol import limits
from seatrial_protocol.decode import Contract, contract, flag, integer, items, moment, string


@contract("unready part")
class Unready(Contract):
    """Something that the tests wait for or need, and that does not answer."""

    name: str = string(limits.LABEL)
    """Of the service or app, or ``migrations``."""
    error: str = string(limits.LABEL, default="")
    """Why, for people."""
    code: str = string(limits.CODE, default="", omit=True)
    """``termination.Code.ADDRESS_SILENT``, or empty."""


@contract("exit record", limits.EXIT_RECORD)
class ExitRecord(Contract):
    """How the process ended. Times are seconds since 1970."""

    ended_at: float = moment()
    exit_code: Optional[int] = integer(high=255, default=None)
    """None: a signal ended it, or it never started."""
    signal: Optional[str] = string(limits.CODE, default=None)
    """For example ``SIGKILL``."""
    timed_out: bool = flag(default=False)
    """It ran longer than the limit for all tests and was stopped."""
    oom_killed: bool = flag(default=False)
    """The kernel killed a process of the container for its memory."""
    gate_timeout: bool = flag(default=False)
    """What it needs was not ready in time; it never started."""
    not_ready: tuple[Unready, ...] = items(Unready, limits.PARTS, default=())
    started_at: Optional[float] = moment(default=None)
    """None: it never started."""
    code: Optional[str] = string(limits.CODE, default=None)
    """Why it never started: one of ``termination.Code``."""
    error: Optional[str] = string(limits.MESSAGE, default=None)
    """The same for people."""
    lost: tuple[Unready, ...] = items(Unready, limits.PARTS, default=())
    """What no longer answered after it had ended badly."""
