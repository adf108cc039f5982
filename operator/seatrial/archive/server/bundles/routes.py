"""Bundles over HTTP: who may create runs in a namespace puts them on the read port, pods fetch them on the other."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from seatrial import tokens
from seatrial.archive.model.bundles import BundleKey, bundle_path
from seatrial.archive.model.errors import NotFoundError, UnavailableError
from seatrial.archive.server.context import Archive
from seatrial.archive.server.errors import ForbiddenError, authorize
from seatrial.archive.server.files import entry_response
from seatrial.archive.server.history.shares import Holder
from seatrial.archive.server.receiving import Body, announced_of, check_announced, outcome_of, receiving

_PATH = "/v1/namespaces/{namespace}/bundles/{sha256}"


def people_routes(archive: Archive) -> list[BaseRoute]:
    """For the read port: whether a bundle is there, and the way in."""

    async def get(request: Request) -> Response:
        return await _answer(archive, request, await _admit(archive, request))

    put = receiving(archive, "bundle", _admit, _put)
    return [Route(_PATH, get, methods=["GET"]), Route(_PATH, put, methods=["PUT"])]


def pods_routes(archive: Archive) -> list[BaseRoute]:
    """For the upload port: the way out, each bundle with a token of its own."""

    async def get(request: Request) -> Response:
        namespace, sha256 = _named(request)
        authorize(request, tokens.bundle_token(archive.key, namespace, sha256))
        response = await _answer(archive, request, await _key(archive, namespace, sha256))
        archive.metrics.bundle_fetched(response.status_code)
        return response

    return [Route(_PATH, get, methods=["GET"])]


def _named(request: Request) -> tuple[str, str]:
    """Namespace and digest of the path.

    Raises:
        InvalidError: they can't be what they should be.
    """
    namespace, sha256 = request.path_params["namespace"], request.path_params["sha256"]
    bundle_path(namespace, sha256)
    return namespace, sha256


async def _admit(archive: Archive, request: Request) -> BundleKey:
    """The bundle that the path names, for those who may create runs in its namespace.

    Raises:
        InvalidError, UnauthorizedError, ForbiddenError, NotFoundError, UnavailableError: it is not for them. What is
            stored makes no difference.
    """
    namespace, sha256 = _named(request)
    who = await archive.access.reader(request)
    if not await who.may_create(namespace):
        raise ForbiddenError(
            f"you may not create runs in namespace {namespace}",
            "bundles are for those who may `create integrationruns` there: ask for that right",
        )
    return await _key(archive, namespace, sha256)


async def _key(archive: Archive, namespace: str, sha256: str) -> BundleKey:
    """The bundle of the namespace that has this name now.

    Raises:
        NotFoundError: there is no such namespace.
        UnavailableError: the API server does not say which it is.
    """
    uid = await archive.access.current_uid(namespace)
    if uid is None:
        raise UnavailableError(
            "bundles can't be kept apart: the archive may not read namespaces", "let its account get namespaces"
        )
    if not uid:
        raise NotFoundError(f"there is no namespace {namespace}", "check the run's namespace")
    return BundleKey(uid, sha256)


async def _put(archive: Archive, request: Request, key: BundleKey, body: Body) -> tuple[str, Response]:
    check_announced(request, str(key), archive.settings.max_bundle_bytes, "SEATRIAL_ARCHIVE_MAX_BUNDLE")
    holder = Holder(request.path_params["namespace"], key.namespace_uid)
    async with archive.shares.room(holder, announced_of(request)) as room:
        stored = await archive.bundles.put(key, room.metered(body.chunks()))
    if stored.created:
        archive.metrics.stored_bytes.inc(stored.size)
        archive.shares.stored(holder, stored.size)
    answer = {"digest": f"sha256:{key.sha256}", "size": stored.size}
    return outcome_of(stored.created), JSONResponse(answer, 201 if stored.created else 200)


async def _answer(archive: Archive, request: Request, key: BundleKey) -> Response:
    return entry_response(await archive.bundles.find(key), archive.bundles.content, request)
