"""One thing that is wrong with a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing to correct."""

    path: str
    """The field, as in `spec.apps.controller.env[2].name`."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"
