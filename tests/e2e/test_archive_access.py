"""Who may read what of the archive: the cluster's own tokens and rights decide, namespace by namespace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from seatrial.archive.client.errors import ArchiveRefusedError
from seatrial.cli.open import relaying
from seatrial.kube.kinds import NAMESPACE
from tests.e2e.conftest import Bench, eventually
from tests.e2e.tenants import account, as_

pytestmark = pytest.mark.cluster


@pytest.fixture
async def neighbour(bench: Bench) -> AsyncIterator[str]:
    """Another tenant's namespace."""
    name = f"{bench.namespace}-b"
    await bench.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await bench.cluster.delete(NAMESPACE, name)


async def test_one_namespace_cannot_read_anothers_results(bench: Bench, neighbour: str, tmp_path: Path) -> None:
    name = await bench.start({}, tests={"test_it.py": "def test_it():\n    print('a secret of theirs')\n"})
    await bench.verdict(name)
    uid = await bench.uid(name)
    mine = await account(bench.cluster, bench.namespace, "seatrial-view")
    theirs = await account(bench.cluster, neighbour, "seatrial-view")

    async with as_(mine, bench.namespace, tmp_path) as session:

        async def recorded() -> bool:
            run = await session.archive.run(uid)
            return run is not None and run["verdict"] == "Passed"

        await eventually(recorded, "the archive knows the verdict", 30)
        assert await session.archive.find(bench.namespace, name) == uid
        found = await session.archive.manifest(uid, 1, 0)
        assert found is not None
        summary = found[1].file("summary.json")
        assert summary is not None
        await session.archive.download(uid, 1, 0, summary, tmp_path)
        async with (
            relaying(session.transport, 0) as address,
            httpx.AsyncClient(base_url=address, timeout=30) as browser,
        ):
            page = await browser.get(f"/runs/{uid}")
            assert (page.status_code, name in page.text) == (200, True)

    async with as_(theirs, neighbour, tmp_path) as session:
        assert await session.archive.run(uid) is None
        assert await session.archive.find(bench.namespace, name) is None
        assert await session.archive.manifest(uid, 1, 0) is None
        with pytest.raises(ArchiveRefusedError):
            await session.archive.download(uid, 1, 0, summary, tmp_path / "theirs")
        async with (
            relaying(session.transport, 0) as address,
            httpx.AsyncClient(base_url=address, timeout=30) as browser,
        ):
            for path in ("", f"runs/{uid}", "v1/runs", f"v1/runs/{uid}/tests", "v1/tests/flaky", f"v1/runs/{uid}/live"):
                assert name not in (await browser.get(f"/{path}")).text, path


async def test_who_has_no_right_on_runs_sees_none_and_a_stranger_is_not_let_in(bench: Bench, tmp_path: Path) -> None:
    token = await account(bench.cluster, bench.namespace)
    async with (
        as_(token, bench.namespace, tmp_path) as session,
        relaying(session.transport, 0) as address,
        httpx.AsyncClient(base_url=address, timeout=30) as browser,
    ):
        assert (await browser.get("/v1/runs")).json()["total"] == 0
    async with as_("made.up", bench.namespace, tmp_path) as session:
        with pytest.raises(ArchiveRefusedError, match="401"):
            await session.archive.run("u")
