"""The archive with its files in a bucket (MinIO) and its history in PostgreSQL, both real and in the cluster."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.e2e.conftest import OPERATOR_NAMESPACE, Bench, Release, archived, kubectl
from tests.e2e.servers import BUCKET, DATABASE, PASSWORD, USER, servers

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]

CREDENTIALS = "e2e-archive-credentials"


@pytest.fixture
async def places() -> AsyncIterator[str]:
    """The namespace of the two servers."""
    async with servers("postgres", "minio") as namespace:
        yield namespace


@pytest.fixture
async def elsewhere(places: str, release: Release) -> AsyncIterator[str]:
    """The release set up to use the servers of the namespace that is given."""
    variables = {
        "PGPASSWORD": PASSWORD,
        "AWS_ACCESS_KEY_ID": USER,
        "AWS_SECRET_ACCESS_KEY": PASSWORD,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://minio.{places}.svc:9000",
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": CREDENTIALS}, "stringData": variables}
    await kubectl("-n", OPERATOR_NAMESPACE, "apply", "-f", "-", given=json.dumps(secret))
    try:
        await release.install(
            archive={
                "bucket": f"s3://{BUCKET}/seatrial",
                "database": f"postgresql://postgres@postgres.{places}.svc/{DATABASE}",
                "envFrom": [{"secretRef": {"name": CREDENTIALS}}],
            }
        )
        yield places
    finally:
        await kubectl("-n", OPERATOR_NAMESPACE, "delete", "secret", CREDENTIALS)


async def test_files_in_a_bucket_and_history_in_postgres(bench: Bench, elsewhere: str) -> None:
    name = await bench.start(
        {"services": {"postgres": {}}}, tests={"test_it.py": "def test_it():\n    assert 1 == 2\n"}
    )
    uid = await bench.uid(name)
    assert (await bench.verdict(name))["verdict"] == "Failed"
    await bench.cleaned_up(name)

    await kubectl("-n", OPERATOR_NAMESPACE, "rollout", "restart", "deployment/seatrial-archive")
    await kubectl("-n", OPERATOR_NAMESPACE, "rollout", "status", "deployment/seatrial-archive", "--timeout=90s")
    held = await archived(uid)
    assert [shard["complete"] for attempt in held["attempts"] for shard in attempt["shards"]] == [True]

    list_set = f"echo /data/{BUCKET}/seatrial/runs/{uid}/1/0/*"
    assert "manifest.json" in await kubectl("-n", elsewhere, "exec", "minio", "--", "sh", "-c", list_set)
    query = f"select verdict from runs where uid = '{uid}'"
    psql = ("psql", "-U", "postgres", "-tAc", query, DATABASE)
    assert (await kubectl("-n", elsewhere, "exec", "postgres", "--", *psql)).strip() == "Failed"
