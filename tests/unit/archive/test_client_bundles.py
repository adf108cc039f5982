"""Bundles by the archive's client."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from seatrial import tokens
from seatrial.archive.client.client import ArchiveClient
from seatrial.archive.client.errors import ArchiveRefusedError, ArchiveUnavailableError
from tests.unit.archive.support import KEY, Serve, Server, sha256
from tests.unit.archive.test_bundles import BODY, HEX, Team, fetch

PROXY = "/api/v1/namespaces/seatrial-system/services/seatrial-archive:read/proxy"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.tar.gz"
    path.write_bytes(BODY)
    return path


class Proxy(httpx.AsyncBaseTransport):
    """As the API server's service proxy: keeps `Authorization` for itself, streams what is sent."""

    def __init__(self, server: Server, broken: int = 0) -> None:
        """Breaks so many requests before their answer."""
        self._server, self._direct, self.broken = server, httpx.AsyncHTTPTransport(), broken

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raw = request.url.raw_path.decode()
        assert raw.startswith(PROXY), raw
        url = f"http://127.0.0.1:{self._server.read_port}{raw.removeprefix(PROXY)}"
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"authorization"]
        passed = httpx.Request(request.method, url, headers=headers, stream=request.stream)
        answer = await self._direct.handle_async_request(passed)
        if self.broken:
            self.broken -= 1
            await answer.aclose()
            raise httpx.ReadError("connection reset", request=request)
        return answer

    async def aclose(self) -> None:
        await self._direct.aclose()


def client_of(server: Server, token: str = "ann", broken: int = 0) -> ArchiveClient:
    headers = {"Authorization": "Bearer of-the-kubeconfig", "X-Seatrial-Token": token}
    return ArchiveClient(f"https://kubernetes:6443{PROXY}", transport=Proxy(server, broken), headers=headers)


async def test_a_bundle_is_put_once_with_progress(serve: Serve, bundle: Path) -> None:
    async with serve(reviewer=Team()) as server, client_of(server) as client:
        assert not await client.has_bundle("team-a", HEX)
        sent: list[int] = []
        await client.put_bundle("team-a", HEX, bundle, sent.append)
        assert (sent, sent[-1]) == (sorted(sent), len(BODY))
        assert len(sent) > 2
        assert await client.has_bundle("team-a", HEX)
        await client.put_bundle("team-a", HEX, bundle)
        assert (await fetch(server)).content == BODY
        assert not await client.has_bundle("team-a", sha256(b"another"))


async def test_an_upload_that_breaks_is_begun_again(serve: Serve, bundle: Path) -> None:
    async with serve(reviewer=Team()) as server, client_of(server, broken=2) as client:
        await client.put_bundle("team-a", HEX, bundle)
        assert (await fetch(server)).content == BODY
        async with client_of(server, broken=1) as impatient:
            with pytest.raises(ArchiveUnavailableError, match="connection reset"):
                await impatient.put_bundle("team-a", HEX, bundle, patience_seconds=-1)


async def test_a_refusal_is_told_from_a_bundle_that_is_not_there(serve: Serve, bundle: Path) -> None:
    async with serve(reviewer=Team(), max_bundle_bytes=1_000) as server:
        async with client_of(server, "bob") as client:
            with pytest.raises(ArchiveRefusedError, match="may not create runs in namespace team-a"):
                await client.has_bundle("team-a", HEX)
            with pytest.raises(ArchiveRefusedError, match="may not create runs in namespace team-a"):
                await client.put_bundle("team-a", HEX, bundle)
        async with client_of(server) as client:
            with pytest.raises(ArchiveRefusedError, match="3000000 bytes, more than 1000"):
                await client.put_bundle("team-a", HEX, bundle)
            with pytest.raises(ArchiveRefusedError, match="announced was"):
                (bundle.with_name("other")).write_bytes(b"other")
                await client.put_bundle("team-a", HEX, bundle.with_name("other"))


async def test_over_a_forwarded_port(server: Server, bundle: Path) -> None:
    """The operator's token is good for all namespaces; but the archive has to know them."""
    async with server.client(tokens.feed_token(KEY)) as client:
        with pytest.raises(ArchiveUnavailableError):
            await client.put_bundle("team-a", HEX, bundle, patience_seconds=-1)


async def test_no_answer_of_somebody_else_is_taken_for_a_missing_bundle() -> None:
    answer = httpx.Response(404, json={"kind": "Status", "message": 'services "seatrial-archive" not found'})
    async with ArchiveClient("http://archive", transport=httpx.MockTransport(lambda _: answer)) as client:
        with pytest.raises(ArchiveUnavailableError, match="something else did"):
            await client.has_bundle("team-a", HEX)
