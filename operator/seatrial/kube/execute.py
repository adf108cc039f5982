"""Runs commands in containers, with a terminal or without."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

import aiohttp

from seatrial.kube.connection import Connection
from seatrial.kube.errors import UnavailableError, error_of
from seatrial.kube.kinds import POD

_PROTOCOL = "v5.channel.k8s.io"
"""Kubernetes 1.30 or newer; of the older ones none can end the input."""
_INPUT, _OUTPUT, _ERRORS, _STATUS, _SIZE, _CLOSE = 0, 1, 2, 3, 4, 255
"""Channels: the first byte of each message."""


class Terminal(Protocol):
    """The near end of a command's input and output."""

    is_terminal: bool

    def input(self) -> AsyncIterator[bytes]:
        """What is typed or piped, until its end."""

    def sizes(self) -> AsyncIterator[tuple[int, int]]:
        """Columns and rows, first as they are, then whenever they change."""

    def output(self, data: bytes) -> None:
        """What the command prints."""

    def errors(self, data: bytes) -> None:
        """What it prints as errors."""


class Executing(Connection):
    """Commands in containers."""

    async def execute(
        self, namespace: str, pod: str, container: str, command: Sequence[str], terminal: Terminal
    ) -> int:
        """Runs a command until it ends; returns its exit status.

        Raises:
            ClusterError: it can't be started, or the connection breaks off.
        """
        from kubernetes.aio.stream import WsApiClient

        client: Any = WsApiClient(self._client.configuration)  # type: ignore[no-untyped-call]
        token = await self.token()
        query = [("container", container), *(("command", word) for word in command), ("stdin", "true")]
        query += [("stdout", "true"), ("tty" if terminal.is_terminal else "stderr", "true")]
        headers = {"User-Agent": self._agent, "sec-websocket-protocol": _PROTOCOL}
        try:
            opening = await client.request(
                "GET",
                self._client.configuration.host + POD.path(namespace, pod, "exec"),
                query_params=query,
                headers=headers | ({"authorization": f"Bearer {token}"} if token else {}),
                _preload_content=False,
            )
            async with opening as socket:
                return await _joined(socket, terminal)
        except aiohttp.WSServerHandshakeError as error:
            raise error_of(error.status, f"{error.message}: no command can be run in {pod}", "GET") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(
                f"the connection to {pod} broke off: {str(error) or type(error).__name__}"
            ) from error
        finally:
            await client.close()


async def _joined(socket: aiohttp.ClientWebSocketResponse, terminal: Terminal) -> int:
    async def send_input() -> None:
        async for data in terminal.input():
            await socket.send_bytes(bytes([_INPUT]) + data)
        await socket.send_bytes(bytes([_CLOSE, _INPUT]))

    async def send_sizes() -> None:
        async for columns, rows in terminal.sizes():
            await socket.send_bytes(bytes([_SIZE]) + json.dumps({"Width": columns, "Height": rows}).encode())

    sending = [asyncio.create_task(send_input())]
    if terminal.is_terminal:
        sending.append(asyncio.create_task(send_sizes()))
    try:
        async for message in socket:
            channel, data = message.data[0], message.data[1:]
            if channel == _OUTPUT:
                terminal.output(data)
            elif channel == _ERRORS:
                terminal.errors(data)
            elif channel == _STATUS:
                return _exit_status(data)
    finally:
        for task in sending:
            task.cancel()
        with suppress(aiohttp.ClientError, OSError):
            await asyncio.gather(*sending, return_exceptions=True)
    raise UnavailableError("the connection ended before the command did")


def _exit_status(data: bytes) -> int:
    """The exit status in what the API server says at the end.

    Raises:
        UnavailableError: the command could not be started.
    """
    try:
        status = json.loads(data)
        if status["status"] == "Success":
            return 0
        causes = (status.get("details") or {}).get("causes") or ()
        return next(int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode")
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise UnavailableError(f"the command can't be run: {_message(data)}") from None


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:500].decode(errors="replace")
