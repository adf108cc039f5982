"""The maskers of runs: made once for each attempt, outside the event loop."""

from __future__ import annotations

import asyncio

from seatrial.api.run import IntegrationRun
from seatrial.environment import secrets
from seatrial.masking.masker import Masker
from seatrial.settings import Settings

_KEPT = 1024 * 1024
"""Characters of the masks of all maskers that are kept; each takes about ten bytes."""


class Maskers:
    """Makes maskers and keeps those that were used last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, Masker] = {}

    async def of(self, run: IntegrationRun) -> Masker:
        """The masker for the secrets of a run's attempt. What is secret can't change: `spec.env` can't either."""
        masker = self._made.pop(run.scope.id, None)
        if masker is None:
            masker = await asyncio.to_thread(self._make, run)
        self._made[run.scope.id] = masker
        while len(self._made) > 1 and sum(each.size for each in self._made.values()) > _KEPT:
            del self._made[next(iter(self._made))]
        return masker

    def _make(self, run: IntegrationRun) -> Masker:
        return Masker(secrets.masks(run.scope, run.spec, self._settings))
