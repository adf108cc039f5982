"""Forwards connections to ports of pods."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from seatrial.kube.connection import Connection
from seatrial.kube.errors import UnavailableError, error_of
from seatrial.kube.kinds import POD

_DATA, _ERROR = 0, 1
"""Channels of a forwarded port: the first byte of each message. A channel's first message is the port's number."""
_FORWARDED_BYTES = 64 * 1024


class Forwarding(Connection):
    """Ports of pods."""

    async def forward(
        self, namespace: str, pod: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Joins a connection with a port of a pod, until one side ends it.

        Raises:
            ClusterError: it can't be opened or breaks off.
        """
        from kubernetes.aio.stream import WsApiClient

        client: Any = WsApiClient(self._client.configuration)  # type: ignore[no-untyped-call]
        token = await self.token()
        try:
            opening = await client.request(
                "GET",
                self._client.configuration.host + POD.path(namespace, pod, "portforward"),
                query_params=[("ports", port)],
                headers={"User-Agent": self._agent} | ({"authorization": f"Bearer {token}"} if token else {}),
                _preload_content=False,
            )
            async with opening as socket:
                await join(socket, reader, writer)
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(error.status, f"{error.message}: no port of {pod} can be reached", "GET") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(
                f"the connection to {pod} broke off: {str(error) or type(error).__name__}"
            ) from error
        finally:
            await client.close()


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
