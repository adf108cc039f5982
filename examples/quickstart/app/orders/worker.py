"""The worker: takes orders' workflows and their activities from Temporal. `python -m orders.worker`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from orders.activities import Activities
from orders.receipts import Receipts
from orders.settings import Settings
from orders.store import Store
from orders.workflow import TASK_QUEUE, OrderWorkflow


async def main() -> None:
    """Works until it is asked to stop."""
    settings = Settings.from_env()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = Store(settings.database_url)
    do = Activities(store, Receipts(settings.receipts_bucket))
    client = await Client.connect(settings.temporal_address, namespace=settings.temporal_namespace)
    activities: list[Callable[..., Any]] = [
        do.reserve_stock,
        do.release_stock,
        do.set_status,
        do.write_receipt,
        do.confirm,
    ]
    try:
        async with Worker(client, task_queue=TASK_QUEUE, workflows=[OrderWorkflow], activities=activities):
            print("worker: waiting for orders", flush=True)
            await stop.wait()
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
