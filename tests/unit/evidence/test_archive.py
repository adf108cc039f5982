"""How the operator speaks to the archive."""

from __future__ import annotations

import httpx

from seatrial.evidence.archive import EvidenceArchive
from seatrial.evidence.record import record
from seatrial.masking.masker import Masker
from tests.unit import builders as b


async def test_waiting_for_a_turn_is_no_silence_of_the_archive() -> None:
    """A thousand runs end at once: each waits longer for a connection than the archive may be silent."""
    limits = []

    def answer(request: httpx.Request) -> httpx.Response:
        limits.append(request.extensions["timeout"])
        return httpx.Response(204)

    async with EvidenceArchive(
        "http://upload", "http://read", b"key", transport=httpx.MockTransport(answer)
    ) as archive:
        await archive.put_record(b.UID, record(b.body(), [], Masker()))
    assert limits[0]["pool"] is None
    assert limits[0]["read"] > 0
