"""How the operator speaks to the archive."""

from __future__ import annotations

import httpx

from seatrial.evidence.archive import EvidenceArchive


async def test_waiting_for_a_turn_is_no_silence_of_the_archive() -> None:
    """With a thousand runs that end at once, each waits for one of the connections longer than the archive may be silent."""
    limits = []

    def answer(request: httpx.Request) -> httpx.Response:
        limits.append(request.extensions["timeout"])
        return httpx.Response(204)

    async with EvidenceArchive(
        "http://upload", "http://read", b"key", transport=httpx.MockTransport(answer)
    ) as archive:
        await archive.put_record("3b1f6a52-0000-4000-8000-000000000001", {})
    assert limits[0]["pool"] is None
    assert limits[0]["read"] > 0
