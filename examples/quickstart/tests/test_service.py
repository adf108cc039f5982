"""The service itself: it is up, has the newest schema, lists what the database holds, refuses nonsense."""

from __future__ import annotations

import uuid

import httpx
import pytest
from conftest import Database, MakeProduct

pytestmark = pytest.mark.integration_p0


async def test_int_001_the_service_is_healthy(api: httpx.AsyncClient) -> None:
    answer = await api.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_int_002_all_migrations_have_run(db: Database) -> None:
    assert db.all("select version_num from alembic_version") == [{"version_num": "0002"}]
    tables = {row["tablename"] for row in db.all("select tablename from pg_tables where schemaname = 'public'")}
    assert tables == {"alembic_version", "products", "orders", "order_lines"}


async def test_int_003_the_catalogue_is_what_the_database_has(
    api: httpx.AsyncClient, db: Database, product: MakeProduct
) -> None:
    sku = product(stock=7, price_cents=1_234)
    shown = {p["sku"]: p for p in (await api.get("/products")).json()}
    assert shown[sku] == {"sku": sku, "name": sku, "price_cents": 1_234, "stock": 7}
    assert {"anchor", "compass", "lifebuoy"} <= set(shown)
    assert set(shown) <= {row["sku"] for row in db.all("select sku from products")}


async def test_int_004_an_order_that_makes_no_sense_is_refused_and_leaves_nothing(
    api: httpx.AsyncClient, db: Database, product: MakeProduct
) -> None:
    sku = product(stock=1)
    customer = f"nobody-{uuid.uuid4()}"
    line = {"sku": sku, "quantity": 1}
    cases = [
        ({"lines": [line]}, "customer"),
        ({"customer": " ", "lines": [line]}, "customer"),
        ({"customer": customer, "lines": []}, "lines"),
        ({"customer": customer, "lines": [line, {"sku": sku}]}, "lines[1].quantity"),
        ({"customer": customer, "lines": [{"sku": sku, "quantity": 0}]}, "lines[0].quantity"),
        ({"customer": customer, "lines": [{"sku": sku, "quantity": 1.5}]}, "lines[0].quantity"),
        ({"customer": customer, "lines": [{"sku": "no-such-thing", "quantity": 1}]}, "no-such-thing"),
        ([], "object"),
    ]
    for body, complaint in cases:
        answer = await api.post("/orders", json=body)
        assert answer.status_code == 422, body
        assert complaint in answer.json()["error"], body
    assert db.all("select id from orders where customer = %s", customer) == []
    assert (await api.get(f"/orders/{uuid.uuid4()}")).status_code == 404
