"""Forwards a connection to a port of a pod."""

from __future__ import annotations

import asyncio

import aiohttp

from seatrial.kube.errors import UnavailableError

_DATA, _ERROR = 0, 1
"""Channels of a forwarded port: the first byte of each message. The first message of each channel is the port's number."""
_FORWARDED_BYTES = 64 * 1024


async def join(
    socket: aiohttp.ClientWebSocketResponse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Joins a connection with the WebSocket of a forwarded port, until one side ends it.

    Raises:
        UnavailableError: the port can't be reached.
    """

    async def send() -> None:
        while data := await reader.read(_FORWARDED_BYTES):
            await socket.send_bytes(bytes([_DATA]) + data)
        await socket.close()

    sending = asyncio.create_task(send())
    begun = set[int]()
    try:
        async for message in socket:
            channel, data = message.data[0], message.data[1:]
            if channel not in begun:
                begun.add(channel)
            elif channel == _ERROR:
                raise UnavailableError(f"the port can't be reached: {data.decode(errors='replace').strip()}")
            else:
                writer.write(data)
                await writer.drain()
    finally:
        sending.cancel()
        writer.close()
        await asyncio.gather(sending, return_exceptions=True)
