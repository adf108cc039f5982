"""Each worker counts on an empty table and on a store of its own; both are global to the system."""
import os

import psycopg
import pytest
import redis

WORKER = os.environ["PYTEST_XDIST_WORKER"]
URL = os.environ["DATABASE_URL"]
CACHE = redis.Redis.from_url(os.environ["REDIS_URL"])


@pytest.fixture(autouse=True)
def clean():
    with psycopg.connect(URL, autocommit=True) as db:
        db.execute("truncate orders")
    CACHE.flushdb()


@pytest.mark.parametrize("n", range(20))
def test_one_order(n):
    with psycopg.connect(URL, autocommit=True) as db:
        db.execute("insert into orders values (%s)", [n])
        CACHE.incr("orders")
        db.execute("select pg_sleep(0.02)")
        assert db.execute("select array_agg(id) from orders").fetchone() == ([n],)
        assert db.execute("select current_database()").fetchone() == (f"app_{WORKER}",)
    assert CACHE.get("orders") == b"1"


def test_own_variables_follow():
    assert os.environ["DB_URL"].endswith(f"/app_{WORKER}?application_name=suite")
    assert os.environ["PGDATABASE"] == f"app_{WORKER}"
