"""One API server: its address and credentials, and requests with plain dicts and own errors, bounded in number.

It stands on the official asyncio client for configuration, credentials and TLS, and makes the requests itself, because
the client's typed models cost twenty-five times the CPU of a dict (a 500-pod list: 103 ms against 4 ms).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, Callable, Mapping
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlencode

import aiohttp

from seatrial import __version__
from seatrial.kube.errors import ClusterError, UnavailableError, error_of
from seatrial.kube.kinds import Object

Observer = Callable[[str, str, int], None]
"""Called with verb, resource and HTTP status of each request (0: no answer)."""


class Connection:
    """One API server, as one identity."""

    def __init__(
        self, api_client: Any, *, limit: int = 32, observer: Observer | None = None, agent: str = "seatrial"
    ) -> None:
        self._client = api_client
        self._limit = asyncio.Semaphore(limit)
        self._observer = observer or (lambda verb, resource, code: None)
        self._agent = f"{agent}/{__version__}"
        self.default_namespace = "default"

    @classmethod
    async def connect(
        cls,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        limit: int = 32,
        observer: Observer | None = None,
        agent: str = "seatrial",
    ) -> Self:
        """Reads the configuration (inside a pod: the service account; else the kubeconfig).

        Raises:
            ClusterError: when there is no configuration, or it can't be read.
        """
        from kubernetes.aio import client, config  # half a second and 46 MiB: not before it is needed
        from kubernetes.aio.config.config_exception import ConfigException

        configuration = type.__call__(client.Configuration)
        configuration.retries = None
        configuration.connection_pool_maxsize = 0
        namespace = "default"
        inside = Path("/var/run/secrets/kubernetes.io/serviceaccount")
        try:
            if not kubeconfig and not context and "KUBECONFIG" not in os.environ and (inside / "token").exists():
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
                namespace = (inside / "namespace").read_text().strip()
            else:
                path = kubeconfig or os.environ.get("KUBECONFIG") or None
                loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=path, context=context, client_configuration=configuration, persist_config=False
                )
                namespace = (loader.current_context.get("context") or {}).get("namespace") or "default"
        except (ConfigException, OSError) as error:
            raise ClusterError(f"no cluster to talk to: {error}") from error
        cluster = cls(client.ApiClient(configuration), limit=limit, observer=observer, agent=agent)
        cluster.default_namespace = namespace
        return cluster

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109  (aiohttp's own, with its parts)
        checked: bool = True,
    ) -> aiohttp.ClientResponse:
        """Sends a request and gives the answer unread, for streams; the caller closes it. A body that is an
        asynchronous iterator of bytes is sent as it comes, all others as JSON or as they are.

        Raises:
            ClusterError: of the kind that fits a status of 400 or more (unless it is not `checked`), or no answer.
        """
        url = self._client.configuration.host + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        sent = {
            "User-Agent": self._agent,
            "Content-Type": content_type,
            "Accept": "application/json",
            **(headers or {}),
        }
        auth = (await self._client.configuration.auth_settings()).get("BearerToken")
        if auth:
            sent["authorization"] = auth["value"]
        try:
            response = await self._send(method, url, sent, body, timeout or aiohttp.ClientTimeout(30, connect=10))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"the API server at {self._client.configuration.host} gave no answer: "
                                   f"{str(error) or type(error).__name__}") from error  # fmt: skip
        if checked and response.status >= 400:
            try:
                text = await response.text(errors="replace")
            except (aiohttp.ClientError, TimeoutError):
                text = ""
            raise error_of(response.status, text, method)
        return response

    async def _send(
        self, method: str, url: str, headers: dict[str, str], body: Any, limits: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        rest = self._client.rest_client
        if not isinstance(body, AsyncIterable):
            answer = await rest.request(method, url, headers=headers, body=body, _request_timeout=limits)
            return cast(aiohttp.ClientResponse, answer.response)
        # The official client sends whole bodies only; its connections are used without it.
        if rest.pool_manager is None:
            rest.pool_manager = rest._create_pool_manager()
        name = self._client.configuration.tls_server_name
        more = {"server_hostname": name} if name else {}
        more |= {"proxy": rest.proxy, "proxy_headers": rest.proxy_headers} if rest.proxy else {}
        sending = rest.pool_manager.request(method, url, headers=headers, data=body, timeout=limits, **more)
        return cast(aiohttp.ClientResponse, await sending)

    async def request(self, method: str, path: str, resource: str, **options: Any) -> Object:
        """One request with a JSON answer.

        Raises:
            ClusterError: of the kind that fits.
        """
        async with self._limit:
            code = 0
            try:
                response = await self.open(method, path, **options)
                code = response.status
                try:
                    return dict(await response.json(content_type=None) or {})
                except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                    raise UnavailableError(f"the API server's answer broke off: {error}") from error
            except ClusterError as error:
                code = error.status
                raise
            finally:
                self._observer(method, resource, code)

    async def token(self) -> str | None:
        """The bearer token that the API server knows this identity by; None if it knows it by a certificate."""
        auth = (await self._client.configuration.auth_settings()).get("BearerToken")
        return str(auth["value"]).removeprefix("Bearer ") if auth else None
