"""The steps of the order workflow that touch the world. Each may run more than once and has its effect once."""

from __future__ import annotations

import asyncio
import uuid

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from orders.models import Order, Status
from orders.receipts import Receipts, receipt_key, receipt_text
from orders.store import OutOfStockError, Store


class Activities:
    """With what they need."""

    def __init__(self, store: Store, receipts: Receipts) -> None:
        self._store, self._receipts = store, receipts

    @activity.defn
    async def reserve_stock(self, order_id: str) -> int:
        try:
            return await self._store.reserve(uuid.UUID(order_id))
        except OutOfStockError as error:
            # no fault, so nothing for the log; and trying again would not make more of it
            raise ApplicationError(
                f"out of stock: {error}",
                type="OutOfStock",
                non_retryable=True,
                category=ApplicationErrorCategory.BENIGN,
            ) from error

    @activity.defn
    async def release_stock(self, order_id: str) -> None:
        await self._store.release(uuid.UUID(order_id))

    @activity.defn
    async def set_status(self, order_id: str, status: str, reason: str) -> None:
        await self._store.set_status(uuid.UUID(order_id), Status(status), reason)

    @activity.defn
    async def write_receipt(self, order_id: str) -> str:
        order = await self._order(order_id)
        await asyncio.to_thread(self._receipts.write, receipt_key(order), receipt_text(order))
        return receipt_key(order)

    @activity.defn
    async def confirm(self, order_id: str, receipt: str) -> None:
        await self._store.set_status(uuid.UUID(order_id), Status.CONFIRMED, receipt=receipt)

    async def _order(self, order_id: str) -> Order:
        order = await self._store.order(uuid.UUID(order_id))
        if order is None:
            raise ApplicationError(f"there is no order {order_id}", non_retryable=True)
        return order
