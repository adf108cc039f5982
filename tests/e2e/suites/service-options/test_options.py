"""An older Postgres, a Redis cluster, and the pages of MinIO and Temporal."""
import os
import urllib.request

import psycopg
from redis.cluster import RedisCluster


def test_version_16_with_vectors():
    with psycopg.connect(os.environ["POSTGRES_URL"], autocommit=True) as db:
        assert db.execute("show server_version").fetchone()[0].startswith("16.")
        assert db.execute("select '[3,1]'::vector <-> '[0,1]'").fetchone() == (3.0,)


def test_a_cluster_of_redis():
    cluster = RedisCluster.from_url(os.environ["REDIS_URL"])
    for n in range(50):
        cluster.set(f"key-{n}", n)
    assert cluster.get("key-49") == b"49"
    assert [node.host for node in cluster.get_nodes()] == ["redis"]


def test_pages():
    for url in ("http://minio:9001/", "http://temporal:8233/"):
        with urllib.request.urlopen(url, timeout=10) as page:
            assert b"<html" in page.read().lower()
