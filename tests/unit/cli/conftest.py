from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from seatrial.cli.main import main
from tests.unit.cli.servers import Servers, in_a_thread, living


class Command:
    """Calls the command as a shell would; keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], servers: Servers | None = None) -> None:
        self._capsys = capsys
        self._servers = servers
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        with self._servers.watched() if self._servers else nullcontext():
            code = main(list(arguments))
        captured = self._capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return code


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("servers")
    # A kubeconfig for plain HTTP names no authority, so the client would read all of the system's at every start.
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    with in_a_thread(living(folder)) as found:
        monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
        yield found


@pytest.fixture
def seatrial(servers: Servers, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys, servers)


RUN = """\
apiVersion: seatrial.dev/v1alpha1
kind: IntegrationRun
metadata: {name: pr-1}
spec:
  services: {postgres: {}}
  tests: {image: t}
"""


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str = RUN) -> str:
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return str(path)

    return write
