"""What happens to an order after it was placed. Durable: it goes on where it was when a worker dies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

TASK_QUEUE = "orders"
APPROVAL_FROM_CENTS = 100_000
"""Orders of this total and above wait for a person."""


def workflow_id(order_id: object) -> str:
    """The id of an order's workflow."""
    return f"order-{order_id}"


@workflow.defn
class OrderWorkflow:
    """Reserve the stock, wait for approval if it is much money, write the receipt, confirm."""

    def __init__(self) -> None:
        self._decision = ""

    @workflow.signal
    def approve(self) -> None:
        self._decision = self._decision or "approved"

    @workflow.signal
    def cancel(self) -> None:
        self._decision = self._decision or "cancelled"

    @workflow.run
    async def run(self, order_id: str) -> str:
        """Gives the order's final status."""
        try:
            total_cents = await self._do("reserve_stock", order_id)
        except ActivityError as error:
            if not isinstance(error.cause, ApplicationError) or error.cause.type != "OutOfStock":
                raise
            await self._do("set_status", order_id, "rejected", error.cause.message)
            return "rejected"
        if total_cents >= APPROVAL_FROM_CENTS and not self._decision:
            await self._do("set_status", order_id, "awaiting_approval", "")
            try:
                await workflow.wait_condition(lambda: bool(self._decision), timeout=timedelta(days=1))
            except TimeoutError:
                self._decision = "cancelled"
        if self._decision == "cancelled":
            await self._do("release_stock", order_id)
            await self._do("set_status", order_id, "cancelled", "")
            return "cancelled"
        await self._do("confirm", order_id, await self._do("write_receipt", order_id))
        return "confirmed"

    async def _do(self, activity: str, *args: object) -> Any:
        return await workflow.execute_activity(activity, args=args, start_to_close_timeout=timedelta(seconds=10))
