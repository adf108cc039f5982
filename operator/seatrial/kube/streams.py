"""Answers that come bit by bit: lines, logs of containers, watches."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import aiohttp

from seatrial.kube.connection import Connection
from seatrial.kube.errors import ClusterError, UnavailableError, error_of
from seatrial.kube.kinds import POD, Kind, Object

_LOG_LINE_BYTES = 1024 * 1024


class Streams(Connection):
    """What is read while it is written."""

    async def lines(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        longest: int | None = None,
    ) -> AsyncIterator[str]:
        """An answer line by line as it comes (logs, server-sent events through the service proxy).

        With `longest` a line of more bytes comes in pieces, so that memory is bounded.

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
                if longest is not None and len(rest) > longest:
                    yield rest.decode(errors="replace")
                    rest.clear()
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
        """The lines of a container's log; one of more than 1 MiB comes in pieces."""
        query: dict[str, Any] = {"container": container}
        query |= {"follow": "true"} if follow else {}
        query |= {"previous": "true"} if previous else {}
        query |= {"tailLines": tail} if tail is not None else {}
        query |= {"limitBytes": limit_bytes} if limit_bytes is not None else {}
        async for line in self.lines(POD.path(namespace, pod, "log"), query, longest=_LOG_LINE_BYTES):
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
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """(ADDED | MODIFIED | DELETED, object), beginning with what there is; ends when the server ends it.

        (LISTED, {}) follows what there is: who waits for an object to go learns so that it has gone already.

        Raises:
            GoneError: when the version to watch from is too old: start again.
        """
        query: dict[str, Any] = {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        listed = await self.request("GET", kind.path(namespace), kind.plural, query=query)
        for item in listed.get("items") or ():
            yield "ADDED", {"apiVersion": kind.api_version, "kind": kind.kind, **item}
        yield "LISTED", {}
        query |= {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
        async for line in self.lines(kind.path(namespace), query):
            event = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise error_of(int(status.get("code") or 500), json.dumps(status), "GET")
            if event["type"] != "BOOKMARK":
                yield event["type"], event["object"]
