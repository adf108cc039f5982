"""What pytest itself says at a session's end, beyond its exit status."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from seatrial_runner.recording.system import MAIN_THREAD, System
from seatrial_runner.recording.text import MESSAGE_LIMIT, clean, first_line

CATEGORIES = 20
THREADS = 10


def pytest_counts(config: pytest.Config) -> Optional[dict[str, int]]:
    """The numbers of pytest's last line, by its categories: ``passed``, ``error``, ``rerun``, ``warnings``, ...

    None where pytest's terminal is off.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    stats: Optional[dict[str, list[Any]]] = getattr(reporter, "stats", None)
    if stats is None:
        return None
    counts = {
        clean(str(category)[:50]): sum(1 for report in reports if getattr(report, "count_towards_summary", True))
        for category, reports in list(stats.items())[:CATEGORIES]
        if category
    }
    return {category: count for category, count in counts.items() if count}


def stopped_because(session: pytest.Session) -> Optional[str]:
    """Why tests were left out, for example ``stopping after 1 failures``; None if none were."""
    reason = getattr(session, "shouldfail", False) or getattr(session, "shouldstop", False)
    return first_line(str(reason)) if reason else None


def unmet_demands(config: pytest.Config, counts: dict[str, int]) -> list[dict[str, Any]]:
    """What the project demands of a session beyond its tests, and this one did not give.

    Each has a ``code`` (``max-warnings``, ``coverage``), the ``limit`` and what it ``was``.
    """
    found: list[dict[str, Any]] = []
    limit = _max_warnings(config)
    if limit is not None and counts.get("warnings", 0) > limit:
        found.append({"code": "max-warnings", "limit": limit, "was": counts["warnings"]})
    cov = config.pluginmanager.get_plugin("_cov")  # of pytest-cov
    least = getattr(getattr(cov, "options", None), "cov_fail_under", None)
    total = getattr(cov, "cov_total", None)
    if isinstance(least, (int, float)) and isinstance(total, (int, float)) and total < least:
        found.append({"code": "coverage", "limit": float(least), "was": float(total)})
    return found


def _max_warnings(config: pytest.Config) -> Optional[int]:
    value = getattr(config.option, "max_warnings", None)
    if value is None:
        try:
            value = config.getini("max_warnings")
        except (KeyError, ValueError):  # a pytest that does not know it
            return None
    try:
        return None if value in (None, "") else int(value)
    except (TypeError, ValueError):
        return None


def staying_threads() -> list[str]:
    """Names of the threads for which Python waits before the process can end."""
    names = [
        clean(str(thread.name)[:MESSAGE_LIMIT])
        for thread in System.threads()
        if not thread.daemon and thread.ident != MAIN_THREAD and thread.is_alive()
    ]
    return names[:THREADS]
