"""Tells the archive of runs as they change: in the background, the last word of each run, again until it is taken."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from seatrial.api.run import IntegrationRun
from seatrial.archive.client.errors import ArchiveRefusedError, ArchiveUnavailableError
from seatrial.evidence.archive import EvidenceArchive, encode
from seatrial.evidence.maskers import Maskers
from seatrial.evidence.record import record
from seatrial.facts.cache import FactsCache, scope_of
from seatrial.masking.masker import Masker
from seatrial.settings import Settings

logger = logging.getLogger(__name__)

_PAUSES = (0.25, 1.0, 2.0, 5.0)
"""Seconds between two tries while the archive is away."""


class Recorder:
    """Remembers which runs are to be told of, and tells. After a restart every run is told of again."""

    def __init__(self, archive: EvidenceArchive, store: FactsCache, settings: Settings) -> None:
        self._archive, self._store, self._maskers = archive, store, Maskers(settings)
        self._waiting: dict[str, Mapping[str, Any] | None] = {}
        self._told: dict[str, bytes] = {}
        self._news = asyncio.Event()

    def changed(self, uid: str) -> None:
        """A run is there, or is not what it was."""
        self._waiting.setdefault(uid, None)
        self._news.set()

    def deleted(self, body: Mapping[str, Any]) -> None:
        """A run is gone; this is what it was last."""
        self._waiting[body["metadata"]["uid"]] = body
        self._news.set()

    async def work(self) -> None:
        """Tells, for ever."""
        failures, said = 0, ""
        while True:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
            uid = next(iter(self._waiting))
            last = self._waiting.pop(uid)
            try:
                await self._tell(uid, last)
                failures, said = 0, ""
            except ArchiveRefusedError as error:
                if str(error) != said:
                    logger.error("the archive does not take the record of run %s: %s", uid, error)
                said = str(error)
            except ArchiveUnavailableError as error:
                self._waiting.setdefault(uid, last)
                if not failures:
                    logger.warning("records wait for the archive: %s", error)
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1

    async def _tell(self, uid: str, last: Mapping[str, Any] | None) -> None:
        key = self._store.key_of(uid)
        body = self._store.runs.get(key) if key is not None else last
        if body is None:
            return
        masker, pods = await self._masker(body), self._store.all_pods(scope_of(body))
        told = await asyncio.to_thread(record, body, pods, masker, deleted=last is not None)
        digest = hashlib.sha256(encode(told)).digest()
        if self._told.get(uid) != digest:
            await self._archive.put_record(uid, told)
            self._told[uid] = digest
        if last is not None:
            self._told.pop(uid, None)
        if last is not None or told["timeline"].get("cleanedUp"):
            self._store.forget_gone(uid)

    async def _masker(self, body: Mapping[str, Any]) -> Masker:
        try:
            return await self._maskers.of(IntegrationRun.parse(body))
        except ValidationError:  # nothing was made of it; variables with secret names are masked all the same
            return Masker()
