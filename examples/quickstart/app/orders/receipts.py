"""Receipts: one text for each confirmed order, kept in the object store."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from orders.models import Order


def receipt_key(order: Order) -> str:
    """Where an order's receipt lies in the bucket."""
    return f"{order.created_at:%Y/%m/%d}/{order.id}.txt"


def receipt_text(order: Order) -> str:
    """What stands on a receipt."""
    lines = [f"{x.quantity:>4} x {x.sku:<24}{x.quantity * x.price_cents / 100:>10.2f}" for x in order.lines]
    head = [f"Receipt for order {order.id}", f"Customer: {order.customer}", ""]
    return "\n".join([*head, *lines, f"{'Total':<31}{order.total_cents / 100:>10.2f}", ""])


class Receipts:
    """The bucket. boto3 finds endpoint and credentials in the environment (AWS_...)."""

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    @cached_property
    def _s3(self) -> Any:
        import boto3  # a fifth of a second: after the start, with the first receipt

        return boto3.client("s3", region_name=os.environ.get("AWS_REGION"))

    def write(self, key: str, text: str) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=text.encode(), ContentType="text/plain")

    def read(self, key: str) -> str:
        return str(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read().decode())
