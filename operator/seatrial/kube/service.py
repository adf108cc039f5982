"""Takes HTTP requests to a Service inside the cluster.

An identity with a bearer token goes through the API server's service proxy and shows the Service the token in a header.
A client certificate can't be shown to anybody but the API server: with one, a port of a pod behind the Service is
forwarded, which needs the right to do so.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx

from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError
from seatrial.kube.kinds import POD

_SENT = frozenset({"accept", "content-length", "content-sha256", "if-none-match", "if-range", "last-event-id", "range"})
_WITH_BODY = ("PATCH", "POST", "PUT")
_BINARY = "application/octet-stream"
_OF_THE_CONNECTION = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True)
class Service:
    """A Service that speaks HTTP, and the pods behind it."""

    namespace: str
    name: str
    port_name: str
    port: int
    """Of the pods."""
    labels: str
    """Selector of the pods."""
    token_header: str
    """Holds the bearer token of the one who asks, for the Service to know him by."""


class ServiceTransport(httpx.AsyncBaseTransport):
    """Takes requests to one Service; of their URLs only path and query count."""

    def __init__(self, cluster: Cluster, service: Service) -> None:
        """Asks nothing yet; `cluster` has the user's identity."""
        self._cluster, self._service = cluster, service
        self._forwarded: _Forwarded | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request.

        Raises:
            httpx.ConnectError: the API server or the Service can't be reached.
        """
        try:
            if token := await self._cluster.token():
                return await self._proxied(request, token)
            if self._forwarded is None:
                self._forwarded = _Forwarded(self._cluster, self._service)
            return await self._forwarded.send(request)
        except ClusterError as error:
            if error.status in (401, 403):
                return httpx.Response(error.status, content=error.message.encode(), request=request)
            raise httpx.ConnectError(error.message, request=request) from error

    async def _proxied(self, request: httpx.Request, token: str) -> httpx.Response:
        service = self._service
        path = proxy_path(service.namespace, service.name, service.port_name) + request.url.raw_path.decode("ascii")
        headers, timeout = _wanted(request.headers) | {service.token_header: token}, _timeout(request)
        answer = await self._cluster.open(
            request.method,
            path,
            headers=headers,
            timeout=timeout,
            checked=False,
            body=_body(request),
            content_type=_BINARY,
        )
        return _response(answer, request)

    async def aclose(self) -> None:
        """Closes all connections."""
        if self._forwarded is not None:
            await self._forwarded.close()


def proxy_path(namespace: str, service: str, port: str) -> str:
    """The path under which the API server passes requests on to a Service."""
    return f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"


def content_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that describe the content, not one connection."""
    return {name: value for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION}


def _wanted(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() in _SENT}


def _body(request: httpx.Request) -> AsyncIterator[bytes] | None:
    if request.method not in _WITH_BODY:
        return None
    assert isinstance(request.stream, httpx.AsyncByteStream)
    return aiter(request.stream)


def _timeout(request: httpx.Request) -> aiohttp.ClientTimeout:
    limits = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(total=None, connect=limits.get("connect"), sock_read=limits.get("read"))


def _response(answer: aiohttp.ClientResponse, request: httpx.Request) -> httpx.Response:
    headers = content_headers(answer.headers)
    return httpx.Response(answer.status, headers=headers, stream=_Body(answer), request=request)


class _Forwarded:
    """A port of a pod behind a socket in a folder of ours, so that nobody else on this machine can use it.

    aiohttp speaks to the socket: httpx would do it with anyio, which raises InvalidStateError when a reader leaves
    while more comes.
    """

    def __init__(self, cluster: Cluster, service: Service) -> None:
        self._cluster, self._service = cluster, service
        self._opening = asyncio.Lock()
        self._opened = contextlib.AsyncExitStack()
        self._client: aiohttp.ClientSession | None = None
        self._joined: set[asyncio.Task[None]] = set()
        self._error: ClusterError | None = None

    async def send(self, request: httpx.Request) -> httpx.Response:
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
        url = f"http://localhost{request.url.raw_path.decode('ascii')}"
        headers, timeout = _wanted(request.headers), _timeout(request)
        self._error = None
        try:
            answer = await self._client.request(
                request.method, url, headers=headers, timeout=timeout, allow_redirects=False, data=_body(request)
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._error or httpx.ConnectError(str(error) or "no answer came in time") from error
        return _response(answer, request)

    async def close(self) -> None:
        for task in self._joined:
            task.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)
        await self._opened.aclose()

    async def _open(self) -> aiohttp.ClientSession:
        folder = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-"))
        path = str(Path(folder) / "service")
        server = await asyncio.start_unix_server(self._accept, path)
        self._opened.callback(server.close)
        return await self._opened.enter_async_context(aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._joined.add(task)
        task.add_done_callback(self._joined.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            pod = await self._ready_pod()
            await self._cluster.forward(self._service.namespace, pod, self._service.port, reader, writer)
        except ClusterError as error:
            self._error = error
        finally:
            writer.close()

    async def _ready_pod(self) -> str:
        for pod in await self._cluster.list(POD, self._service.namespace, labels=self._service.labels):
            conditions = (pod.get("status") or {}).get("conditions") or ()
            if any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions):
                return str(pod["metadata"]["name"])
        raise ClusterError(f"no pod of {self._service.name} is ready in {self._service.namespace}")


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
