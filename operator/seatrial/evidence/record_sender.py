"""Sends the records of runs that changed to the archive: in the background, the newest of each, until it is stored."""

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
from seatrial.retry import Backoff
from seatrial.settings import Settings

logger = logging.getLogger(__name__)

_PAUSES = (0.25, 5.0)
"""Seconds between two tries while the archive does not answer: the first and the longest."""


class RecordSender:
    """Sends the records of runs that changed. After a restart that is every run's."""

    def __init__(self, archive: EvidenceArchive, facts: FactsCache, settings: Settings) -> None:
        """Sends nothing yet."""
        self._namespaces: dict[str, str] = {}
        """The uids of the namespaces that runs are in, by the run's uid: while a run is there, so is its namespace."""
        self._archive, self._facts, self._maskers = archive, facts, Maskers(settings)
        self._waiting: dict[str, Mapping[str, Any] | None] = {}
        self._sent: dict[str, bytes] = {}
        self._work = asyncio.Event()

    def changed(self, uid: str) -> None:
        """A run is new, or has changed."""
        key = self._facts.key_of(uid)
        if key is not None and (namespace := self._facts.namespace_uid(key[0])):
            self._namespaces.setdefault(uid, namespace)
        self._waiting.setdefault(uid, None)
        self._work.set()

    def deleted(self, body: Mapping[str, Any]) -> None:
        """A run is gone; this is its last state."""
        self._waiting[body["metadata"]["uid"]] = body
        self._work.set()

    async def work(self) -> None:
        """Sends, for ever."""
        backoff, refused = Backoff(*_PAUSES), ""
        while True:
            if not self._waiting:
                self._work.clear()
                await self._work.wait()
            uid = next(iter(self._waiting))
            last = self._waiting.pop(uid)
            try:
                await self._send(uid, last)
                refused = ""
                backoff.reset()
            except ArchiveRefusedError as error:
                if str(error) != refused:
                    logger.error("the archive does not take the record of run %s: %s", uid, error)
                refused = str(error)
            except ArchiveUnavailableError as error:
                self._waiting.setdefault(uid, last)
                if not backoff.failures:
                    logger.warning("records wait for the archive: %s", error)
                await backoff.wait()

    async def _send(self, uid: str, last: Mapping[str, Any] | None) -> None:
        key = self._facts.key_of(uid)
        body = self._facts.runs.get(key) if key is not None else last
        if body is None:
            return
        masker, pods = await self._masker(body), self._facts.all_pods(scope_of(body))
        of = self._namespaces.get(uid, "")
        now = await asyncio.to_thread(record, body, pods, masker, deleted=last is not None, namespace_uid=of)
        digest = hashlib.sha256(encode(now.to_json())).digest()
        if self._sent.get(uid) != digest:
            await self._archive.put_record(uid, now)
            self._sent[uid] = digest
        if last is not None:
            self._sent.pop(uid, None)
            self._namespaces.pop(uid, None)
        if last is not None or now.timeline.cleaned_up:
            self._facts.forget_gone(uid)

    async def _masker(self, body: Mapping[str, Any]) -> Masker:
        try:
            return await self._maskers.of(IntegrationRun.parse(body))
        except ValidationError:  # nothing was made of it; variables with secret names are masked all the same
            return Masker()
