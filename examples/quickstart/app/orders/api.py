"""The HTTP API. `uvicorn orders.api:app`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, TypedDict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from orders.models import Order, Status
from orders.receipts import Receipts
from orders.settings import Settings
from orders.store import Store, UnknownProductError
from orders.workflow import TASK_QUEUE, OrderWorkflow, workflow_id

MAX_QUANTITY = 1_000


class InvalidOrderError(Exception):
    """An order that can't be placed, and why, for the customer."""


@dataclass(frozen=True)
class NewOrder:
    """What a customer asks for."""

    customer: str
    quantities: dict[str, int]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Raises InvalidOrderError, saying which field is wrong."""
        try:
            data = json.loads(body)
        except ValueError as error:
            raise InvalidOrderError(f"the body is not JSON: {error}") from error
        if not isinstance(data, dict):
            raise InvalidOrderError("the body must be an object")
        customer, lines = data.get("customer"), data.get("lines")
        if not isinstance(customer, str) or not customer.strip():
            raise InvalidOrderError("customer: must be a text that is not empty")
        if not isinstance(lines, list) or not lines:
            raise InvalidOrderError("lines: must be a list with at least one line")
        quantities: dict[str, int] = {}
        for number, line in enumerate(lines):
            sku, quantity = (line.get("sku"), line.get("quantity")) if isinstance(line, dict) else (None, None)
            if not isinstance(sku, str):
                raise InvalidOrderError(f"lines[{number}].sku: must be a text")
            if type(quantity) is not int or not 1 <= quantity <= MAX_QUANTITY:
                raise InvalidOrderError(f"lines[{number}].quantity: must be a whole number from 1 to {MAX_QUANTITY}")
            quantities[sku] = quantities.get(sku, 0) + quantity
        return cls(customer.strip(), quantities)


class State(TypedDict):
    """What every request can use."""

    store: Store
    receipts: Receipts
    temporal: Client


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    settings = Settings.from_env()
    store = Store(settings.database_url)
    temporal, _ = await asyncio.gather(
        Client.connect(settings.temporal_address, namespace=settings.temporal_namespace), store.ping()
    )
    yield {"store": store, "receipts": Receipts(settings.receipts_bucket), "temporal": temporal}
    await store.close()


def shown(order: Order) -> dict[str, Any]:
    """An order as the API shows it."""
    return {
        "id": str(order.id),
        "customer": order.customer,
        "status": order.status,
        "reason": order.reason,
        "total_cents": order.total_cents,
        "lines": [{"sku": x.sku, "quantity": x.quantity, "price_cents": x.price_cents} for x in order.lines],
    }


async def health(request: Request) -> Response:
    await request.state.store.ping()
    return JSONResponse({"status": "ok"})


async def products(request: Request) -> Response:
    found = await request.state.store.products()
    return JSONResponse([{"sku": p.sku, "name": p.name, "price_cents": p.price_cents, "stock": p.stock} for p in found])


async def place_order(request: Request) -> Response:
    """Writes the order and starts its workflow; the same Idempotency-Key gives the same order again."""
    try:
        wanted = NewOrder.parse(await request.body())
        order, new = await request.state.store.place(
            wanted.customer, wanted.quantities, request.headers.get("Idempotency-Key")
        )
    except InvalidOrderError as error:
        return JSONResponse({"error": str(error)}, 422)
    except UnknownProductError as error:
        return JSONResponse({"error": f"there is no product {error}"}, 422)
    await start_workflow(request.state.temporal, order)
    return JSONResponse(shown(order), 201 if new else 200)


async def start_workflow(temporal: Client, order: Order) -> None:
    """Also for an order that was there already: its first request may have died before this."""
    if order.status != Status.PENDING:
        return
    try:
        await temporal.start_workflow(
            OrderWorkflow.run,
            str(order.id),
            id=workflow_id(order.id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
    except WorkflowAlreadyStartedError:
        return


async def find(request: Request) -> Order:
    """The order in the path; 404 if it does not exist."""
    order: Order | None = await request.state.store.order(request.path_params["order_id"])
    if order is None:
        raise HTTPException(404, "there is no such order")
    return order


async def show_order(request: Request) -> Response:
    return JSONResponse(shown(await find(request)))


async def show_receipt(request: Request) -> Response:
    order = await find(request)
    if order.receipt_key is None:
        raise HTTPException(404, f"order {order.id} is {order.status} and has no receipt")
    return PlainTextResponse(await asyncio.to_thread(request.state.receipts.read, order.receipt_key))


async def decide(request: Request) -> Response:
    """Approves or cancels an order that is still under way."""
    order, decision = await find(request), request.path_params["decision"]
    if decision not in ("approve", "cancel"):
        raise HTTPException(404)
    try:
        await request.state.temporal.get_workflow_handle(workflow_id(order.id)).signal(decision)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise HTTPException(409, f"order {order.id} is {order.status} already") from error
    return Response(status_code=202)


async def as_json(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def uuid_route(path: str, *args: Any, **kwargs: Any) -> Route:
    return Route(f"/orders/{{order_id:uuid}}{path}", *args, **kwargs)


app = Starlette(
    routes=[
        Route("/health", health),
        Route("/products", products),
        Route("/orders", place_order, methods=["POST"]),
        uuid_route("", show_order),
        uuid_route("/receipt", show_receipt),
        uuid_route("/{decision}", decide, methods=["POST"]),
    ],
    exception_handlers={HTTPException: as_json},
    lifespan=lifespan,
)
