"""The edge: the cluster of a kubeconfig, and the archive behind its API server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from seatrial.archive.client.client import ArchiveClient
from seatrial.archive.client.errors import ArchiveClosedError, ArchiveError, ArchiveRefusedError
from seatrial.cli.errors import CliError
from seatrial.kube.client import Cluster
from seatrial.kube.service import Service, ServiceTransport

SYSTEM_NAMESPACE = os.environ.get("SEATRIAL_NAMESPACE", "seatrial-system")
"""Where the operator and the archive are installed."""
ARCHIVE = Service(
    namespace=SYSTEM_NAMESPACE,
    name="seatrial-archive",
    port_name="read",
    port=8081,
    labels="app.kubernetes.io/name=seatrial,app.kubernetes.io/component=archive",
    token_header="X-Seatrial-Token",  # noqa: S106 - a name
)
"""The archive's reading side, which wants to know who reads."""
READER_ROLE = "seatrial-archive-reader"
"""The chart's Role that opens the way to the archive through the API server."""


@dataclass(frozen=True)
class Target:
    """Which cluster and namespace a command is about."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None


@dataclass(frozen=True)
class Session:
    """An open connection."""

    cluster: Cluster
    archive: ArchiveClient
    namespace: str
    """The namespace that the command is about."""
    transport: httpx.AsyncBaseTransport
    """Takes requests to the archive."""


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
        transport = ServiceTransport(cluster, ARCHIVE)
        async with ArchiveClient("http://archive", transport=transport) as archive:
            yield Session(cluster, archive, target.namespace or cluster.default_namespace, transport)


def explain(error: ArchiveError) -> str:
    """What is wrong with the archive, and for a way that is closed, what opens it."""
    closed = isinstance(error, ArchiveClosedError)
    if closed or (isinstance(error, ArchiveRefusedError) and error.status == httpx.codes.UNAUTHORIZED):
        return (
            f"you may not read the archive: {error}; with a token in the kubeconfig you need the Role {READER_ROLE} in "
            f"{SYSTEM_NAMESPACE}, with a client certificate the right to forward ports there"
        )
    return str(error)


def _check(kubeconfig: str | None) -> None:
    """Says at once, and clearly, that there is no kubeconfig; the client's own words for that help nobody."""
    listed = kubeconfig or os.environ.get("KUBECONFIG")
    if not listed and "KUBERNETES_SERVICE_HOST" in os.environ:
        return  # inside a pod
    paths = [Path(path).expanduser() for path in (listed or "~/.kube/config").split(os.pathsep) if path]
    if not any(path.exists() for path in paths):
        named = " and ".join(map(str, paths))
        raise CliError(f"no cluster to talk to: there is no {named}", hint="set KUBECONFIG, or give --kubeconfig FILE")
