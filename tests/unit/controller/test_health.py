"""What the kubelet is told about the operator."""

from __future__ import annotations

import aiohttp
import pytest

from seatrial.controller import health


async def asked(trouble: str, ready: bool) -> dict[str, tuple[int, str]]:
    async with (
        health.serving(0, lambda: trouble, lambda: ready, "127.0.0.1") as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
    ):
        answers = {}
        for path in ("/healthz", "/readyz"):
            async with client.get(path) as answer:
                answers[path] = (answer.status, await answer.text())
        return answers


@pytest.mark.parametrize(
    ("trouble", "ready", "expected"),
    [("", False, (200, 503)), ("", True, (200, 200)), ("follow_archive has ended", True, (500, 200))],
)
async def test_probes(trouble: str, ready: bool, expected: tuple[int, int]) -> None:
    answers = await asked(trouble, ready)
    assert (answers["/healthz"][0], answers["/readyz"][0]) == expected
    assert trouble in answers["/healthz"][1]
