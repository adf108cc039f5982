"""The way to the archive, which wants to know who reads.

Somebody with a bearer token goes through the API server's service proxy and shows the archive the token. A client certificate can't be
shown to anybody but the API server: who has one forwards a port to the archive's pod, and needs the right to do so.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import httpx

from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError
from seatrial.kube.kinds import POD

SERVICE, PORT_NAME, PORT = "seatrial-archive", "read", 8081
_LABELS = "app.kubernetes.io/name=seatrial,app.kubernetes.io/component=archive"
_TOKEN = "X-Seatrial-Token"  # noqa: S105 - a name
_SENT = frozenset({"accept", "if-none-match", "if-range", "last-event-id", "range"})
_NOT_PASSED_ON = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})


class Way(httpx.AsyncBaseTransport):
    """Takes requests to the archive; of their URLs only path and query count."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        """Asks nothing yet.

        Args:
            cluster: with the user's identity.
            namespace: where the archive runs.
        """
        self._cluster, self._namespace = cluster, namespace
        self._forwarded: _Forwarded | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request.

        Raises:
            httpx.ConnectError: the API server or the archive can't be reached.
        """
        try:
            if token := await self._cluster.token():
                return await self._proxied(request, token)
            if self._forwarded is None:
                self._forwarded = _Forwarded(self._cluster, self._namespace)
            return await self._forwarded.send(request)
        except ClusterError as error:
            if error.status in (401, 403):
                return httpx.Response(error.status, content=error.message.encode(), request=request)
            raise httpx.ConnectError(error.message, request=request) from error

    async def _proxied(self, request: httpx.Request, token: str) -> httpx.Response:
        path = self._cluster.service_proxy(self._namespace, SERVICE, PORT_NAME) + request.url.raw_path.decode("ascii")
        headers, timeout = _wanted(request.headers) | {_TOKEN: token}, _timeout(request)
        answer = await self._cluster.open(request.method, path, headers=headers, timeout=timeout, checked=False)
        return _response(answer, request)

    async def aclose(self) -> None:
        """Closes all connections."""
        if self._forwarded is not None:
            await self._forwarded.close()


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that tell of the content, not of one connection."""
    return {name: value for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON}


def _wanted(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _SENT}


def _timeout(request: httpx.Request) -> aiohttp.ClientTimeout:
    limits = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(total=None, connect=limits.get("connect"), sock_read=limits.get("read"))


def _response(answer: aiohttp.ClientResponse, request: httpx.Request) -> httpx.Response:
    return httpx.Response(answer.status, headers=passed_on(answer.headers), stream=_Body(answer), request=request)


class _Forwarded:
    """A port of the archive's pod behind a socket in a folder of ours, so that nobody else on this machine can use it.

    aiohttp speaks to the socket: what httpx would do it with (anyio) says InvalidStateError when a reader goes away while more comes.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._opening = asyncio.Lock()
        self._opened = contextlib.AsyncExitStack()
        self._client: aiohttp.ClientSession | None = None
        self._joined: set[asyncio.Task[None]] = set()
        self._trouble: ClusterError | None = None

    async def send(self, request: httpx.Request) -> httpx.Response:
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
        url = f"http://localhost{request.url.raw_path.decode('ascii')}"
        headers, timeout = _wanted(request.headers), _timeout(request)
        self._trouble = None
        try:
            answer = await self._client.request(
                request.method, url, headers=headers, timeout=timeout, allow_redirects=False
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._trouble or httpx.ConnectError(str(error) or "no answer came in time") from error
        return _response(answer, request)

    async def close(self) -> None:
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)
        await self._opened.aclose()

    async def _open(self) -> aiohttp.ClientSession:
        folder = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-"))
        path = str(Path(folder) / "archive")
        server = await asyncio.start_unix_server(self._accept, path)
        self._opened.callback(server.close)
        return await self._opened.enter_async_context(aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._joined.add(task)
        task.add_done_callback(self._joined.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._cluster.forward(self._namespace, await self._pod(), PORT, reader, writer)
        except ClusterError as error:
            self._trouble = error
        finally:
            writer.close()

    async def _pod(self) -> str:
        for pod in await self._cluster.list(POD, self._namespace, labels=_LABELS):
            conditions = (pod.get("status") or {}).get("conditions") or ()
            if any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions):
                return str(pod["metadata"]["name"])
        raise ClusterError(f"no pod of the archive is ready in {self._namespace}")


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except TimeoutError as error:
            raise httpx.ReadTimeout("the answer stopped coming") from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(f"the answer broke off: {error}") from error

    async def aclose(self) -> None:
        self._answer.close()
