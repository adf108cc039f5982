"""Kubernetes decides who a token belongs to and what its owner may read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from seatrial.api.names import GROUP, PLURAL
from seatrial.archive.model.errors import UnavailableError
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError, ForbiddenError, NotFoundError
from seatrial.kube.kinds import NAMESPACE

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class User:
    """Whom the API server took a token for."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, list[str]] = field(default_factory=dict)


class Reviewer(Protocol):
    """Decides about tokens and users."""

    async def who(self, token: str) -> User | None:
        """Whose token this is; None if nobody's.

        Raises:
            UnavailableError: it can't be asked now.
        """

    async def may(self, user: User, verb: str, namespace: str | None) -> bool:
        """Whether the user may do this (`get`, `create`) with the runs of a namespace; None: of all namespaces.

        Raises:
            UnavailableError: it can't be asked now.
        """

    async def namespace_uid(self, namespace: str) -> str | None:
        """The namespace's uid now; empty: it does not exist; None: the archive may not ask.

        Raises:
            UnavailableError: it can't be asked now.
        """

    async def close(self) -> None:
        """Closes connections."""


class Kubernetes:
    """Asks the API server, as the archive's own service account."""

    def __init__(self) -> None:
        """Connects to nothing yet: the client costs memory, and often nobody comes with a token."""
        self._cluster: Cluster | None = None
        self._connecting = asyncio.Lock()

    async def who(self, token: str) -> User | None:
        """See Reviewer."""
        status = await self._review("authentication.k8s.io/v1", "TokenReview", {"token": token})
        user = status.get("user") or {}
        if not status.get("authenticated") or not user.get("username"):
            return None
        return User(user["username"], user.get("uid") or "", tuple(user.get("groups") or ()), user.get("extra") or {})

    async def may(self, user: User, verb: str, namespace: str | None) -> bool:
        """See Reviewer."""
        asked = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": dict(user.extra),
            "resourceAttributes": {
                "group": GROUP,
                "resource": PLURAL,
                "verb": verb,
                **({"namespace": namespace} if namespace else {}),
            },
        }
        status = await self._review("authorization.k8s.io/v1", "SubjectAccessReview", asked)
        return bool(status.get("allowed"))

    async def namespace_uid(self, namespace: str) -> str | None:
        """See Reviewer."""
        try:
            found = await (await self._connected()).get(NAMESPACE, namespace)
        except NotFoundError:
            return ""
        except ForbiddenError as error:
            log.warning("runs of a namespace's predecessors can't be separated from its own: %s", error)
            return None
        except ClusterError as error:
            raise UnavailableError(f"the API server can't be asked about namespaces: {error}", "try again") from error
        return str(found["metadata"]["uid"])

    async def _connected(self) -> Cluster:
        async with self._connecting:
            if self._cluster is None:
                self._cluster = await Cluster.connect(agent="seatrial-archive")
        return self._cluster

    async def close(self) -> None:
        """See Reviewer."""
        if self._cluster is not None:
            await self._cluster.close()

    async def _review(self, version: str, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        plural = f"{kind.lower()}s"
        try:
            cluster = await self._connected()
            body = {"apiVersion": version, "kind": kind, "spec": spec}
            answer = await cluster.request("POST", f"/apis/{version}/{plural}", plural, body=body)
        except ClusterError as error:
            log.warning("the API server did not answer a %s: %s", kind, error)
            raise UnavailableError(f"the API server can't be asked who you are: {error}", "try again") from error
        return dict(answer.get("status") or {})
