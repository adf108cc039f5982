"""Orders from the first request to their end."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx
import pytest
from conftest import Database, MakeProduct, Shop

pytestmark = pytest.mark.integration_p0


async def test_int_005_an_order_is_confirmed_and_taken_from_the_stock(
    shop: Shop, db: Database, product: MakeProduct
) -> None:
    rope, flag = product(stock=10, price_cents=250), product(stock=3, price_cents=1_999)
    order_id = await shop.order({rope: 4, flag: 1})
    order = await shop.settled(order_id)
    assert (order["status"], order["total_cents"]) == ("confirmed", 4 * 250 + 1_999)
    lines = db.all("select sku, quantity, price_cents from order_lines where order_id = %s", order_id)
    assert sorted((line["sku"], line["quantity"], line["price_cents"]) for line in lines) == sorted(
        [(rope, 4, 250), (flag, 1, 1_999)]
    )
    assert (shop.stock(rope), shop.stock(flag)) == (6, 2)


async def test_int_006_the_receipt_lies_in_the_bucket(
    shop: Shop, db: Database, bucket: Any, product: MakeProduct
) -> None:
    sku = product(stock=5, price_cents=1_050)
    order_id = await shop.order({sku: 3}, customer="Grace Hopper")
    await shop.settled(order_id)
    key = db.one("select receipt_key from orders where id = %s", order_id)["receipt_key"]
    stored = await asyncio.to_thread(lambda: bucket.Object(key).get())
    text = stored["Body"].read().decode()
    assert stored["ContentType"] == "text/plain"
    for part in (order_id, "Grace Hopper", sku, "31.50"):
        assert part in text
    assert (await shop.api.get(f"/orders/{order_id}/receipt")).text == text


async def test_int_007_the_workflows_history_shows_each_step_once(shop: Shop, product: MakeProduct) -> None:
    order_id = await shop.order({product(stock=1): 1})
    assert await shop.workflow(order_id).result() == "confirmed"
    assert await shop.steps(order_id) == ["reserve_stock", "write_receipt", "confirm"]


async def test_int_008_an_order_beyond_the_stock_is_rejected_at_once(
    shop: Shop, bucket: Any, product: MakeProduct
) -> None:
    plenty, scarce = product(stock=9), product(stock=1)
    order_id = await shop.order({plenty: 5, scarce: 2})
    order = await shop.settled(order_id)
    assert (order["status"], order["reason"]) == ("rejected", f"out of stock: {scarce}")
    assert (shop.stock(plenty), shop.stock(scarce)) == (9, 1)
    assert await shop.steps(order_id) == ["reserve_stock", "set_status"], "it was not tried again"
    assert (await shop.api.get(f"/orders/{order_id}/receipt")).status_code == 404
    keys = await asyncio.to_thread(lambda: [entry.key for entry in bucket.objects.all()])
    assert not any(order_id in key for key in keys)


async def test_int_009_the_last_pieces_are_sold_once(shop: Shop, product: MakeProduct) -> None:
    sku = product(stock=5)
    ids = await asyncio.gather(*(shop.order({sku: 1}) for _ in range(12)))
    ends = [order["status"] for order in await asyncio.gather(*(shop.settled(order_id) for order_id in ids))]
    assert (ends.count("confirmed"), ends.count("rejected")) == (5, 7)
    assert shop.stock(sku) == 0


async def test_int_010_a_large_order_waits_until_it_is_approved(shop: Shop, product: MakeProduct) -> None:
    sku = product(stock=2, price_cents=60_000)
    order_id = await shop.order({sku: 2})
    await shop.awaiting_approval(order_id)
    assert (await shop.shown(order_id))["status"] == "awaiting_approval"
    assert (await shop.api.post(f"/orders/{order_id}/approve")).status_code == 202
    assert (await shop.settled(order_id))["status"] == "confirmed"
    assert (await shop.api.post(f"/orders/{order_id}/cancel")).status_code == 409, "too late"


async def test_int_011_a_cancelled_order_gives_its_pieces_back(shop: Shop, product: MakeProduct) -> None:
    sku = product(stock=3, price_cents=50_000)
    order_id = await shop.order({sku: 2})
    await shop.awaiting_approval(order_id)
    assert shop.stock(sku) == 1
    assert (await shop.api.post(f"/orders/{order_id}/cancel")).status_code == 202
    assert (await shop.settled(order_id))["status"] == "cancelled"
    assert shop.stock(sku) == 3


async def test_int_012_the_same_request_twice_is_one_order(
    api: httpx.AsyncClient, shop: Shop, db: Database, product: MakeProduct
) -> None:
    sku, key = product(stock=5), str(uuid.uuid4())
    body = {"customer": "Ada", "lines": [{"sku": sku, "quantity": 2}]}
    answers = await asyncio.gather(
        *(api.post("/orders", json=body, headers={"Idempotency-Key": key}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    (order_id,) = {answer.json()["id"] for answer in answers}
    assert (await shop.settled(order_id))["status"] == "confirmed"
    assert db.one("select count(*) from orders where idempotency_key = %s", key) == {"count": 1}
    assert shop.stock(sku) == 3
