"""The pages in a real Chromium: nothing hostile runs, anybody can use them, and they keep up with what happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.pages import demo
from tests.pages.conftest import Open, Site, windows

WIDE: ViewportSize = {"width": 1280, "height": 720}
NARROW: ViewportSize = {"width": 390, "height": 844}
FAILED, HOSTILE = f"/runs/{demo.uid(23)}", f"/runs/{demo.uid(24)}"
INT_020 = quote("tests/integration/test_orders.py::test_int_020_rejects_an_order_without_stock")
PAGES = {
    "runs": "/",
    "failed": FAILED,
    "errored": f"/runs/{demo.uid(22)}",
    "running": f"/runs/{demo.uid(25)}",
    "sharded": f"/runs/{demo.uid(27)}",
    "hostile": HOSTILE,
    "tests": f"{FAILED}/tests",
    "test": f"{FAILED}/test?id={INT_020}",
    "logs": f"{FAILED}/logs",
    "file": f"{FAILED}/files/1/evidence/logs/orders.log?text=error",
    "picture": f"{FAILED}/files/1/0/artifacts/page.png",
    "history": f"/tests?namespace=team-orders&id={quote(demo.names(41)[3])}",
    "flaky": "/flaky?since=30d",
    "sign-in": "/sign-in",
}
LOADS_SCRIPT = """address => new Promise(done => {
  const script = document.createElement('script');
  script.src = address; script.onerror = done; script.onload = done;
  document.head.append(script);
})"""


@pytest.fixture(scope="module", params=PAGES)
def shown(request: pytest.FixtureRequest, chromium: Browser, site: Site) -> Iterator[Page]:
    """A page, opened once: opening one takes longer than looking at it."""
    with windows(chromium, site, []) as opening:
        yield opening(PAGES[request.param])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(shown: Page, scheme: Literal["light", "dark"]) -> None:
    shown.set_viewport_size(WIDE)
    shown.emulate_media(color_scheme=scheme)
    found = Axe().run(shown, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_narrow_window_needs_no_sideways_scrolling(shown: Page) -> None:
    shown.set_viewport_size(NARROW)
    assert shown.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_the_keyboard_is_enough(open_page: Open) -> None:
    page = open_page("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox", name="Text")).to_be_focused()
    page.keyboard.type("reserved nowhere")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No run matches")).to_be_visible()
    assert "text=reserved" in page.url


def test_nothing_needs_scripts(open_page: Open) -> None:
    page = open_page("/", java_script_enabled=False)
    page.get_by_label("Reason").fill("ServiceLost")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="pr-1222", exact=True).click()
    expect(page.get_by_text("postgres ended: out of memory")).to_be_visible()
    page.get_by_role("link", name="All 12 tests").click()
    expect(page.get_by_role("row")).to_have_count(13)


def test_all_works_behind_the_prefix_of_a_proxy(open_page: Open, site: Site) -> None:
    page = open_page(f"{site.proxy}/")
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px"  # the style sheet is there
    page.get_by_role("link", name="pr-1223", exact=True).click()
    page.get_by_role("link", name="All logs on one time axis").click()
    expect(page.get_by_text("Uvicorn running")).to_be_visible()
    page.get_by_role("link", name="Flaky tests").click()
    page.get_by_role("link", name="test_payments_is_stored").click()
    page.get_by_role("link", name="pr-1223", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("test_payments_is_stored")
    assert page.url.startswith(f"{site.proxy}/runs/")


@pytest.mark.parametrize(
    "address",
    ["/", HOSTILE, f"{HOSTILE}/tests", f"{HOSTILE}/logs", f"{HOSTILE}/files/1/evidence/logs/orders.log",
     f"{HOSTILE}/files/1/0/artifacts/x.svg", f"{HOSTILE}/files/1/0/artifacts/evil.js", f"/?text={quote(demo.HOSTILE)}"],
)  # fmt: skip
def test_hostile_texts_do_not_run(open_page: Open, address: str) -> None:
    page = open_page(address)
    for box in page.locator("summary").all():
        box.click()
    assert page.evaluate("typeof window.pwned") == "undefined"
    assert page.locator("main img:not(.picture), main svg script").count() == 0


def test_hostile_tests_and_files_do_not_run_when_they_are_opened(open_page: Open) -> None:
    page = open_page(HOSTILE)
    links = page.locator("main a[href]:not([download])").evaluate_all("links => links.map(link => link.href)")
    for link in sorted({link for link in links if link.startswith(page.evaluate("location.origin"))}):
        page.goto(link)
        assert page.evaluate("typeof window.pwned") == "undefined", link
    assert not [link for link in links if link.startswith("javascript")]


def test_stored_files_are_downloaded_or_run_nothing(open_page: Open, complaints: list[str]) -> None:
    page = open_page(HOSTILE)
    addresses = page.locator("a[download]").evaluate_all("links => links.map(link => link.href)")
    stored = [address for address in addresses if "/files/" in address]
    assert stored
    for address in stored:
        answer = page.request.get(address)
        assert "sandbox" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not answer.headers.get("content-type", "").startswith(("text/html", "image/svg", "text/javascript"))
    page.evaluate(LOADS_SCRIPT, next(address for address in stored if address.endswith("evil.js")))
    assert page.evaluate("typeof window.pwned") == "undefined"
    assert "Refused to execute script" in complaints.pop()


def test_a_new_run_appears_in_the_list(open_page: Open, site: Site) -> None:
    page = open_page("/?text=pr-1260")
    page.evaluate("document.querySelector('[data-refresh]').dataset.kept = 'yes'")
    expect(page.get_by_text("No run matches")).to_be_visible()
    site.add(demo.cancelled(60, datetime.now(UTC)))
    expect(page.get_by_role("link", name="pr-1260", exact=True)).to_be_visible(timeout=20_000)
    expect(page.locator("[data-kept]")).to_have_count(1)  # the page itself was not loaded anew


def test_a_run_fills_its_page_as_tests_end_and_then_says_how_it_ended(open_page: Open, site: Site) -> None:
    began = datetime.now(UTC)
    run = demo.running(61, began)
    site.record(run)
    page = open_page(f"/runs/{run.uid}")
    tests = [
        demo.Test(demo.HOSTILE, "failed", message=f"assert {demo.HOSTILE}"),
        *(demo.Test(name) for name in demo.names(7)),
    ]
    events = list(demo.events_of(tests, began.timestamp()))
    site.live(run, *events[:8])
    expect(page.get_by_role("status")).to_contain_text("of 8 tests")
    site.live(run, *events[8:-1])
    expect(page.get_by_role("status")).to_contain_text("8 of 8 tests: 1 failed, 7 passed")
    expect(page.locator("#live-tests tbody tr")).to_have_count(8)
    expect(page.locator("#live-tests tbody tr").last).to_contain_text("<script>")
    expect(page.locator("#live-tests .why")).to_contain_text("assert <script>")
    assert page.evaluate("typeof window.pwned") == "undefined"
    ended = demo.failed(61, began)
    site.results(ended)
    site.record(ended)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Failed", timeout=20_000)
    expect(page.get_by_role("heading", name="Failures in detail")).to_be_visible()


def test_who_opens_a_long_run_late_sees_how_far_it_is(open_page: Open, site: Site) -> None:
    run = demo.running(62, datetime.now(UTC))
    site.record(run)
    end = {"event": "end", "t": 1.0, "outcome": "passed", "seconds": 0.1}
    ends = [{**end, "id": f"t.py::t[{n}]"} for n in range(3_000)]
    site.live(run, {"event": "collected", "t": 1.0, "count": 5_000}, *ends)
    page = open_page(f"/runs/{run.uid}")
    expect(page.get_by_role("status")).to_contain_text("3000 of 5000 tests: 3000 passed")
    site.live(run, {"event": "end", "t": 1.0, "id": "t.py::last", "outcome": "error", "seconds": 0.1})
    expect(page.get_by_role("status")).to_contain_text("3001 of 5000 tests: 3000 passed, 1 error")


def test_twenty_thousand_tests_do_not_make_a_page_heavy(
    open_page: Open, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add(demo.large(70, datetime.now(UTC)))
    figures = []
    for address in ("", "/tests", "/tests?order=duration&text=refused", f"/test?id={quote(demo.names(1)[0])}", "/logs"):
        page = open_page(f"/runs/{demo.uid(70)}{address}")
        timing = page.evaluate(
            "(() => { const t = performance.getEntriesByType('navigation')[0];"
            " return [t.responseEnd - t.requestStart, t.domComplete, t.decodedBodySize]; })()"
        )
        elements = page.evaluate("document.querySelectorAll('*').length")
        figures.append(
            f"{address or '/'}: answer {timing[0]:.0f} ms, shown {timing[1]:.0f} ms, "
            f"{timing[2] / 1024:.0f} KiB, {elements} elements"
        )
        assert elements < 6_000
        assert timing[2] < 1024 * 1024
    with capsys.disabled():
        print("\n20,000 tests:", *figures, sep="\n  ")
    page = open_page(f"/runs/{demo.uid(70)}/tests?order=id")
    expect(page.get_by_text("20\u202f000 tests")).to_be_visible()
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("row")).to_have_count(101)
