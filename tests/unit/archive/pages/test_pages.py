"""The pages through the application, as a browser asks for them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urljoin

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request

from seatrial.archive.server.access.readers import COOKIE
from seatrial.archive.server.errors import UnauthorizedError
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from seatrial.archive.server.pages.routes import page_routes
from tests.pages import demo

NOW = datetime.now(UTC)
INT_020 = "tests/integration/test_orders.py::test_int_020_rejects_an_order_without_stock"


class Somebody:
    """May read what their token names: `token-of-a` the namespace a, `root` all."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def uids(self, namespaces: Iterable[str]) -> frozenset[str] | None:
        return None

    async def may_read(self, namespace: str, uid: str = "") -> bool:
        return self._token in ("root", f"token-of-{namespace}")

    async def namespaces(self, candidates: Iterable[str]) -> frozenset[str] | None:
        return None if self._token == "root" else frozenset([name for name in candidates if await self.may_read(name)])


async def reader(request: Request) -> Somebody:
    token = request.cookies.get(COOKIE, "")
    if token != "root" and not token.startswith("token-of-"):
        raise UnauthorizedError("who are you?")
    return Somebody(token)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Starlette]:
    folder: Path = tmp_path_factory.mktemp("archive")
    history = History(database_url("", folder))
    history.migrate()
    files = demo.Memory()
    demo.fill(history, files, demo.everything(NOW))
    yield Starlette(routes=page_routes(history, files, reader))
    history.close()


@pytest.fixture
async def browser(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://archive", cookies={COOKIE: "root"}
    ) as client:
        yield client


@asynccontextmanager
async def archive_of(folder: Path, runs: list[demo.Run]) -> AsyncIterator[httpx.AsyncClient]:
    """An archive with these runs alone, and one who may read all."""
    history = History(database_url("", folder))
    history.migrate()
    files = demo.Memory()
    demo.fill(history, files, runs)
    app = Starlette(routes=page_routes(history, files, reader))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://a", cookies={COOKIE: "root"}
    ) as one:
        yield one
    history.close()


async def shown(browser: httpx.AsyncClient, address: str, status: int = 200) -> str:
    """What a page says, without its tags."""
    answer = await browser.get(address)
    assert answer.status_code == status, answer.text
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", answer.text)))


class Tags(HTMLParser):
    """The tags of a page with their attributes, as a browser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    @property
    def links(self) -> set[str]:
        names = ("href", "src", "action", "data-live")
        return {link for _, attributes in self.found for name in names if (link := attributes.get(name)) is not None}


def names_in(page: str) -> list[str]:
    return re.findall(r'<a class="row" href="runs/[^"]+">([^<]+)<', page)


PAGES = {
    "runs": "/",
    "failed": f"/runs/{demo.uid(23)}",
    "errored": f"/runs/{demo.uid(22)}",
    "not started": f"/runs/{demo.uid(21)}",
    "cancelled": f"/runs/{demo.uid(20)}",
    "running": f"/runs/{demo.uid(25)}",
    "passed": f"/runs/{demo.uid(4)}",
    "hostile": f"/runs/{demo.uid(24)}",
    "internal error": f"/runs/{demo.uid(26)}",
    "sharded": f"/runs/{demo.uid(27)}",
    "first attempt": f"/runs/{demo.uid(27)}?attempt=1",
    "no tests": f"/runs/{demo.uid(28)}",
    "tests": f"/runs/{demo.uid(23)}/tests",
    "tests of none": f"/runs/{demo.uid(21)}/tests",
    "test": f"/runs/{demo.uid(23)}/test?id={quote(INT_020)}",
    "logs": f"/runs/{demo.uid(23)}/logs",
    "logs of none": f"/runs/{demo.uid(21)}/logs",
    "file": f"/runs/{demo.uid(23)}/files/1/evidence/logs/orders.log",
    "picture": f"/runs/{demo.uid(23)}/files/1/0/artifacts/page.png",
    "history": f"/tests?namespace=team-orders&id={quote(demo.names(41)[3])}",
    "flaky": "/flaky?since=30d",
    "sign-in": "/sign-in",
}


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_is_shown_with_its_guard(browser, page):
    answer = await browser.get(PAGES[page])
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    tags = Tags(answer.text)
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on") or name == "style"]
    assert all(attributes.get("src") for tag, attributes in tags.found if tag == "script")
    assert not [tag for tag, _ in tags.found if tag in ("style", "iframe", "object", "embed", "base")]


@pytest.mark.parametrize("page", PAGES)
async def test_addresses_are_relative_and_lead_somewhere(browser, page):
    """Behind a proxy's prefix an address that begins with a slash would leave the archive."""
    answer = await browser.get(PAGES[page])
    found = Tags(answer.text).links
    assert found
    for link in sorted(found):
        assert not link.startswith("/"), link
        if link.startswith(("https://", "#")):
            continue
        target = urljoin(f"http://archive/prefix{PAGES[page]}", link)
        assert target.startswith("http://archive/prefix/"), (link, target)
        path = target.removeprefix("http://archive/prefix")
        if not path.startswith(("/v1/", "/sign-out")):
            assert (await browser.get(path)).status_code == 200, (link, path)


def minutes_since(moment: datetime) -> int:
    return round((datetime.now(UTC) - moment).total_seconds() / 60)


# The list


async def test_the_list_has_what_each_run_is_about(browser):
    earliest = minutes_since(NOW - timedelta(minutes=25))
    text = await shown(browser, "/")
    latest = minutes_since(NOW - timedelta(minutes=25))
    assert "21 runs" in text
    for word in ("pr-1223", "team-orders", "TestsFailed", "39/42, 2 failed, 1 flaky", "ci@example.org with seatrial",
                 "ServiceLost", "out of memory", "Testing", "so far", "Cancelled"):  # fmt: skip
        assert word in text
    assert any(f" {minutes} min ago" in text for minutes in range(earliest, latest + 1))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("?verdict=Errored", ["pr-1222", "pr-1221", "pr-1226", "pr-1228"]),
        ("?verdict=running", ["pr-1225"]),
        ("?reason=ImagePullFailed", ["pr-1221"]),
        ("?namespace=team-search", ["pr-1220"]),
        ("?text=1223", ["pr-1223"]),
        ("?text=OUT+OF+MEMORY", ["pr-1222"]),
        ("?label=branch%3Dstock-check", ["pr-1223"]),
        ("?label=branch%3Dmain+commit%3D8f3c2d1&verdict=Cancelled", ["pr-1220"]),
        ("?since=1h&verdict=Failed", ["pr-hostile", "pr-1223"]),
        ("?namespace=nobody", []),
    ],
)
async def test_filters(browser, question, expected):
    page = (await browser.get(f"/{question}")).text
    assert names_in(page) == expected
    assert "with these filters" in page


async def test_an_unknown_verdict_is_refused_by_name(browser):
    text = await shown(browser, "/?verdict=Great", 400)
    assert "'Great' is not a verdict" in text
    assert "use running or Passed" in text


async def test_an_empty_archive_says_how_to_begin(tmp_path):
    async with archive_of(tmp_path, []) as browser:
        assert "seatrial run" in await shown(browser, "/")
        assert "No test is flaky in this time" in await shown(browser, "/flaky")


async def test_a_long_list_has_pages(tmp_path):
    async with archive_of(tmp_path, [demo.cancelled(n, NOW - timedelta(minutes=n)) for n in range(120)]) as browser:
        address, seen = "/", []
        while address:
            page = (await browser.get(address)).text
            seen += names_in(page)
            older = re.search(r'href="([^"]+)" rel="next"', page)
            address = "/" + html.unescape(older[1]) if older else ""
    assert seen == [f"pr-{1200 + n}" for n in range(120)]


async def test_the_cause_comes_first(browser):
    text = await shown(browser, PAGES["failed"])
    order = ["Failed pr-1223", "2 failed, 39 passed, 1 skipped; first", "What the evidence says",
             "postgres: a column is missing", "2 failed tests",
             "Where the time went", "Failures in detail", "All tests", "Components", "Evidence and files",
             "Run it again"]  # fmt: skip
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            "errored",
            [
                "ServiceLost",
                "postgres ended: out of memory",
                "orders: could not reach postgres",
                "killed: out of memory, exit 137",
                "the node did not answer in time",
            ],
        ),
        ("not started", ["ImagePullFailed", "can't be pulled: not found", "never started"]),
        ("cancelled", ["cancelled by spec.cancel"]),
        ("running", ["Right now", "No test has started", "so far"]),
        ("passed", ["40 passed, 1 skipped", "1 of them flaky", "verdict after"]),
        ("internal error", ["InternalError", "the operator failed on this run 5 times", "clean-up 5.7 s"]),
        ("no tests", ["NoTestsCollected", "Tests2 skipped", "the files skip themselves"]),
        (
            "sharded",
            [
                "Attempt1 (NodeLost) 2",
                "Tests1 failed, 21 passed, 8 never ran",
                "6 deselected; 8 never ran: stopping after 1 failures",
                "tests shard 0",
                "tests shard 1",
                "Reports of all shards and attempts: junit.xml",
            ],
        ),
        (
            "first attempt",
            [
                "attempt 1, which ended with NodeLost: node worker-2 is gone. The verdict comes from attempt 2.",
                "The archive has no file of this attempt.",
            ],
        ),
    ],
)
async def test_what_runs_say(browser, page, expected):
    text = await shown(browser, PAGES[page])
    for part in expected:
        assert part in text


@pytest.mark.parametrize("page", ["failed", "test"])
async def test_the_logs_of_these_seconds_stand_beside_the_failure(browser, page):
    text = await shown(browser, PAGES[page])
    logged = text[text.index("Logs of the components during the test") :]
    order = ["the test starts", 'postgres ERROR: column "reserved"', "orders ERROR: Exception in ASGI application",
             "orders INFO: 10.244.0.17:41000", "minio PutObject", "the test ends"]  # fmt: skip
    assert [logged.index(part) for part in order] == sorted(logged.index(part) for part in order)
    assert "Uvicorn running" not in logged  # that was long before


async def test_a_run_that_goes_on_looks_again_without_scripts(browser):
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in (await browser.get(PAGES["running"])).text
    assert "http-equiv" not in (await browser.get(PAGES["failed"])).text


async def test_a_hint_leads_to_its_line(browser):
    page = (await browser.get(PAGES["failed"])).text
    link = re.search(r'href="([^"]*logs/postgres.log[^"]*#mark)"', page)
    assert link
    file = (await browser.get("/runs/" + html.unescape(link[1]))).text
    assert re.search(r'id="mark">.*?ERROR: {2}column', file)


async def test_the_manifest_to_repeat_the_run(browser):
    answer = await browser.get(f"/runs/{demo.uid(23)}/again.yaml")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="pr-1223.yaml"'
    repeated = yaml.safe_load(answer.text)
    assert repeated["spec"] == demo.SPEC
    assert repeated["metadata"]["generateName"] == "pr-1223-"


async def test_the_page_asks_to_replace_masked_values_of_the_manifest(browser, tmp_path):
    assert "***" not in await shown(browser, PAGES["failed"])
    run = demo.cancelled(1, NOW)
    run.record["spec"] = {"env": [{"name": "API_KEY", "value": "***"}], "tests": {}}
    async with archive_of(tmp_path, [run]) as other:
        assert "The archive keeps no secret values: replace each ***" in await shown(other, f"/runs/{run.uid}")


async def test_coverage_and_the_notes_of_the_runner(browser, tmp_path):
    assert "Coverage" not in await shown(browser, PAGES["passed"])
    run = demo.passed(1, NOW)
    summary = json.loads(run.sets["0"]["summary.json"])
    summary |= {"coverage": {"lineRate": 0.8799}, "notes": ["a worker crashed <script>"]}
    html_of = {f"coverage/html/{number}.html": b"" for number in range(300)}
    run.sets["0"] |= {"summary.json": json.dumps(summary).encode(), "coverage/coverage.xml": b"<coverage/>", **html_of}
    async with archive_of(tmp_path, [run]) as other:
        page = (await other.get(f"/runs/{run.uid}")).text
        read = await shown(other, f"/runs/{run.uid}")
    assert "Coverage: 87 % of lines, coverage.xml" in read
    assert f"../v1/runs/{run.uid}/coverage.xml" in Tags(page).links
    assert "<li>a worker crashed &lt;script&gt;</li>" in page
    assert "summary.json" in read  # not crowded out by the many files of HTML


@pytest.mark.parametrize(
    ("question", "count", "first"),
    [
        ("", 42, INT_020),
        ("?outcome=bad", 2, INT_020),
        ("?outcome=skipped", 1, "tests/integration/test_search.py::TestNightly::test_search_is_stored"),
        ("?outcome=flaky", 1, "tests/integration/test_payments.py::test_payments_is_refused_twice"),
        ("?text=INT-020", 1, INT_020),
        ("?text=undone&order=id", 5, None),
        ("?order=duration", 42, INT_020),
        ("?text=nothing+like+it", 0, None),
    ],
)
async def test_tests_of_a_run(browser, question, count, first):
    page = (await browser.get(PAGES["tests"] + question)).text
    assert f"{count} test" in page
    ids = [html.unescape(one) for one in re.findall(r'href="test\?attempt=1&amp;id=([^"]+)"', page)]
    assert len(ids) == count
    assert first is None or ids[0] == quote(first, safe="")


@pytest.mark.parametrize("question", ["?order=random", "?outcome=odd", "?cursor=none"])
async def test_wrong_filters_of_tests_are_refused(browser, question):
    assert "That does not work" in await shown(browser, PAGES["tests"] + question, 400)


async def test_logs_on_one_axis_can_be_searched_and_chosen(browser):
    text = await shown(browser, PAGES["logs"] + "?text=reserved")
    assert [text.count(part) for part in ("postgres ERROR", "postgres STATEMENT", "Uvicorn")] == [1, 1, 0]
    text = await shown(browser, PAGES["logs"] + "?component=minio")
    assert "PutObject" in text
    assert "Uvicorn" not in text
    assert "No line of these logs matches" in await shown(browser, PAGES["logs"] + "?since=2100-01-01")


async def test_a_file_is_text_whatever_it_is(browser):
    answer = await browser.get(f"/runs/{demo.uid(23)}/files/1/0/artifacts/report.html")
    assert "&lt;h1&gt;report&lt;/h1&gt;" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_search_in_a_file(browser):
    text = await shown(browser, PAGES["file"] + "?text=500+internal")
    assert "1 of 46 lines" in text
    assert "Uvicorn" not in text


@pytest.mark.parametrize(
    "address",
    [
        "/runs/nothing",
        f"/runs/{demo.uid(99)}",
        f"/runs/{demo.uid(23)}?attempt=7",
        f"/runs/{demo.uid(23)}/test?id=none",
        f"/runs/{demo.uid(23)}/files/1/0/none.txt",
        f"/runs/{demo.uid(23)}/files/1/7/summary.json",
        "/static/none.css",
        "/static/..%2froutes.py",
    ],
)
async def test_what_is_not_there(browser, address):
    answer = await browser.get(address)
    assert answer.status_code == 404
    assert "Content-Security-Policy" in answer.headers or "static" in address


async def test_the_history_of_a_test(browser):
    text = await shown(browser, PAGES["history"])
    assert "14 of the last 14" in text
    assert "Flaky3" in text.replace(" ", "")


async def test_flaky_tests_are_ranked(browser):
    text = await shown(browser, PAGES["flaky"])
    assert "test_payments_is_stored" in text
    assert "3 times" in text


async def test_nobody_is_asked_to_sign_in_and_comes_back(app):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://archive/") as browser:
        answer = await browser.get(PAGES["tests"] + "?outcome=bad")
        assert answer.status_code == 303
        sign_in = urljoin(f"http://archive{PAGES['tests']}", answer.headers["Location"])
        assert sign_in.startswith("http://archive/sign-in?next=")
        page = (await browser.get(sign_in)).text
        asked = html.unescape(re.search(r'name="next" value="([^"]*)"', page)[1])
        answer = await browser.post("/sign-in", data={"token": " root ", "next": asked})
        assert answer.status_code == 303
        assert (
            urljoin("http://archive/sign-in", answer.headers["Location"])
            == f"http://archive{PAGES['tests']}?outcome=bad"
        )
        cookie = answer.headers["Set-Cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "path=" not in cookie
        assert (await browser.get(PAGES["tests"])).status_code == 200
        answer = await browser.post("/sign-out")
        assert (await browser.get(PAGES["tests"])).status_code == 303


@pytest.mark.parametrize("token", ["", "two words", "a;b", "näh", "a\nSet-Cookie: b=c", "x" * 100_000])
async def test_what_is_no_token(browser, token):
    answer = await browser.post("/sign-in", data={"token": token, "next": ""})
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


async def test_a_token_that_is_refused_is_reported(app):
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://a", cookies={COOKIE: "old"}
    ) as browser:
        answer = await browser.get("/")
        assert "does not accept this token" in await shown(browser, urljoin("http://a/", answer.headers["Location"]))


@pytest.mark.parametrize(
    "where", ["https://evil.example", "//evil.example", "\\\\evil.example", "/../..//evil.example", "javascript:x"]
)
async def test_signing_in_leads_nowhere_else(browser, where):
    answer = await browser.post("/sign-in", data={"token": "root", "next": where})
    assert urljoin("http://archive/sign-in", answer.headers["Location"]).startswith("http://archive/")


async def test_a_form_of_another_site_signs_nobody_in(browser):
    answer = await browser.post("/sign-in", data={"token": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


async def test_one_sees_ones_own_namespaces_alone(app):
    mine = {COOKIE: "token-of-team-search"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://archive", cookies=mine
    ) as browser:
        page = (await browser.get("/")).text
        assert names_in(page) == ["pr-1220"]
        assert "team-orders" not in page
        assert (await browser.get(f"/runs/{demo.uid(20)}")).status_code == 200
        for name in ("failed", "tests", "test", "logs", "file", "history"):
            foreign = await browser.get(PAGES[name])
            assert foreign.status_code == 404, name
            assert "reserved" not in foreign.text
        assert (await browser.get(f"/runs/{demo.uid(23)}/again.yaml")).status_code == 404
        assert "No test is flaky in this time" in await shown(browser, PAGES["flaky"])
        assert "No test is flaky in this time" in await shown(browser, PAGES["flaky"] + "&namespace=team-orders")
        assert names_in((await browser.get("/?namespace=team-orders")).text) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/tests",
        "/logs",
        "/again.yaml",
        "/files/1/evidence/logs/orders.log",
        "/files/1/evidence/hints.json",
        "/files/1/0/events.jsonl",
    ],
)
async def test_hostile_texts_are_only_texts(browser, address):
    answer = await browser.get(f"/runs/{demo.uid(24)}{address}")
    assert answer.status_code == 200
    if "html" in answer.headers["Content-Type"]:
        assert "<script>window" not in answer.text
        assert "<img src=x" not in answer.text
        assert not [
            link for link in Tags(answer.text).links if link.strip().lower().startswith(("javascript:", "data:"))
        ]
        assert "&lt;script&gt;window.pwned=1" in answer.text
    else:
        assert answer.headers["Content-Disposition"].startswith("attachment")


async def test_hostile_addresses_are_only_texts(browser):
    attack = quote(demo.HOSTILE)
    for address in (f"/?text={attack}&namespace={attack}&reason={attack}&label=a%3D{quote('<script>')}",
                    f"/?verdict={attack}",
                    f"/flaky?namespace={attack}", f"/tests?namespace=a&id={attack}", f"/sign-in?next={attack}",
                    f"/runs/{attack}",
                    f"{PAGES['tests']}?text={attack}", f"{PAGES['file']}?text={attack}",
                    f"{PAGES['logs']}?text={attack}"):  # fmt: skip
        text = (await browser.get(address)).text
        assert "<script>" not in text, address
        assert "<img src=x" not in text, address
