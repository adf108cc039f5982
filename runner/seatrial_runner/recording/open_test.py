"""A test between its start and its end."""

from __future__ import annotations

from typing import Any, Optional

_RANKS = {None: 0, "skipped": 1, "passed": 2, "failed": 3}

OUTCOMES = frozenset(("passed", "failed", "skipped"))
"""Outcomes of a phase. Plugins that run a failed test again give the phase another one: ``rerun``, ``retried``."""


class OpenTest:
    """Phases, times and facts of one test, over all its attempts."""

    __slots__ = (
        "catalogue_id",
        "json_id",
        "location",
        "markers",
        "phases",
        "reruns",
        "seconds",
        "seen",
        "started",
        "timed_out",
        "to_be_rerun",
        "unreported",
        "xfail",
    )

    def __init__(self, started: float = 0.0, json_id: str = "") -> None:
        self.json_id = json_id
        self.started = self.seen = started
        """Seconds of the monotonic clock: at its start, and at its last report."""
        self.phases: dict[str, str] = {}
        self.seconds = 0.0
        self.reruns = 0
        self.to_be_rerun = False
        """It failed, and is run again: nothing that is reported before then says how it ends."""
        self.xfail = False
        self.timed_out = False
        self.location: tuple[str, Optional[int], str] = ("", None, "")
        self.catalogue_id: Optional[str] = None
        self.markers: list[str] = []
        self.unreported: Optional[dict[str, Any]] = None
        """A failure that the plugin which runs the test has not reported as yet."""

    def add(self, when: str, outcome: str) -> None:
        """Take note of a phase. A phase is reported more than once where a test has subtests: the worst one counts."""
        if _RANKS[outcome] > _RANKS[self.phases.get(when)]:
            self.phases[when] = outcome

    def is_new_attempt(self, when: str) -> bool:
        """Whether a report of this phase belongs to the attempt after a failed one.

        It begins with its set-up; pytest-retry reports the call alone.
        """
        return self.to_be_rerun and when in ("setup", "call")

    def rerun(self) -> None:
        """It failed, and is run again."""
        self.reruns += 1
        self.to_be_rerun = True
        self.timed_out = False
        self.phases.clear()

    @property
    def has_ended(self) -> bool:
        """Whether its phases say how it ends. Without its call they do not: flaky keeps that back if it failed."""
        if self.to_be_rerun:
            return False
        return "call" in self.phases or self.phases.get("setup") in ("failed", "skipped")

    @property
    def outcome(self) -> str:
        """The outcome of the whole test, in pytest's words."""
        phases = self.phases
        setup, call, teardown = phases.get("setup"), phases.get("call"), phases.get("teardown")
        if call == "failed":
            return "failed"
        if setup == "failed" or teardown == "failed":
            return "error"
        if setup == "skipped" or call == "skipped":
            return "xfailed" if self.xfail else "skipped"
        return "xpassed" if self.xfail else "passed"

    def time(self, duration: float, now: float) -> float:
        """Seconds of the phase that is reported now.

        pytest measured ``duration``. Where a suite froze the clocks, also of pytest, it is nothing, negative or years:
        then it is the time since the last report.
        """
        since, self.seen = now - self.seen, now
        if 0 < duration <= now - self.started - self.seconds + 0.001:
            return duration
        return max(since, 0.0)
