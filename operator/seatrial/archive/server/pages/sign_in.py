"""Signing in with a token of the cluster, kept in a cookie of the browser."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.server.access.readers import COOKIE
from seatrial.archive.server.errors import TooSlowError
from seatrial.archive.server.pages.addresses import query, root
from seatrial.archive.server.pages.site import Site
from seatrial.archive.server.pages.views import SignInView

_FORM = 64 * 2**10  # bytes of a form
_FORM_SECONDS = 10.0


async def form(site: Site, request: Request) -> Response:
    """Asks for the token."""
    given = request.query_params
    problem = "The cluster does not accept this token." if given.get("refused") else ""
    return site.renderer.page(request, SignInView(given.get("next", ""), problem))


async def sign_in(site: Site, request: Request) -> Response:
    """Keeps the token in a cookie."""
    given = await _fields(request)
    token = given.get("token", "").strip()
    if not token or not token.isascii() or not token.isprintable() or set(token) & set(' ;,"\\'):
        problem = "This is not a token: a token is one long word."
        return site.renderer.page(request, SignInView(given.get("next", ""), problem), 400)
    response = RedirectResponse("./" + given.get("next", "").lstrip("/\\"), 303)
    # No path: the browser then keeps it to the prefix under which it reaches the archive.
    secure = request.headers.get("X-Forwarded-Proto", request.url.scheme) == "https"
    response.set_cookie(COOKIE, token, path=None, httponly=True, samesite="strict", secure=secure)
    return response


async def sign_out(site: Site, request: Request) -> Response:
    """Forgets the token."""
    await _fields(request)
    response = RedirectResponse("./sign-in", 303)
    response.set_cookie(COOKIE, "", max_age=0, path=None, httponly=True, samesite="strict")
    return response


def to_sign_in(request: Request) -> Response:
    """Leads to the form, and from there back."""
    path = request.url.path.lstrip("/") + (f"?{request.url.query}" if request.url.query else "")
    refused = "1" if COOKIE in request.cookies else ""
    return RedirectResponse(f"{root(request.url.path)}sign-in{query(next=path, refused=refused)}", 303)


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a form of ours.

    Raises:
        InvalidError: it comes from a page of somebody else, or is far too large.
        TooSlowError: it does not come.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise InvalidError("the form was sent from another site", "use the archive's own page")
    body = bytearray()
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > _FORM:
                    raise InvalidError("the form is too large", "a token has a few thousand characters")
    except TimeoutError as error:
        raise TooSlowError(f"the form did not arrive within {_FORM_SECONDS:.0f} s", "send it again") from error
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
