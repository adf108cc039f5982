"""`seatrial shell`: commands in containers."""

from __future__ import annotations

import json
import os
import pty
import termios
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers, refusal

OK = {"status": "Success"}
SEVEN = {"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}}
NO_SHELL = {"status": "Failure", "message": 'exec: "/bin/sh": no such file'}


class Container:
    """A container whose shell prints its input again, and ends with it."""

    def __init__(self, status: dict[str, Any], types: Callable[[], object] = lambda: None) -> None:
        """Ends with this status; once it is connected, somebody types."""
        self._types = types
        self._status = json.dumps(status).encode()
        self.asked: list[tuple[str, str]] = []
        self.sizes: list[dict[str, int]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.asked = [("path", request.path), *request.query.items()]
        socket = web.WebSocketResponse(protocols=["v5.channel.k8s.io"])
        await socket.prepare(request)
        await socket.send_bytes(b"\x01")  # some servers begin with nothing
        await socket.send_bytes(b"\x02oh\n")
        self._types()
        async for message in socket:
            assert message.type is WSMsgType.BINARY
            channel, data = message.data[0], message.data[1:]
            if channel == 4:
                self.sizes.append(json.loads(data))
            elif channel == 255:
                break
            else:
                await socket.send_bytes(b"\x01" + data)
                if data.endswith(b"\x04"):
                    break
        await socket.send_bytes(b"\x03" + self._status)
        await socket.close()
        return socket


@pytest.fixture
def environment(servers: Servers) -> Servers:
    servers.run(environment="st-pr-1-abcde", phase="Testing")
    servers.pod("web-1", "web", "web")
    servers.pod("tests-1", "tests", "tests", "collector")
    return servers


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Sets what standard input holds."""
    opened = []

    def sets(text: str) -> None:
        (tmp_path / "input").write_text(text)
        opened.append((tmp_path / "input").open())
        monkeypatch.setattr("sys.stdin", opened[-1])

    yield sets
    for file in opened:
        file.close()


def test_a_command_and_its_exit_status(seatrial: Command, environment: Servers, typed: Callable[[str], None]) -> None:
    container = Container(SEVEN)
    environment.kube.sockets["exec"] = container
    typed("hello\n")
    assert seatrial("shell", "pr-1", "web", "-c", "cat; exit 7") == 7
    assert (seatrial.out, seatrial.err) == ("hello\n", "oh\n")
    assert container.asked == [
        ("path", "/api/v1/namespaces/st-pr-1-abcde/pods/web-1/exec"), ("container", "web"), ("command", "/bin/sh"),
        ("command", "-c"), ("command", "cat; exit 7"), ("stdin", "true"), ("stdout", "true"), ("stderr", "true"),
    ]  # fmt: skip


def test_a_shell_in_the_tests_by_default(seatrial: Command, environment: Servers, typed: Callable[[str], None]) -> None:
    container = Container(OK)
    environment.kube.sockets["exec"] = container
    typed("")
    assert seatrial("shell", "pr-1") == 0
    assert ("container", "tests") in container.asked


def test_on_a_terminal(seatrial: Command, environment: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    container = Container(OK, lambda: os.write(ours, b"hi\x04"))
    environment.kube.sockets["exec"] = container
    before = termios.tcgetattr(theirs)
    with open(os.dup(theirs)) as stdin, open(os.dup(theirs), "w") as stdout:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stdout", stdout)
        assert seatrial("shell", "pr-1", "web") == 0
    assert ("tty", "true") in container.asked
    assert set(container.sizes[0]) == {"Width", "Height"}
    assert termios.tcgetattr(theirs) == before
    for descriptor in (ours, theirs):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (Container(NO_SHELL), 3, 'no shell in web: the command can\'t be run: exec: "/bin/sh": no such file'),
        (None, 3, "pods/exec"),
    ],
)
def test_no_shell(
    seatrial: Command, environment: Servers, typed: Callable[[str], None],
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None, code: int, message: str,
) -> None:  # fmt: skip
    async def forbidden(request: web.Request) -> web.StreamResponse:
        return refusal(403, "no")

    environment.kube.sockets["exec"] = answer or forbidden
    typed("")
    assert seatrial("shell", "pr-1", "web") == code
    assert message in seatrial.err


def test_a_component_that_does_not_run(seatrial: Command, environment: Servers) -> None:
    assert seatrial("shell", "pr-1", "postgres") == 4
    assert "postgres does not run: it has no pod" in seatrial.err
    assert seatrial("shell", "pr-1", "other") == 4
    assert "run pr-1 has no component other" in seatrial.err
