"""How the tests reach the system: over HTTP as a customer does, and behind it: database, bucket, workflow history.

Where everything is stands in the environment. Each test makes its own products, so tests don't touch each other.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

if TYPE_CHECKING:  # slow to import: the fixtures do it, when a first test needs them
    from temporalio.client import Client, WorkflowHandle

Row = dict[str, Any]
MakeProduct = Callable[..., str]


@pytest.fixture(scope="session")
async def api() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=os.environ["ORDERS_API_URL"], timeout=60) as client:
        yield client


class Database:
    """Rows of the service's database, as dicts."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)

    def all(self, query: str, *values: object) -> list[Row]:
        return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> Row:
        (row,) = self.all(query, *values)
        return row

    def do(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="session")
def db() -> Iterator[Database]:
    database = Database(os.environ["DATABASE_URL"])
    yield database
    database.close()


@pytest.fixture(scope="session")
def bucket() -> Any:
    import boto3

    return boto3.resource("s3", region_name=os.environ["AWS_REGION"]).Bucket(os.environ["S3_BUCKET"])


@pytest.fixture(scope="session")
async def temporal() -> Client:
    from temporalio.client import Client

    return await Client.connect(
        os.environ["TEMPORAL_ADDRESS"], namespace=os.environ.get("TEMPORAL_NAMESPACE", "default")
    )


@pytest.fixture
def product(db: Database) -> MakeProduct:
    """Makes a product that no other test knows and gives its SKU."""

    def make(*, stock: int, price_cents: int = 1_000) -> str:
        sku = f"test-{uuid.uuid4().hex[:12]}"
        db.do(
            "insert into products (sku, name, price_cents, stock) values (%s, %s, %s, %s)", sku, sku, price_cents, stock
        )
        return sku

    return make


class Shop:
    """What most tests do: place orders, wait for their end, look at the stock."""

    def __init__(self, api: httpx.AsyncClient, db: Database, temporal: Client) -> None:
        self.api, self.db, self.temporal = api, db, temporal

    async def order(self, lines: dict[str, int], customer: str = "Ada") -> str:
        """Places an order over HTTP and gives its id."""
        body = {"customer": customer, "lines": [{"sku": sku, "quantity": n} for sku, n in lines.items()]}
        answer = await self.api.post("/orders", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def settled(self, order_id: str) -> Row:
        """The order over HTTP, once its workflow has ended."""
        await self.workflow(order_id).result()
        return await self.shown(order_id)

    async def shown(self, order_id: str) -> Row:
        """The order over HTTP, as it is now."""
        answer = await self.api.get(f"/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def awaiting_approval(self, order_id: str) -> None:
        """Returns when the order waits for a person. Fails when it ends instead."""
        async for event in self.workflow(order_id).fetch_history_events(wait_new_event=True):
            if event.HasField("timer_started_event_attributes"):
                return
        pytest.fail(f"the order did not wait: {await self.shown(order_id)}")

    def workflow(self, order_id: str) -> WorkflowHandle[Any, str]:
        """The order's workflow."""
        return self.temporal.get_workflow_handle(f"order-{order_id}", result_type=str)

    async def steps(self, order_id: str) -> list[str]:
        """The activities that the workflow's history has, in their order."""
        history = await self.workflow(order_id).fetch_history()
        return [
            event.activity_task_scheduled_event_attributes.activity_type.name
            for event in history.events
            if event.HasField("activity_task_scheduled_event_attributes")
        ]

    def stock(self, sku: str) -> int:
        """What the database has of a product."""
        return int(self.db.one("select stock from products where sku = %s", sku)["stock"])


@pytest.fixture
def shop(api: httpx.AsyncClient, db: Database, temporal: Client) -> Shop:
    return Shop(api, db, temporal)
