"""Renders views into pages: the templates, what they may call, and the headers of every page.

Texts in results are hostile: templates escape everything, no page has a script of its own in it, and the browser
runs none but ours.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from seatrial import amounts
from seatrial.archive.server.access.readers import COOKIE
from seatrial.archive.server.pages import addresses, numbers, questions, timeline, words
from seatrial.archive.server.pages.views import View

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HERE = Path(__file__).parent
_FUNCTIONS = (
    amounts.duration,
    amounts.size,
    addresses.query,
    addresses.safe_link,
    numbers.bad_in_words,
    numbers.counts_in_words,
    numbers.number,
    numbers.shares,
    timeline.end_of,
    words.ago,
    words.clock,
    words.goes_on,
    words.rfc3339,
    words.short_digest,
    words.split_id,
    words.stamp,
    words.tone,
)


class Renderer:
    """The templates, and the files that pages load."""

    def __init__(self) -> None:
        self.static = {path.name: path.read_bytes() for path in sorted((_HERE / "static").iterdir())}
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            {function.__name__: function for function in _FUNCTIONS},
            version=hashlib.sha256(b"".join(self.static.values())).hexdigest()[:12],
            verdicts=words.VERDICTS,
            outcomes=words.OUTCOMES,
            spans=addresses.SPANS,
            orders=questions.ORDERS,
        )

    def page(self, request: Request, view: View, code: int = 200) -> Response:
        """The view as a page."""
        context = {
            "root": addresses.root(request.url.path),
            "here": view.here,
            "signed_in": COOKIE in request.cookies,
            "now": datetime.now(UTC),
            **{field.name: getattr(view, field.name) for field in fields(view)},
        }
        body = self._templates.get_template(view.template).render(context)
        return Response(body, code, {"Cache-Control": "private, no-cache"}, "text/html; charset=utf-8")
