"""`seatrial open RUN COMPONENT`: a port of a component on this machine."""

from __future__ import annotations

import os
import signal
import socket
import threading
import urllib.request
import webbrowser
from typing import Any

import pytest
from aiohttp import web

from seatrial.cli.errors import CliError
from seatrial.cli.forward_port import ComponentPort, chosen_port, is_http, listening, target_number
from seatrial.cli.run import Run
from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers

PORTS = {"spec": {"ports": [{"name": "api", "port": 9000, "targetPort": 9000}, {"name": "console", "port": 9001}]}}


async def pod_that_answers(request: web.Request) -> web.StreamResponse:
    """As the kubelet forwards a port, to a process that answers every request with the port's number."""
    socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
    await socket.prepare(request)
    for channel in (0, 1):
        await socket.send_bytes(bytes([channel, 0, 0]))
    await socket.receive()
    body = request.query["ports"].encode()
    await socket.send_bytes(b"\x00HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await socket.close()
    return socket


@pytest.fixture
def environment(servers: Servers) -> Servers:
    servers.run(environment="st-pr-1-abcde", phase="Testing")
    servers.pod("web-1", "web", "web")
    service = {"metadata": {"name": "web", "namespace": "st-pr-1-abcde"}}
    servers.put("services", {**service, "spec": {"ports": [{"port": 80, "targetPort": 8000}]}})
    servers.kube.sockets["portforward"] = pod_that_answers
    return servers


def test_the_port_of_an_app(seatrial: Command, environment: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = []

    def browser(address: str) -> bool:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address) as answer:
            answers.append(answer.read())
        threading.Timer(0, os.kill, (os.getpid(), signal.SIGINT)).start()
        return True

    monkeypatch.setattr(webbrowser, "open", browser)
    assert seatrial("open", "pr-1", "web") == 0
    assert answers == [b"8000"]
    assert " is web:80 of run pr-1" in seatrial.out


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("other", "run pr-1 has no component other"),
        ("web:81", "web has no port 81"),
        ("tests", "tests of run pr-1 has no port"),
    ],
)
def test_what_can_not_be_opened(seatrial: Command, environment: Servers, wanted: str, message: str) -> None:
    assert seatrial("open", "pr-1", wanted) == 4
    assert message in seatrial.err


def test_a_local_port_that_is_taken(seatrial: Command, environment: Servers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert seatrial("open", "pr-1", "web", "--port", str(number)) == 4
        with listening(0, number) as other:
            assert other.getsockname()[1] != number
    assert "can't be opened: Address already in use" in seatrial.err


@pytest.mark.parametrize(("wanted", "number"), [("", 9000), ("9001", 9001), ("console", 9001)])
def test_ports_by_number_and_name(wanted: str, number: int) -> None:
    assert chosen_port(PORTS, wanted, "minio")["port"] == number


def test_a_port_that_is_not_there() -> None:
    with pytest.raises(CliError, match="minio has no port 1") as raised:
        chosen_port(PORTS, "1", "minio")
    assert raised.value.hint == "there is api 9000, console 9001"


def test_a_port_that_the_pod_knows_by_name() -> None:
    pod = {"spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]}}
    for target, number in ((5432, 5432), ("http", 8080), ("none", 80)):
        assert target_number(pod, ComponentPort("web", "st", 80, target)) == number


@pytest.mark.parametrize(
    ("component", "shown"), [("web", True), ("minio", True), ("store", True), ("postgres", False), ("mail", False)]
)
def test_what_a_browser_shows(component: str, shown: bool) -> None:
    services: dict[str, Any] = {"minio": {}, "store": {"type": "minio"}, "postgres": {}, "mail": {"type": "custom"}}
    spec = {"services": services, "apps": {"web": {"port": 80}}}
    assert is_http(Run.of({"metadata": {"name": "a", "namespace": "b"}, "spec": spec}), component) is shown
