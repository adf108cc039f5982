"""Who may read what: Kubernetes decides.

A reader is known by a bearer token (TokenReview), and may read the results of a namespace if they may read its IntegrationRuns
(SubjectAccessReview). The operator shows its own token. Who comes over the loopback interface has forwarded a port to this pod, and
so could read its volume as well: they may read everything.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from fastapi import Depends
from starlette.requests import Request

from seatrial import tokens
from seatrial.api.names import GROUP, PLURAL
from seatrial.archive.errors import Unauthorized
from seatrial.archive.model import NotThere, Unavailable, check_uid
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError

log = logging.getLogger(__name__)

TOKEN_HEADER = "X-Seatrial-Token"  # noqa: S105 - a name
"""For those that come through the API server's service proxy, which keeps `Authorization` for itself."""
COOKIE = "seatrial_token"
_ALLOWED_SECONDS = 60.0
_DENIED_SECONDS = 10.0
_REMEMBERED = 10_000
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

K = TypeVar("K")
V = TypeVar("V")


class Reader(Protocol):
    """Who asks, and what they may see."""

    async def may_read(self, namespace: str) -> bool:
        """Whether they may see the runs of this namespace."""

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        """Those of which they may see the runs; None: all there are."""


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
            Unavailable: it can't be asked now.
        """

    async def may_read(self, user: User, namespace: str | None) -> bool:
        """Whether the user may read the runs of a namespace; None: of all namespaces.

        Raises:
            Unavailable: it can't be asked now.
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

    async def may_read(self, user: User, namespace: str | None) -> bool:
        """See Reviewer."""
        asked = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": dict(user.extra),
            "resourceAttributes": {
                "group": GROUP,
                "resource": PLURAL,
                "verb": "get",
                **({"namespace": namespace} if namespace else {}),
            },
        }
        status = await self._review("authorization.k8s.io/v1", "SubjectAccessReview", asked)
        return bool(status.get("allowed"))

    async def close(self) -> None:
        """See Reviewer."""
        if self._cluster is not None:
            await self._cluster.close()

    async def _review(self, version: str, kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
        plural = f"{kind.lower()}s"
        try:
            async with self._connecting:
                if self._cluster is None:
                    self._cluster = await Cluster.connect(agent="seatrial-archive")
            body = {"apiVersion": version, "kind": kind, "spec": spec}
            answer = await self._cluster.request("POST", f"/apis/{version}/{plural}", plural, body=body)
        except ClusterError as error:
            log.warning("the API server did not answer a %s: %s", kind, error)
            raise Unavailable(f"the API server can't be asked who you are: {error}", "try again") from error
        return dict(answer.get("status") or {})


class Access:
    """Tells of each request who its reader is."""

    def __init__(self, key: bytes, reviewer: Reviewer, clock: Callable[[], float] = time.monotonic) -> None:
        self._operators_token = tokens.feed_token(key)
        self._reviewer = reviewer
        self._users: _Remembered[str, User | None] = _Remembered(clock)
        self._rights: _Remembered[tuple[str, str | None], bool] = _Remembered(clock)

    async def reader(self, request: Request) -> Reader:
        """Who makes this request.

        Raises:
            Unauthorized: nobody that is known.
            Unavailable: the API server does not say who it is.
        """
        token = request.headers.get(TOKEN_HEADER) or _bearer(request)
        if token is None and _is_local(request):
            return _Everything()
        token = token or request.cookies.get(COOKIE)
        if not token:
            raise Unauthorized(
                "you are not known here",
                "use `seatrial open`, kubectl port-forward, or send a token of the cluster as a bearer",
            )
        if tokens.same(self._operators_token, token):
            return _Everything()
        # Remembered by its digest: whoever could read this memory would find no tokens.
        identity = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        user = await self._users.get(identity, lambda: self._reviewer.who(token))
        if user is None:
            raise Unauthorized("the API server does not know this token", "it may have expired: get a new one")
        return _Authenticated(self, identity, user)

    async def may_read(self, identity: str, user: User, namespace: str | None) -> bool:
        """Whether this user may read the runs of a namespace; None: of all."""
        return await self._rights.get((identity, namespace), lambda: self._reviewer.may_read(user, namespace))

    async def close(self) -> None:
        """Closes connections."""
        await self._reviewer.close()


class _Everything:
    """Somebody who may read all."""

    async def may_read(self, namespace: str) -> bool:
        return True

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        return None


@dataclass(frozen=True)
class _Authenticated:
    """Somebody known by a token."""

    access: Access
    identity: str
    user: User

    async def may_read(self, namespace: str) -> bool:
        return await self._may(None) or await self._may(namespace)

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        if await self._may(None):
            return None
        asked = sorted(set(candidates))
        answers = await asyncio.gather(*(self._may(namespace) for namespace in asked))
        return frozenset(namespace for namespace, may in zip(asked, answers, strict=True) if may)

    async def _may(self, namespace: str | None) -> bool:
        return await self.access.may_read(self.identity, self.user, namespace)


class _Remembered(Generic[K, V]):
    """Answers, for a while; what several ask at the same time is asked once. Bounded: the oldest are forgotten."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._asked: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        until, answer = self._known.get(key, (0.0, None))
        if self._clock() < until:
            return answer  # type: ignore[return-value]
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._ask(key, ask))
        return await asyncio.shield(self._asked[key])  # who goes away takes the answer from nobody else

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        try:
            answer = await ask()
        finally:
            del self._asked[key]
        self._known[key] = (self._clock() + (_ALLOWED_SECONDS if answer else _DENIED_SECONDS), answer)
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return answer


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _is_local(request: Request) -> bool:
    """Whether it comes over the loopback interface, and was meant to.

    A page of the web that a user visits can have its own name stand for 127.0.0.1, and so reach a forwarded port; but not under one
    of the local names.
    """
    try:
        named = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return named in _LOCAL_NAMES and (getattr(address, "ipv4_mapped", None) or address).is_loopback


# For routes


async def reader(request: Request) -> Reader:
    """Who makes this request; for FastAPI's Depends.

    Raises:
        Unauthorized, Unavailable: see Access.
    """
    access: Access = request.app.state.archive.access
    return await access.reader(request)


AnyReader = Annotated[Reader, Depends(reader)]


async def readable_run(uid: str, request: Request, who: AnyReader) -> str:
    """The uid of the path, of a run that the reader may see; for FastAPI's Depends.

    Raises:
        Invalid: it can't be one.
        NotThere: there is no such run, or none that this reader may see: they are not told which.
    """
    check_uid(uid)
    history = request.app.state.archive.history
    if isinstance(who, _Everything):
        # a result may be read before the history has it, and while the history is away
        there = True
        with suppress(Unavailable):
            there = not await asyncio.to_thread(history.is_deleted, uid)
    else:
        namespace = await asyncio.to_thread(history.namespace, uid)
        there = namespace is not None and await who.may_read(namespace)
    if not there:
        raise NotThere(f"nothing is kept of run {uid}", "it told nothing yet, has expired, or is not yours to see")
    return uid


ReadableRun = Annotated[str, Depends(readable_run)]
