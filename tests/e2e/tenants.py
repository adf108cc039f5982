"""Tenants of the cluster: accounts with rights of their own, and their ways to API server and archive."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from seatrial.cli.connect import Session, Target, connect
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError
from seatrial.kube.kinds import POD, SERVICE_ACCOUNT
from seatrial.kube.service import proxy_path
from tests.e2e.conftest import OPERATOR_NAMESPACE, call

READ_PORT = proxy_path(OPERATOR_NAMESPACE, "seatrial-archive", "read")


async def _kubectl(*arguments: str, given: str | None = None) -> str:
    return await call("kubectl", *arguments, given=given)


async def account(cluster: Cluster, namespace: str, *roles: str, name: str = "reader") -> str:
    """Makes a ServiceAccount, which has these ClusterRoles in its namespace alone; gives a token of it."""
    metadata = {"name": name, "namespace": namespace}
    await cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    for role in roles:
        await _kubectl("-n", namespace, "create", "rolebinding", f"{name}-{role}", f"--clusterrole={role}",
                       f"--serviceaccount={namespace}:{name}")  # fmt: skip
    path = SERVICE_ACCOUNT.path(namespace, name, "token")
    answer = await cluster.request(
        "POST", path, "token", body={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    )
    return str(answer["status"]["token"])


async def may_write_config_maps(namespace: str, name: str) -> None:
    """Lets an account read and make ConfigMaps in its namespace."""
    await _kubectl("-n", namespace, "create", "role", "configmaps", "--verb=get,create", "--resource=configmaps")
    await _kubectl("-n", namespace, "create", "rolebinding", f"{name}-configmaps", "--role=configmaps",
                   f"--serviceaccount={namespace}:{name}")  # fmt: skip


async def _config(token: str, namespace: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(
        await _kubectl("config", "view", "--minify", "--flatten", "--raw", "-o", "json")
    )
    config["users"][0]["user"] = {"token": token}
    config["contexts"][0]["context"]["namespace"] = namespace
    return config


async def kubeconfig(token: str, namespace: str, folder: Path) -> str:
    """The file of somebody with this token."""
    path = folder / f"{namespace}-{abs(hash(token)):x}.kubeconfig"
    path.write_text(json.dumps(await _config(token, namespace)))
    return str(path)


@asynccontextmanager
async def as_(token: str, namespace: str, folder: Path) -> AsyncIterator[Session]:
    """The command of somebody with this token."""
    async with connect(Target(kubeconfig=await kubeconfig(token, namespace, folder))) as session:
        yield session


@asynccontextmanager
async def reading(token: str) -> AsyncIterator[httpx.AsyncClient]:
    """The archive's read port, through the API server, with every header as the test sets it."""
    cluster = (await _config(token, "default"))["clusters"][0]["cluster"]
    trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    headers = {"Authorization": f"Bearer {token}", "X-Seatrial-Token": token}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=cluster["server"] + READ_PORT, verify=trust, headers=headers, timeout=30, limits=limits
    ) as client:
        yield client


@asynccontextmanager
async def forwarded(cluster: Cluster, component: str, port: int) -> AsyncIterator[httpx.AsyncClient]:
    """A port of the pod of a component of Seatrial, by forwarding it, as an administrator may."""
    labels = f"app.kubernetes.io/name=seatrial,app.kubernetes.io/component={component}"
    (pod, *_) = await cluster.list(POD, OPERATOR_NAMESPACE, labels=labels)
    joined: set[asyncio.Task[None]] = set()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await cluster.forward(OPERATOR_NAMESPACE, pod["metadata"]["name"], port, reader, writer)
        except ClusterError:
            pass  # the client sees a connection that ends
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(join(reader, writer))
        joined.add(task)
        task.add_done_callback(joined.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{address[1]}", timeout=30) as client:
            yield client
    finally:
        server.close()
        for task in joined:
            task.cancel()
        await asyncio.gather(*joined, return_exceptions=True)
