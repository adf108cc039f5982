"""Connections are bounded, of one peer and in all, and a request has to come within a time."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from seatrial.archive.server.connections import ConnectionLimits
from tests.unit.archive.support import Serve, Server, sha256

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(stack: AsyncExitStack, port: int, peer: str = "127.0.0.1") -> Stream:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(peer, 0))
    stack.callback(writer.close)
    return reader, writer


async def works(stream: Stream) -> bool:
    reader, writer = stream
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    try:
        return (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False


async def is_ended(stream: Stream) -> bool:
    try:
        return await stream[0].read() == b""
    except ConnectionError:
        return True


async def refused(server: Server) -> dict[str, float]:
    lines = (await server.read.get("/metrics")).text.splitlines()
    found = [line.split('"') for line in lines if line.startswith("seatrial_archive_refused_connections_total{")]
    return {why: float(count.strip(" }")) for _, why, count in found}


@dataclass
class AdjustableLimits:
    """Limits whose time is short only while the test wants connections to end, however slow the machine is."""

    all: int = 100
    peer: int = 100
    head_seconds: float = 600.0


async def test_an_unfinished_request_is_ended_and_an_idle_connection_is_kept(serve: Serve) -> None:
    limits = AdjustableLimits()
    async with serve(connections=limits) as server, AsyncExitStack() as stack:
        idle, second = await connect(stack, server.upload_port), await connect(stack, server.read_port)
        assert await works(idle)
        assert await works(second)
        limits.head_seconds = 0.05
        silent = await connect(stack, server.upload_port)
        half = await connect(stack, server.read_port)
        half[1].write(b"GET /healthz HTTP/1.1\r\nHost: ")
        second[1].write(b"GET /hea")
        for stream in (silent, half, second):
            assert await is_ended(stream)
        limits.head_seconds = 600.0
        assert await works(idle)  # for longer than a head may take, nothing was begun on it
        assert (await refused(server))["slow"] == 3


async def test_of_one_peer_no_more_connections_are_admitted_than_its_share(serve: Serve) -> None:
    async with serve(connections=ConnectionLimits(peer=4)) as server, AsyncExitStack() as stack:
        mine = [await connect(stack, server.upload_port, "127.0.0.2") for _ in range(4)]
        assert await is_ended(await connect(stack, server.upload_port, "127.0.0.2"))
        for stream in (*mine, await connect(stack, server.upload_port, "127.0.0.3")):
            assert await works(stream)
        mine[0][1].close()
        await mine[0][1].wait_closed()
        async with asyncio.timeout(300):
            while not await works(await connect(stack, server.upload_port, "127.0.0.2")):
                pass
        assert (await refused(server))["peer"] >= 1


async def test_at_the_bound_the_peer_that_has_most_gives_way(serve: Serve) -> None:
    async with serve(connections=ConnectionLimits(all=6, peer=5)) as server, AsyncExitStack() as stack:
        greedy = [await connect(stack, server.upload_port, "127.0.0.2") for _ in range(5)]
        others = [await connect(stack, server.upload_port, "127.0.0.3")]
        assert await works(greedy[-1])
        others.append(await connect(stack, server.upload_port, "127.0.0.3"))
        assert await works(others[-1])
        assert await is_ended(greedy[-1])
        others.append(await connect(stack, server.upload_port, "127.0.0.4"))
        assert await works(others[-1])
        assert await is_ended(greedy[-2])
        for stream in (*greedy[:-2], *others):
            assert await works(stream)
        assert await is_ended(await connect(stack, server.upload_port, "127.0.0.2"))  # it has most itself


async def test_an_upload_that_trickles_is_ended(serve: Serve) -> None:
    async with serve(idle_seconds=0.5, least_bytes_per_second=1_000_000) as server, AsyncExitStack() as stack:
        shard = server.shard()
        reader, writer = await connect(stack, server.upload_port)
        writer.write(
            f"PUT {shard.path}/files/a.bin HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {shard.token}\r\n"
            f"Content-SHA256: {sha256(b'')}\r\nContent-Length: 1000000\r\n\r\n".encode()
        )
        answer = asyncio.create_task(reader.readline())
        while not answer.done():
            writer.write(b"x")
            await asyncio.wait([answer], timeout=0.05)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        assert server.incoming() == []
