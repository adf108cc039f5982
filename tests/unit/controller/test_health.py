"""What the kubelet's probes are answered."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from seatrial.controller import health


async def asked(failure: str, ready: bool) -> dict[str, tuple[int, str]]:
    async with (
        health.serving(0, lambda: failure, lambda: ready, "127.0.0.1") as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        found = {path: await client.get(path) for path in ("/healthz", "/readyz", "/")}
        return {path: (answer.status_code, answer.text) for path, answer in found.items()}


@pytest.mark.parametrize(
    ("failure", "ready", "expected"),
    [("", False, (200, 503)), ("", True, (200, 200)), ("follow_archive has ended", True, (500, 200))],
)
async def test_probes(failure: str, ready: bool, expected: tuple[int, int]) -> None:
    answers = await asked(failure, ready)
    assert (answers["/healthz"][0], answers["/readyz"][0]) == expected
    assert failure in answers["/healthz"][1]
    assert answers["/"][0] == 404


@pytest.mark.parametrize("sent", [b"", b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET /" + b"x" * 20_000])
async def test_what_is_no_probe_does_not_keep_the_next_from_its_answer(sent: bytes) -> None:
    async with health.serving(0, lambda: "", lambda: True, "127.0.0.1") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        writer.write_eof()
        await asyncio.gather(reader.read(), return_exceptions=True)
        writer.close()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
