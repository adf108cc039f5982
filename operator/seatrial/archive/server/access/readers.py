"""Who may read what.

A reader is known by a bearer token (TokenReview), and may read the results of a namespace if they may read its
IntegrationRuns (SubjectAccessReview); its bundles are for those who may create IntegrationRuns there. The operator
shows its own token. Who comes over the loopback interface has forwarded a port to this pod; they may do everything,
unless the settings say otherwise.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from starlette.requests import Request

from seatrial import tokens
from seatrial.archive.server.access.cached import Cached
from seatrial.archive.server.access.kubernetes import Reviewer, User
from seatrial.archive.server.errors import UnauthorizedError

TOKEN_HEADER = "X-Seatrial-Token"  # noqa: S105 - a name
"""For those that come through the API server's service proxy, which keeps `Authorization` for itself."""
COOKIE = "seatrial_token"
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Reader(Protocol):
    """Who asks, and what they may see."""

    async def may_read(self, namespace: str, uid: str = "") -> bool:
        """Whether they may see the runs of this namespace; with its uid: unless it was recreated since."""

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        """Those of which they may see the runs; None: all there are."""

    async def uids(self, namespaces: Iterable[str]) -> frozenset[str] | None:
        """The uids that these namespaces have now; None: they may see the runs of predecessors as well."""

    async def may_create(self, namespace: str) -> bool:
        """Whether they may create runs in this namespace."""


class Access:
    """Finds the reader of each request."""

    def __init__(
        self,
        key: bytes,
        reviewer: Reviewer,
        clock: Callable[[], float] = time.monotonic,
        *,
        recheck_seconds: float = 60.0,
        trust_loopback: bool = True,
    ) -> None:
        """Asks nobody yet.

        Args:
            key: the archive's.
            reviewer: decides about tokens and users.
            clock: monotonic seconds.
            recheck_seconds: how long an answer of the reviewer counts, also for streams that are open.
            trust_loopback: whoever comes over the loopback interface without a token reads everything.
        """
        self.recheck_seconds = recheck_seconds
        self._trust_loopback = trust_loopback
        self._operators_token = tokens.feed_token(key)
        self._reviewer = reviewer
        self._users: Cached[str, User | None] = Cached(clock, recheck_seconds)
        self._uids: Cached[str, str | None] = Cached(clock, recheck_seconds)
        self._rights: Cached[tuple[str, str, str | None], bool] = Cached(clock, recheck_seconds)

    async def reader(self, request: Request) -> Reader:
        """Who makes this request.

        Raises:
            UnauthorizedError: nobody that is known.
            UnavailableError: the API server does not say who it is.
        """
        token = request.headers.get(TOKEN_HEADER) or _bearer(request)
        if token is None and self._trust_loopback and _is_local(request):
            return Everything()
        token = token or request.cookies.get(COOKIE)
        if not token:
            raise UnauthorizedError(
                "you are not known here",
                "use `seatrial open`, kubectl port-forward, or send a token of the cluster as a bearer",
            )
        if tokens.same(self._operators_token, token):
            return Everything()
        # Cached by its digest: whoever could read this memory would find no tokens.
        identity = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        user = await self._users.get(identity, lambda: self._reviewer.who(token))
        if user is None:
            raise UnauthorizedError("the API server does not know this token", "it may have expired: get a new one")
        return _Authenticated(self, identity, user)

    async def may(self, identity: str, user: User, verb: str, namespace: str | None) -> bool:
        """Whether this user may do this with the runs of a namespace; None: of all."""
        return await self._rights.get((identity, verb, namespace), lambda: self._reviewer.may(user, verb, namespace))

    async def namespace_uid(self, namespace: str) -> str | None:
        """The namespace's uid now; empty: it does not exist; None: unknown."""
        return await self._uids.get(namespace, lambda: self._reviewer.namespace_uid(namespace))

    async def current_uid(self, namespace: str) -> str | None:
        """Like `namespace_uid`, asked for now: what is written must not end in a predecessor's place."""
        return await self._reviewer.namespace_uid(namespace)

    async def close(self) -> None:
        """Closes connections."""
        await self._reviewer.close()


class Everything:
    """Somebody who may read all."""

    async def may_read(self, namespace: str, uid: str = "") -> bool:
        """Always."""
        return True

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        """All."""
        return None

    async def uids(self, namespaces: Iterable[str]) -> frozenset[str] | None:
        """All."""
        return None

    async def may_create(self, namespace: str) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class _Authenticated:
    """Somebody known by a token."""

    access: Access
    identity: str
    user: User

    async def may_read(self, namespace: str, uid: str = "") -> bool:
        if await self._may(None):
            return True
        return await self._may(namespace) and (not uid or await self.access.namespace_uid(namespace) in (uid, None))

    async def uids(self, namespaces: Iterable[str]) -> frozenset[str] | None:
        if await self._may(None):
            return None
        found = await asyncio.gather(*(self.access.namespace_uid(namespace) for namespace in sorted(set(namespaces))))
        return None if None in found else frozenset(uid for uid in found if uid)

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        if await self._may(None):
            return None
        asked = sorted(set(candidates))
        answers = await asyncio.gather(*(self._may(namespace) for namespace in asked))
        return frozenset(namespace for namespace, may in zip(asked, answers, strict=True) if may)

    async def may_create(self, namespace: str) -> bool:
        return await self.access.may(self.identity, self.user, "create", namespace)

    async def _may(self, namespace: str | None) -> bool:
        return await self.access.may(self.identity, self.user, "get", namespace)


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _is_local(request: Request) -> bool:
    """Whether it comes over the loopback interface, and was meant to.

    A page of the web that a user visits can have its own name stand for 127.0.0.1, and so reach a forwarded port; but
    not under one of the local names.
    """
    try:
        named = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return named in _LOCAL_NAMES and (getattr(address, "ipv4_mapped", None) or address).is_loopback
