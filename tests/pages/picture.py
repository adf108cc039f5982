"""Makes docs/page-of-a-run.png: `python -m tests.pages.picture`."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.pages import demo
from tests.pages.conftest import archive, browser

PICTURE = Path(__file__).parents[2] / "docs" / "page-of-a-run.png"


def main() -> None:
    """Takes the picture of a failed run, down to its first failure."""
    with tempfile.TemporaryDirectory() as folder, archive(Path(folder)) as site, browser() as chromium:
        run = demo.failed(23, datetime.now(UTC))
        site.add(run)
        page = chromium.new_page(base_url=site.base, viewport={"width": 1200, "height": 900})
        page.goto(f"/runs/{run.uid}")
        below = page.locator("article.failure").first.bounding_box()
        assert below is not None
        page.screenshot(
            path=PICTURE, full_page=True, clip={"x": 0, "y": 0, "width": 1200, "height": below["y"] + below["height"]}
        )


if __name__ == "__main__":
    main()
