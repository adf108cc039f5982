"""The edge: the cluster of a kubeconfig, and the archive behind its API server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx

from seatrial.archive_client import ArchiveClient, ArchiveError, ArchiveRefused
from seatrial.cluster import Cluster, ClusterError

from .errors import CliError
from .ports import ArchivePort, ClusterPort

SYSTEM_NAMESPACE = os.environ.get("SEATRIAL_NAMESPACE", "seatrial-system")
"""Where the operator and the archive are installed."""
ARCHIVE_SERVICE, ARCHIVE_PORT = "seatrial-archive", "read"
READER_ROLE = "seatrial-archive-reader"
"""The chart's Role that opens the archive's read port."""


@dataclass(frozen=True)
class Target:
    """Which cluster and namespace a command is about."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None


@dataclass(frozen=True)
class Session:
    """An open connection."""

    cluster: ClusterPort
    archive: ArchivePort
    namespace: str
    """The namespace that the command is about."""


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Session]:
    """Opens the connection; nothing is asked of the cluster yet.

    Raises:
        CliError: there is no kubeconfig.
        ClusterError: it can't be used.
    """
    _check(target.kubeconfig)
    async with await Cluster.connect(
        kubeconfig=target.kubeconfig, context=target.context, agent="seatrial-cli"
    ) as cluster:
        proxy = cluster.service_proxy(SYSTEM_NAMESPACE, ARCHIVE_SERVICE, ARCHIVE_PORT)
        async with ArchiveClient(f"http://cluster{proxy}", transport=_ThroughCluster(cluster)) as archive:
            yield Session(cluster, archive, target.namespace or cluster.default_namespace)


def why(error: ArchiveError) -> str:
    """What is wrong with the archive, and for a way that is closed, what opens it."""
    if isinstance(error, ArchiveRefused) and error.status in (401, 403):
        return (
            f"you may not read the archive; who may change {SYSTEM_NAMESPACE} lets you: kubectl -n {SYSTEM_NAMESPACE} "
            f"create rolebinding NAME --role={READER_ROLE} --user=YOU"
        )
    return str(error)


class _ThroughCluster(httpx.AsyncBaseTransport):
    """Sends requests to the API server with the cluster's own address and credentials; of the URL only the path counts."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limits = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(total=None, connect=limits.get("connect"), sock_read=limits.get("read"))
        sent = {name: value for name, value in request.headers.items() if name in ("accept", "last-event-id")}
        try:
            answer = await self._cluster.open(
                request.method, request.url.raw_path.decode("ascii"), headers=sent, timeout=timeout
            )
        except ClusterError as error:
            if not error.status:
                raise httpx.ConnectError(error.message, request=request) from error
            return httpx.Response(error.status, content=error.message.encode(), request=request)
        return httpx.Response(answer.status, stream=_Body(answer), request=request)


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


def _check(kubeconfig: str | None) -> None:
    """Says at once, and clearly, that there is no kubeconfig; the client's own words for that help nobody."""
    listed = kubeconfig or os.environ.get("KUBECONFIG")
    if not listed and "KUBERNETES_SERVICE_HOST" in os.environ:
        return  # inside a pod
    paths = [Path(path).expanduser() for path in (listed or "~/.kube/config").split(os.pathsep) if path]
    if not any(path.exists() for path in paths):
        named = " and ".join(map(str, paths))
        raise CliError(f"no cluster to talk to: there is no {named}", hint="set KUBECONFIG, or give --kubeconfig FILE")
