"""`seatrial version`, help, and wrong usage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers, refusal


def test_version(seatrial: Command, servers: Servers) -> None:
    servers.put("deployments", {
        "metadata": {"name": "seatrial-operator", "namespace": "seatrial-system"},
        "spec": {"template": {"spec": {"containers": [{"image": "seatrial/operator:0.1.0"}]}}},
        "status": {"readyReplicas": 1},
    })  # fmt: skip
    assert seatrial("version") == 0
    assert seatrial.out.splitlines() == ["seatrial  0.1.0", "operator  0.1.0", "api       seatrial.dev/v1alpha1"]


def test_version_for_programs(seatrial: Command, servers: Servers) -> None:
    assert seatrial("version", "-o", "json") == 0
    assert json.loads(seatrial.out) == {
        "seatrial": "0.1.0", "operator": "not installed in seatrial-system", "api": "seatrial.dev/v1alpha1",
    }  # fmt: skip
    assert seatrial("version", "--client", "-o", "yaml") == 0
    assert seatrial.out == "seatrial: 0.1.0\n"
    assert seatrial("version", "-o", "wide") == 4


def test_version_of_a_cluster_without_seatrial(seatrial: Command, servers: Servers) -> None:
    def unknown(request: web.Request) -> web.Response | None:
        return refusal(404, "the server could not find it") if "seatrial.dev" in request.path else None

    servers.kube.refuse_read = unknown
    assert seatrial("version") == 0
    assert seatrial.out.splitlines()[1:] == ["operator  not installed in seatrial-system", "api       not installed"]


def test_version_without_a_cluster(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = Command(capsys)
    assert command("version", "--kubeconfig", str(tmp_path / "none")) == 0
    assert command.out.splitlines()[0] == "seatrial  0.1.0"
    assert command.out.splitlines()[1].startswith("cluster   no cluster to talk to")


def test_without_a_kubeconfig(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command = Command(capsys)
    assert command("get", "--kubeconfig", str(tmp_path / "none")) == 4
    assert f"there is no {tmp_path}/none" in command.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rum"], "No such command 'rum'"),
        (["run"], "there is no seatrial.yaml in this folder"),
        (["wait"], "Missing argument"),
        (["run", "x.yaml", "--wiat"], "No such option: --wiat"),
        (["run", "/nowhere.yaml"], "can't read /nowhere.yaml: No such file or directory"),
        (["run", "x.yaml", "--wait", "--timeout", "5 minutes"], "'5 minutes' is not a duration"),
        (["run", "x.yaml", "--timeout", "5m"], "--timeout limits waiting"),
    ],
)
def test_wrong_usage_ends_with_4(seatrial: Command, arguments: list[str], message: str) -> None:
    assert seatrial(*arguments) == 4
    assert message in seatrial.err
    assert seatrial.out == ""


def test_an_instant_answer_loads_nothing_heavy() -> None:
    program = (
        "import sys; from seatrial.cli.main import main; main(['version', '--client']); print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert done.stdout.startswith("seatrial  0.1.0\n")
    assert [name for name in ("'aiohttp'", "'kubernetes'", "'httpx'", "'rich.console'") if name in loaded] == []


def test_help_lists_the_exit_status(seatrial: Command) -> None:
    assert seatrial("--help") == 0
    assert "5 nothing collected" in " ".join(seatrial.out.split())
