"""The janitor against an API in this process: what it deletes, says and leaves alone, without any operator."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from seatrial.api.times import format_time
from seatrial.janitor import clean
from seatrial.kube.client import Cluster
from tests.api.kube import Kube, Write, failure, serving

NOW = datetime.now(UTC)
MARGIN = timedelta(minutes=5)


@pytest.fixture
async def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kube]:
    async with serving() as made:
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": made.url}}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }  # fmt: skip
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        made.end_namespaces = False
        yield made


async def environment(kube: Kube, name: str, expires_in: timedelta, **labels: str) -> None:
    metadata = {
        "name": name,
        "labels": {"app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/run-uid": f"uid-{name}", **labels},
        "annotations": {"seatrial.dev/expires-at": format_time(NOW + expires_in)},
        "creationTimestamp": format_time(NOW - timedelta(hours=3)),
    }
    await kube.put("namespaces", {"metadata": metadata})


def deleted(kube: Kube) -> set[str]:
    return {n["metadata"]["name"] for n in kube.all("namespaces") if "deletionTimestamp" in n["metadata"]}


async def look(**options: Any) -> bool:
    async with await Cluster.connect() as cluster:
        return await clean(cluster, NOW, MARGIN, **options)


async def test_it_deletes_what_has_expired_and_nothing_else(kube: Kube, capsys: pytest.CaptureFixture[str]) -> None:
    await environment(kube, "st-expired", timedelta(hours=-1))
    await environment(kube, "st-living", timedelta(hours=1))
    await environment(kube, "foreign", timedelta(hours=-1), **{"app.kubernetes.io/managed-by": "helm"})
    assert await look()
    assert deleted(kube) == {"st-expired"}
    assert "st-expired of run uid-st-expired" in capsys.readouterr().out


async def test_a_dry_run_only_reports(kube: Kube, capsys: pytest.CaptureFixture[str]) -> None:
    await environment(kube, "st-expired", timedelta(hours=-1))
    assert await look(dry_run=True)
    assert "st-expired" in capsys.readouterr().out
    assert kube.writes == []


async def test_a_namespace_that_took_the_name_meanwhile_is_not_deleted(kube: Kube) -> None:
    async def replaced(write: Write, when: str) -> web.StreamResponse | None:
        if when == "before":
            await kube.change("namespaces", write.name, "", {"metadata": {"uid": "another"}})
        return None

    await environment(kube, "st-expired", timedelta(hours=-1))
    kube.fault = replaced
    assert await look()
    assert deleted(kube) == set()


async def test_what_it_may_not_delete_is_reported_and_the_rest_is_deleted(
    kube: Kube, capsys: pytest.CaptureFixture[str]
) -> None:
    async def refuse(write: Write, when: str) -> web.StreamResponse | None:
        return failure(403, "Forbidden", "not you") if when == "before" and write.name == "st-a" else None

    await environment(kube, "st-a", timedelta(hours=-1))
    await environment(kube, "st-b", timedelta(hours=-1))
    kube.fault = refuse
    assert not await look()
    assert deleted(kube) == {"st-b"}
    assert "st-a could not be deleted: not you" in capsys.readouterr().err
