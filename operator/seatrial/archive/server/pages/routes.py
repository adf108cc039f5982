"""The pages' addresses: reads what a page needs, in one go and off the event loop, and renders it.

Texts in results are hostile: templates escape everything, no page has a script of its own in it, and the browser is told to run
none but ours. All addresses in pages are relative, so that they work behind `kubectl port-forward` and behind any proxy's prefix.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from seatrial import amounts
from seatrial.archive.model.errors import InvalidError, NotFoundError
from seatrial.archive.model.keys import EVIDENCE, SetKey, check_path, check_uid, set_key
from seatrial.archive.model.manifest import Manifest, parse_manifest
from seatrial.archive.model.questions import TestFilter, TestOrder
from seatrial.archive.model.report import notes as runner_notes
from seatrial.archive.model.runs import Attempt, RunDetail
from seatrial.archive.model.tests import TestRow
from seatrial.archive.server.errors import REFUSALS, UnauthorizedError
from seatrial.archive.server.history.history import History
from seatrial.archive.server.pages import moments, timeline, view
from seatrial.archive.server.reports import gather

log = logging.getLogger(__name__)

COOKIE = "seatrial_token"
_GATES = "gates.jsonl"

_HERE = Path(__file__).parent
_PAGE_RUNS, _PAGE_TESTS, _PAGE_LINES, _PAGE_LOG = 50, 100, 1_000, 500
_HISTORY_POINTS, _FLAKY_TESTS = 100, 100
_BAD_LISTED, _BAD_SHOWN, _SLOWEST, _FILES_SHOWN = 30, 10, 5, 200
_LINES_BESIDE, _LINES_ALONE = 120, 2_000  # of all components, on a run's page and on a test's own
_READ = 16 * 2**20  # bytes of a file that a page looks at
_READERS_OF_LOGS = 2  # at the same time
_FORM = 64 * 2**10  # bytes of a form
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_ORDERS: Mapping[TestOrder, str] = {"bad-first": "failed first", "duration": "slowest first", "id": "by id"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Reader(Protocol):
    """Who asks, and what they may see."""

    async def may_read(self, namespace: str) -> bool:
        """Whether the runs of this namespace may be shown."""
        ...

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        """Those that may be shown; None: all."""
        ...


class Files(Protocol):
    """The stored files."""

    def manifest(self, key: SetKey) -> bytes:
        """The manifest of a set.

        Raises:
            NotFoundError: the set is not complete.
        """
        ...

    def chunks(self, key: SetKey, path: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """A file's bytes from `start` to before `end`.

        Raises:
            InvalidError, NotFoundError: there can't be, or there is no such file.
        """
        ...


@dataclass(frozen=True)
class _Detail:
    """A failed test on the page of its run."""

    test: TestRow
    moment: moments.Moment | None
    logs: str


@dataclass(frozen=True)
class _Group:
    """A set's files on the page of its run."""

    title: str
    files: tuple[view.FileRow, ...]
    more: int


Page = Callable[["Pages", Request], Awaitable[Response]]


class Pages:
    """All pages over one history and its files."""

    def __init__(self, history: History, files: Files, reader: Callable[[Request], Awaitable[Reader]]) -> None:
        self._history = history
        self._files = files
        self._reader = reader
        self._reading = threading.BoundedSemaphore(_READERS_OF_LOGS)
        self._static = {path.name: path.read_bytes() for path in sorted((_HERE / "static").iterdir())}
        version = hashlib.sha256(b"".join(self._static.values())).hexdigest()[:12]
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            {name: getattr(view, name) for name in ("tone", "stamp", "clock", "rfc3339", "ago", "number", "query",
                                                    "shares", "told", "told_bad", "safe_link", "split_id", "short_digest", "goes_on")},
            duration=amounts.duration,
            size=amounts.size,
            end_of=timeline.end_of,
            version=version,
            verdicts=view.VERDICTS,
            spans=view.SPANS,
            outcomes=view.OUTCOMES,
            orders=_ORDERS,
        )  # fmt: skip

    def routes(self) -> list[Route]:
        """The routes, to be put behind those of the API."""
        pages: Mapping[str, Page] = {
            "/": Pages._runs,
            "/runs/{uid}": Pages._run,
            "/runs/{uid}/tests": Pages._tests,
            "/runs/{uid}/test": Pages._test,
            "/runs/{uid}/logs": Pages._logs,
            "/runs/{uid}/again.yaml": Pages._again,
            "/runs/{uid}/files/{attempt}/{part}/{path:path}": Pages._file,
            "/tests": Pages._test_history,
            "/flaky": Pages._flaky,
            "/sign-in": Pages._sign_in,
        }
        return [
            *(Route(path, self._guarded(page)) for path, page in pages.items()),
            Route("/sign-in", self._guarded(Pages._signed_in), methods=["POST"]),
            Route("/sign-out", self._guarded(Pages._sign_out), methods=["POST"]),
            Route("/static/{name}", self._guarded(Pages._static_file)),
        ]

    # Around every page

    def _guarded(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def call(request: Request) -> Response:
            try:
                response = await page(self, request)
            except UnauthorizedError:
                response = self._to_sign_in(request)
            except tuple(REFUSALS) as error:
                status, _ = REFUSALS[type(error)]
                response = self._show(
                    request, "error.html", status=status, error=error.error, hint=error.hint,
                    title="Not there" if status == 404 else "That does not work", code=status,
                )  # fmt: skip
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return call

    def _show(self, request: Request, template: str, code: int = 200, **what: Any) -> Response:
        context = {
            "root": view.root(request.url.path),
            "here": "",
            "signed_in": COOKIE in request.cookies,
            "now": datetime.now(UTC),
            **what,
        }
        body = self._templates.get_template(template).render(context)
        return Response(body, code, {"Cache-Control": "private, no-cache"}, "text/html; charset=utf-8")

    def _to_sign_in(self, request: Request) -> Response:
        path = request.url.path.lstrip("/") + (f"?{request.url.query}" if request.url.query else "")
        refused = "1" if COOKIE in request.cookies else ""
        return RedirectResponse(f"{view.root(request.url.path)}sign-in{view.query(next=path, refused=refused)}", 303)

    async def _readable(self, request: Request) -> RunDetail:
        """The run of the address.

        Raises:
            NotFoundError: there is none, or the reader may not know of it.
        """
        reader = await self._reader(request)
        uid = check_uid(request.path_params["uid"])
        run = await asyncio.to_thread(self._history.runs.get, uid)
        if run is None or not await reader.may_read(run.namespace):
            raise NotFoundError(
                f"there is no run {uid}",
                "it was never here, its time in the archive is over, or it is not for you to see",
            )
        return run

    # Lists

    async def _runs(self, request: Request) -> Response:
        reader = await self._reader(request)
        labels = [label for text in request.query_params.getlist("label") for label in text.split()]
        asked = view.RunQuestion.of(request.query_params, labels)
        known = await asyncio.to_thread(self._history.runs.namespaces)
        mine = await reader.namespaces(known)
        cursor = request.query_params.get("cursor") or None
        page = await asyncio.to_thread(
            self._history.runs.page, asked.filter(mine, datetime.now(UTC)), _PAGE_RUNS, cursor
        )
        names = sorted(known if mine is None else mine)
        return self._show(
            request, "runs.html", here="runs", page=page, asked=asked, namespaces=names, first_page=cursor is None
        )

    async def _flaky(self, request: Request) -> Response:
        reader = await self._reader(request)
        namespace = request.query_params.get("namespace", "").strip()
        since = request.query_params.get("since") or "7d"
        at = view.time_parameter(since, datetime.now(UTC), "since")
        assert at is not None
        known = await asyncio.to_thread(self._history.runs.namespaces)
        mine = await reader.namespaces(known)
        names = known if mine is None else mine
        wanted = names & {namespace} if namespace else mine
        tests = await asyncio.to_thread(self._history.statistics.flaky, wanted, at, _FLAKY_TESTS)
        return self._show(
            request, "flaky.html", here="flaky", tests=tests, namespace=namespace, namespaces=sorted(names), since=since
        )

    async def _test_history(self, request: Request) -> Response:
        reader = await self._reader(request)
        namespace, test_id = (request.query_params.get(name, "") for name in ("namespace", "id"))
        if not namespace or not test_id:
            raise InvalidError("the address lacks namespace or id", "follow the link of a test")
        if not await reader.may_read(namespace):
            raise NotFoundError(
                f"there is no namespace {namespace}", "no run of it is here, or it is not for you to see"
            )
        history = await asyncio.to_thread(self._history.tests.history, namespace, test_id, _HISTORY_POINTS)
        return self._show(request, "history.html", history=history, trend=view.trend(history))

    # One run

    async def _run(self, request: Request) -> Response:
        run = await self._readable(request)
        attempt = _attempt(run, request.query_params.get("attempt"))
        return self._show(
            request, "run.html", run=run, attempt=attempt, **await asyncio.to_thread(self._of_run, run, attempt)
        )

    def _of_run(self, run: RunDetail, attempt: Attempt | None) -> dict[str, Any]:
        """What the page of a run shows besides the run."""
        if attempt is None:
            nothing = self._history.tests.page(run.uid, TestFilter(), 1)
            return {
                "bad": nothing, "slowest": (), "details": (), "hints": (), "notes": (), "chart": None, "logs": (), "colours": {},
                "groups": (), "outputs": (), "reports": (), "again": view.manifest_again(run) if run.spec else "",
                "line_rate": None, "remarks": (),
            }  # fmt: skip
        uid, number = run.uid, attempt.attempt
        bad = self._history.tests.page(uid, TestFilter(outcome="bad", attempt=number), _BAD_LISTED)
        manifests = self._manifests(run, attempt)
        evidence = manifests.get(EVIDENCE)
        gathered = {file.path for file in evidence.files} if evidence is not None else frozenset[str]()
        told, untold = (
            self._read(SetKey(uid, number, None), name)[0] if name in gathered else b""
            for name in ("hints.json", "notes.json")
        )
        with self._logs_of(uid, attempt, evidence) as logs:
            details = [self._detail(test, logs) for test in bad.tests[:_BAD_SHOWN]]
            names = list(logs)
        outputs = [
            (shard.shard, str(shard.summary["outputTail"]))
            for shard in attempt.shards
            if shard.summary is not None and shard.summary.get("outputTail") and not bad.tests
        ]
        return {
            "bad": bad,
            "slowest": self._history.tests.slowest(uid, number, _SLOWEST),
            "details": details,
            "hints": view.hints(told, gathered),
            "notes": view.notes(untold),
            "chart": self._chart(run, attempt, bad.tests, manifests.get("0")),
            "logs": names,
            "colours": view.colours(names),
            "groups": [_group(uid, number, part, manifest) for part, manifest in manifests.items()],
            "outputs": outputs,
            "reports": ("junit.xml", "ctrf.json", "summary.md")
            if any(shard.complete for shard in attempt.shards)
            else (),
            "line_rate": gather.line_rate(self._files, uid, attempt),
            "remarks": runner_notes(attempt),
            "again": view.manifest_again(run) if run.spec else "",
        }

    def _chart(
        self, run: RunDetail, attempt: Attempt, bad: Sequence[TestRow], results: Manifest | None
    ) -> timeline.Chart | None:
        """Where the time went; None: nothing was ever started."""
        if attempt.timeline.started is None and not attempt.components:
            return None
        there = results is not None and any(file.path == _GATES for file in results.files)
        body = self._read(SetKey(run.uid, attempt.attempt, 0), _GATES)[0] if there else b""
        return timeline.chart(attempt, run.began_at, bad, datetime.now(UTC), timeline.gates(body))

    def _detail(self, row: TestRow, logs: Mapping[str, bytes]) -> _Detail:
        test = self._history.tests.get(row.uid, row.attempt, row.id) or row
        return _Detail(test, _moment(test, logs, _LINES_BESIDE), _logs_address(test))

    async def _tests(self, request: Request) -> Response:
        run = await self._readable(request)
        given = request.query_params
        attempt = _attempt(run, given.get("attempt"))
        order = next((order for order in _ORDERS if order == (given.get("order") or "bad-first")), None)
        if order is None:
            raise InvalidError(f"order={given['order'][:60]!r} is none", f"use {', '.join(_ORDERS)}")
        cursor = given.get("cursor") or None
        if (outcome := given.get("outcome") or None) not in (None, *view.OUTCOMES):
            raise InvalidError(f"outcome={str(outcome)[:60]!r} is none", f"use one of {', '.join(view.OUTCOMES)}")
        asked = TestFilter(
            outcome=outcome, text=given.get("text") or None, attempt=attempt.attempt if attempt else None
        )
        page = await asyncio.to_thread(self._history.tests.page, run.uid, asked, _PAGE_TESTS, cursor, order)

        def here_query(**changes: object) -> str:
            mine = {"attempt": asked.attempt, "outcome": outcome, "text": asked.text, "order": order}
            return view.query(**(mine | changes))

        return self._show(
            request, "tests.html", run=run, page=page, asked=asked, order=order, here_query=here_query,
            first_page=cursor is None,
        )  # fmt: skip

    async def _test(self, request: Request) -> Response:
        run = await self._readable(request)
        attempt = _attempt(run, request.query_params.get("attempt"))
        test_id = request.query_params.get("id", "")
        number = attempt.attempt if attempt else run.attempt
        test = await asyncio.to_thread(self._history.tests.get, run.uid, number, test_id)
        if test is None or attempt is None:
            raise NotFoundError(f"attempt {number} of the run has no test {test_id[:200]}", "see the list of its tests")

        def beside() -> tuple[moments.Moment | None, dict[str, int]]:
            with self._logs_of(run.uid, attempt) as logs:
                return _moment(test, logs, _LINES_ALONE), view.colours(list(logs))

        moment, colours = await asyncio.to_thread(beside)
        return self._show(
            request, "test.html", run=run, test=test, moment=moment, logs=_logs_address(test), colours=colours
        )

    async def _logs(self, request: Request) -> Response:
        run = await self._readable(request)
        given = request.query_params
        attempt = _attempt(run, given.get("attempt"))
        since = view.time_parameter(given.get("since", "").strip(), datetime.now(UTC), "since")
        text = given.get("text", "").strip()

        def look() -> tuple[list[str], list[str], moments.Moment]:
            with self._logs_of(run.uid, attempt) as logs:
                chosen = [name for name in given.getlist("component") if name in logs] or list(logs)
                wanted = {name: logs[name] for name in chosen}
                return list(logs), chosen, moments.page(wanted, since.timestamp() if since else 0.0, _PAGE_LOG, text)

        names, chosen, moment = await asyncio.to_thread(look)

        def here_query(**changes: object) -> str:
            mine = {"attempt": attempt and attempt.attempt, "text": text, "component": given.getlist("component")}
            return view.query(**(mine | changes))

        return self._show(
            request, "logs.html", run=run, attempt=attempt.attempt if attempt else "", moment=moment, text=text,
            since=given.get("since", ""), components=names, chosen=chosen, colours=view.colours(names),
            here_query=here_query,
        )  # fmt: skip

    async def _again(self, request: Request) -> Response:
        run = await self._readable(request)
        headers = {
            "Content-Disposition": f'attachment; filename="{run.name}.yaml"',
            "Cache-Control": "private, no-cache",
        }
        return Response(view.manifest_again(run), headers=headers, media_type="application/yaml")

    async def _file(self, request: Request) -> Response:
        run = await self._readable(request)
        attempt, part = (request.path_params[name] for name in ("attempt", "part"))
        key, path = set_key(run.uid, attempt, part), check_path(request.path_params["path"])
        body = await asyncio.to_thread(self._files.manifest, key)
        rows = view.files(run.uid, key.attempt, key.part, parse_manifest(body, key))
        row = next((row for row in rows if row.path == path), None)
        if row is None:
            raise NotFoundError(f"there is no file {path}", "the run's page lists its files")
        given = request.query_params
        text, first = given.get("text", ""), given.get("line", "").strip()
        if first and not (first.isdecimal() and len(first) < 10):
            raise InvalidError(f"line={first[:60]!r} is no number of a line", "use 1 or more")
        at = view.time_parameter(given.get("at", ""), datetime.now(UTC), "at")
        root, shown, cut = view.root(request.url.path), None, 0
        if not row.picture:
            content, cut = await asyncio.to_thread(self._read, key, path)
            shown = await asyncio.to_thread(
                view.text_page, content, int(first or 1), _PAGE_LINES, text, at.timestamp() if at else None
            )
        return self._show(
            request, "file.html", run=run, part=part, path=path, length=row.size, download=root + row.download,
            picture=row.picture, page=shown, text=text, first=first, cut=cut,
        )  # fmt: skip

    # Files

    def _manifests(self, run: RunDetail, attempt: Attempt) -> dict[str, Manifest]:
        """The manifests of the attempt's complete sets, evidence first."""
        keys = [SetKey(run.uid, attempt.attempt, None)] if attempt.evidence else []
        keys += [SetKey(run.uid, attempt.attempt, shard.shard) for shard in attempt.shards if shard.complete]
        found = {}
        for key in keys:
            try:
                found[key.part] = parse_manifest(self._files.manifest(key), key)
            except NotFoundError:  # removed a moment ago: its time was over
                log.info("a set of a run went while its page was made", extra={"set": str(key)})
        return found

    @contextmanager
    def _logs_of(
        self, uid: str, attempt: Attempt | None, evidence: Manifest | None = None
    ) -> Iterator[Mapping[str, bytes]]:
        """The logs of the attempt's components, by name; of long ones the end. In memory, so only for a few readers at a time."""
        if attempt is None or attempt.evidence is None:
            yield {}
            return
        key = SetKey(uid, attempt.attempt, None)
        evidence = evidence or parse_manifest(self._files.manifest(key), key)
        files = {
            file.path.removeprefix("logs/").removesuffix(".log"): file
            for file in evidence.files
            if file.path.startswith("logs/") and file.path.endswith(".log")
        }
        with self._reading:
            yield {
                name: b"".join(self._files.chunks(key, file.path, max(0, file.size - _READ)))
                for name, file in sorted(files.items())
            }

    def _read(self, key: SetKey, path: str) -> tuple[bytes, int]:
        """The file's beginning, and how many bytes of it these are if there are more; else 0."""
        body = b"".join(self._files.chunks(key, path, 0, _READ + 1))
        return (body[:_READ], _READ) if len(body) > _READ else (body, 0)

    # Who asks

    async def _sign_in(self, request: Request) -> Response:
        given = request.query_params
        problem = "The cluster does not take this token, or no longer." if given.get("refused") else ""
        return self._show(request, "sign_in.html", next=given.get("next", ""), problem=problem)

    async def _signed_in(self, request: Request) -> Response:
        form = await _form(request)
        token = form.get("token", "").strip()
        if not token or not token.isascii() or not token.isprintable() or set(token) & set(' ;,"\\'):
            problem = "That is not a token: a token is one long word."
            return self._show(request, "sign_in.html", 400, next=form.get("next", ""), problem=problem)
        response = RedirectResponse("./" + form.get("next", "").lstrip("/\\"), 303)
        # No path: the browser then keeps it to the prefix under which it reaches the archive.
        secure = request.headers.get("X-Forwarded-Proto", request.url.scheme) == "https"
        response.set_cookie(COOKIE, token, path=None, httponly=True, samesite="strict", secure=secure)
        return response

    async def _sign_out(self, request: Request) -> Response:
        await _form(request)
        response = RedirectResponse("./sign-in", 303)
        response.set_cookie(COOKIE, "", max_age=0, path=None, httponly=True, samesite="strict")
        return response

    async def _static_file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self._static:
            raise NotFoundError("there is no such file", "")
        # Pages ask for it with its version, so what a browser has is always right.
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(self._static[name], headers=headers, media_type=_TYPES[Path(name).suffix])


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form of ours.

    Raises:
        InvalidError: it comes from a page of somebody else, or is far too large.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise InvalidError("the form was sent from another site", "use the archive's own page")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM:
            raise InvalidError("the form is too large", "a token has a few thousand characters")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _attempt(run: RunDetail, wanted: str | None) -> Attempt | None:
    """The attempt that the address names; else the last one, if there is any.

    Raises:
        NotFoundError: the run has no such attempt.
    """
    if not wanted:
        return run.last
    found = next((attempt for attempt in run.attempts if str(attempt.attempt) == wanted), None)
    if found is None:
        raise NotFoundError(f"the run has no attempt {wanted[:20]}", "its page lists its attempts")
    return found


def _moment(test: TestRow, logs: Mapping[str, bytes], lines: int) -> moments.Moment | None:
    """What was logged while the test ran; None if nothing can be known of it."""
    if not logs or test.started_at is None:
        return None
    begin = test.started_at.timestamp()
    end = test.ended_at.timestamp() if test.ended_at else begin + 3600  # it never ended: what came after it
    return moments.moment(logs, begin, end, each=max(10, lines // len(logs)))


def _logs_address(test: TestRow) -> str:
    at = view.rfc3339(test.started_at.timestamp() - 1) if test.started_at else None
    return view.query(attempt=test.attempt, since=at)


def _group(uid: str, attempt: int, part: str, manifest: Manifest) -> _Group:
    rows = view.files(uid, attempt, part, manifest)
    title = "Evidence" if part == EVIDENCE else "Results" if part == "0" else f"Results of shard {part}"
    return _Group(title, rows[:_FILES_SHOWN], max(0, len(rows) - _FILES_SHOWN))
