"""The client of the API server: plain dicts in and out, own errors, a bound on concurrent requests.

It stands on the official asyncio client for configuration, credentials and TLS, and makes the requests itself, because
the client's typed models cost twenty-five times the CPU of a dict (a 500-pod list: 103 ms against 4 ms).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp

from seatrial import __version__
from seatrial.kube.errors import ClusterError, InvalidError, NotFoundError, UnavailableError, error_of
from seatrial.kube.forward import join
from seatrial.kube.kinds import POD, Kind, Manifest, Object, kind_of

Observer = Callable[[str, str, int], None]
"""Is told verb, resource and HTTP status of each request (0: no answer)."""


class Cluster:
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
    ) -> Cluster:
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

    async def __aenter__(self) -> Cluster:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # --- requests ----------------------------------------------------------------------------------------------------

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
        """Sends a request and gives the answer unread, for streams; the caller closes it.

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
            answer = await self._client.rest_client.request(
                method, url, headers=sent, body=body, _request_timeout=timeout or aiohttp.ClientTimeout(30, connect=10)
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"the API server at {self._client.configuration.host} gave no answer: "
                                   f"{str(error) or type(error).__name__}") from error  # fmt: skip
        response: aiohttp.ClientResponse = answer.response
        if checked and response.status >= 400:
            try:
                text = await response.text(errors="replace")
            except (aiohttp.ClientError, TimeoutError):
                text = ""
            raise error_of(response.status, text, method)
        return response

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

    # --- objects -----------------------------------------------------------------------------------------------------

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """One object."""
        return await self.request("GET", kind.path(namespace, name), kind.plural)

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None, fields: str | None = None
    ) -> list[Object]:
        """All objects of a kind in a namespace (None: in all), in one answer."""
        query = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        answer = await self.request("GET", kind.path(namespace), kind.plural, query=query)
        return list(answer.get("items") or ())

    async def create(self, manifest: Manifest, *, strict: bool = False, dry_run: bool = False) -> Object:
        """Creates one object; with `strict` unknown fields are refused (InvalidError)."""
        kind = await self.discover(manifest)
        metadata = manifest.get("metadata") or {}
        query = {"fieldManager": "seatrial"}
        query |= {"fieldValidation": "Strict"} if strict else {}
        query |= {"dryRun": "All"} if dry_run else {}
        path = kind.path(metadata.get("namespace") or self.default_namespace)
        return await self.request("POST", path, kind.plural, query=query, body=dict(manifest))

    async def apply(self, manifest: Manifest, *, manager: str = "seatrial", strict: bool = False) -> Object:
        """Server-side apply: creates or changes one object to have what the manifest says."""
        kind = await self.discover(manifest)
        metadata = manifest["metadata"]
        query = {"fieldManager": manager, "force": "true"} | ({"fieldValidation": "Strict"} if strict else {})
        path = kind.path(metadata.get("namespace") or self.default_namespace, metadata["name"])
        content_type = "application/apply-patch+yaml"
        return await self.request(
            "PATCH", path, kind.plural, query=query, body=dict(manifest), content_type=content_type
        )

    async def patch(
        self, kind: Kind, name: str, namespace: str | None, change: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        """JSON merge patch: dicts are merged, lists replaced, None removes. A `resourceVersion` in it guards it."""
        return await self.request(
            "PATCH",
            kind.path(namespace, name, subresource),
            f"{kind.plural}/{subresource}" if subresource else kind.plural,
            body=dict(change),
            content_type="application/merge-patch+json",
        )

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
    ) -> None:
        """Deletes one object; with `uid` only if it is still that one (ConflictError otherwise)."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options |= {"preconditions": {"uid": uid}} if uid else {}
        options |= {"gracePeriodSeconds": grace} if grace is not None else {}
        options |= {"propagationPolicy": propagation} if propagation else {}
        await self.request("DELETE", kind.path(namespace, name), kind.plural, body=options)

    async def delete_all(self, kind: Kind, namespace: str, labels: str | None = None, grace: int | None = None) -> None:
        """Deletes all objects of a kind in a namespace (that have the labels), in one request."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options |= {"gracePeriodSeconds": grace} if grace is not None else {}
        query = {"labelSelector": labels} if labels else {}
        await self.request("DELETE", kind.path(namespace), kind.plural, query=query, body=options)

    async def discover(self, manifest: Manifest) -> Kind:
        """The kind of any manifest; asks the API server about those that this module does not know.

        Raises:
            InvalidError: when the API server does not know the kind either.
        """
        try:
            return kind_of(manifest)
        except LookupError:
            pass
        version, wanted = str(manifest.get("apiVersion")), str(manifest.get("kind"))
        try:
            found = await self.request("GET", "/api/v1" if version == "v1" else f"/apis/{version}", "discovery")
        except NotFoundError as error:
            raise InvalidError(f"the cluster has no API {version}", 422) from error
        for resource in found.get("resources") or ():
            if resource.get("kind") == wanted and "/" not in resource.get("name", ""):
                return Kind(version, wanted, resource["name"], bool(resource.get("namespaced")))
        raise InvalidError(f"the cluster has no kind {wanted} in {version}", 422)

    # --- streams -----------------------------------------------------------------------------------------------------

    async def lines(
        self, path: str, query: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[str]:
        """An answer line by line as it comes (logs, server-sent events through the service proxy).

        Raises:
            ClusterError: when it can't be opened or breaks off.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=None)
        response = await self.open(
            "GET", path, query=query, headers={"Accept": "*/*", **(headers or {})}, timeout=timeout
        )
        rest = bytearray()
        try:
            # Not the client's own line reader: it gives up on lines that are too long for it, and logs have such lines.
            async for chunk in response.content.iter_any():
                rest += chunk
                if b"\n" in chunk:
                    *lines, last = rest.split(b"\n")
                    rest = last
                    for line in lines:
                        yield line.decode(errors="replace").rstrip("\r")
            if rest:
                yield rest.decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"the stream broke off: {error}") from error
        finally:
            response.close()

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        tail: int | None = None,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[str]:
        """The lines of a container's log."""
        query: dict[str, Any] = {"container": container}
        query |= {"follow": "true"} if follow else {}
        query |= {"previous": "true"} if previous else {}
        query |= {"tailLines": tail} if tail is not None else {}
        query |= {"limitBytes": limit_bytes} if limit_bytes is not None else {}
        async for line in self.lines(POD.path(namespace, pod, "log"), query):
            yield line

    async def log_end(
        self, namespace: str, pod: str, container: str, *, previous: bool, lines: int, limit_bytes: int
    ) -> bytes:
        """The last lines of a container's log, each with its time before it; of these the first bytes.

        Raises:
            ClusterError: it can't be read.
        """
        query = {"container": container, "timestamps": "true", "tailLines": lines, "limitBytes": limit_bytes}
        query |= {"previous": "true"} if previous else {}
        async with self._limit:
            code = 0
            try:
                response = await self.open(
                    "GET", POD.path(namespace, pod, "log"), query=query, headers={"Accept": "*/*"}
                )
                code = response.status
                return await response.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                raise UnavailableError(f"the log broke off: {error}") from error
            except ClusterError as error:
                code = error.status
                raise
            finally:
                self._observer("GET", "pods/log", code)

    async def watch(
        self, kind: Kind, namespace: str | None = None, *, fields: str | None = None, labels: str | None = None
    ) -> AsyncIterator[tuple[str, Object]]:
        """(ADDED | MODIFIED | DELETED, object), beginning with what there is; ends when the server ends it.

        Raises:
            GoneError: when the version to watch from is too old: start again.
        """
        query: dict[str, Any] = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        listed = await self.request("GET", kind.path(namespace), kind.plural, query=query)
        for item in listed.get("items") or ():
            yield "ADDED", {"apiVersion": kind.api_version, "kind": kind.kind, **item}
        query |= {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
        async for line in self.lines(kind.path(namespace), query):
            event = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise error_of(int(status.get("code") or 500), json.dumps(status), "GET")
            if event["type"] != "BOOKMARK":
                yield event["type"], event["object"]

    async def token(self) -> str | None:
        """The bearer token that the API server knows this identity by; None if it knows it by a certificate."""
        auth = (await self._client.configuration.auth_settings()).get("BearerToken")
        return str(auth["value"]).removeprefix("Bearer ") if auth else None

    async def forward(
        self, namespace: str, pod: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Joins a connection with a port of a pod, until one side ends it.

        Raises:
            ClusterError: it can't be opened or breaks off.
        """
        from kubernetes.aio.stream import WsApiClient

        client: Any = WsApiClient(self._client.configuration)  # type: ignore[no-untyped-call]
        token = await self.token()
        try:
            opening = await client.request(
                "GET",
                self._client.configuration.host + POD.path(namespace, pod, "portforward"),
                query_params=[("ports", port)],
                headers={"User-Agent": self._agent} | ({"authorization": f"Bearer {token}"} if token else {}),
                _preload_content=False,
            )
            async with opening as socket:
                await join(socket, reader, writer)
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(error.status, f"{error.message}: no port of {pod} can be reached", "GET") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"the way to {pod} broke off: {str(error) or type(error).__name__}") from error
        finally:
            await client.close()

    def service_proxy(self, namespace: str, service: str, port: str) -> str:
        """The path under which the API server passes requests on to a Service."""
        return f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"
