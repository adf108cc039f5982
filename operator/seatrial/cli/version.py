"""`seatrial version`: the command's own version, the operator's, and the API versions that the cluster knows."""

from __future__ import annotations

import asyncio

from seatrial.api.names import GROUP
from seatrial.cli.connect import SYSTEM_NAMESPACE, Session
from seatrial.cli.terminal import one_line
from seatrial.kube.errors import ClusterError, ForbiddenError, NotFoundError
from seatrial.kube.kinds import DEPLOYMENT

OPERATOR = "seatrial-operator"
PATIENCE_SECONDS = 5.0


async def installed(session: Session) -> dict[str, str]:
    """What is installed in the cluster, or why that is not known: of the operator, and of the API."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            operator, api = await asyncio.gather(_operator(session), _api(session))
    except TimeoutError:
        operator = api = "the cluster gave no answer"
    return {"operator": operator, "api": api}


async def _operator(session: Session) -> str:
    try:
        deployment = await session.cluster.get(DEPLOYMENT, OPERATOR, SYSTEM_NAMESPACE)
    except NotFoundError:
        return f"not installed in {SYSTEM_NAMESPACE}"
    except ForbiddenError:
        return f"unknown: you may not read Deployments in {SYSTEM_NAMESPACE}"
    except ClusterError as error:
        return f"unknown: {one_line(error.message)}"
    image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    ready = (deployment.get("status") or {}).get("readyReplicas") or 0
    return f"{tag(image)}" + ("" if ready else " (not running)")


async def _api(session: Session) -> str:
    try:
        group = await session.cluster.request("GET", f"/apis/{GROUP}", "discovery")
    except NotFoundError:
        return "not installed"
    except ClusterError as error:
        return f"unknown: {one_line(error.message)}"
    return ", ".join(f"{GROUP}/{version['version']}" for version in group.get("versions") or ())


def tag(image: str) -> str:
    """The tag of an image, or its digest, or `latest`."""
    name, at, digest = image.partition("@")
    last = name.rsplit("/", 1)[-1]
    if ":" in last:
        return last.rsplit(":", 1)[1]
    return digest if at else "latest"
