"""The job of the comparison with the by-hand script: one test for each service, with its own client."""

import asyncio
import os

import boto3
import psycopg
from temporalio.client import Client


def test_postgres() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        assert connection.execute("select 1 + 1").fetchone() == (2,)


def test_minio() -> None:
    bucket = boto3.resource("s3").Bucket(os.environ["S3_BUCKET"])
    bucket.put_object(Key="a", Body=b"contents")
    assert bucket.Object("a").get()["Body"].read() == b"contents"


def test_temporal() -> None:
    async def workflows() -> list[object]:
        client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], namespace=os.environ["TEMPORAL_NAMESPACE"])
        return [workflow async for workflow in client.list_workflows()]

    assert asyncio.run(workflows()) == []
