"""What was collected: tests, files that could not be, and files that skip themselves."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from seatrial_runner.recording.text import TEXT_LIMIT, bounded, clean, message_of

LIMIT = 100
"""Errors and skipped files that are written; further ones are counted."""
SHORT = 1024
"""Bytes that each text has at least."""
TEXTS = 256 * 1024
"""Bytes of the texts of all errors: the event is one line, and readers take none of more than 1 MiB."""


class Collection:
    """Grows while pytest collects; ``news()`` gives what there is to write."""

    def __init__(self) -> None:
        self.count: Optional[int] = None
        """Tests to be run; None as long as nobody knows."""
        self.deselected = 0
        self._errors: list[dict[str, str]] = []
        self._error_count = 0
        self._room = TEXTS
        self._skips: list[dict[str, str]] = []
        self._skip_count = 0
        self._written: Optional[tuple[Optional[int], int, int]] = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing at all: no test, no error, no skipped file."""
        return not self.count and not self._error_count and not self._skip_count

    def add(self, report: pytest.CollectReport) -> None:
        """Take note of a file, class or folder that could not be collected, or that skips itself as a whole."""
        entry = {"id": clean(report.nodeid), "message": message_of(report)}
        if report.skipped:
            self._skip_count += 1
            if len(self._skips) < LIMIT:
                self._skips.append(entry)
        else:
            self._error_count += 1
            if len(self._errors) < LIMIT:
                text = bounded(report.longreprtext, max(min(TEXT_LIMIT, self._room), SHORT))
                self._room -= len(text.encode("utf-8", "replace"))
                self._errors.append({**entry, "text": text})

    def news(self) -> Optional[dict[str, Any]]:
        """The content of the event, whole; None if there is nothing new (a slower worker of xdist may have errors)."""
        known = (self.count, self._error_count, self._skip_count)
        if known in (self._written, (None, 0, 0)):
            return None
        self._written = known
        return {
            "count": self.count or 0,
            "deselected": self.deselected,
            "errors": self._errors,
            "errorCount": self._error_count,
            "skips": self._skips,
            "skipCount": self._skip_count,
        }
