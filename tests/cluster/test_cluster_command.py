"""What the command does before it needs a cluster: choices, refusals, and the configuration that it hands to kind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An own, empty cache, and no settings of the caller's."""
    kept = {k: v for k, v in os.environ.items() if k not in {"KUBECONFIG", "SEATRIAL_CLUSTER"}}
    return kept | {"SEATRIAL_CACHE": str(tmp_path / "cache")}


def cluster(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HERE / "cluster", *arguments],
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


def kind_config(*arguments: str) -> dict[str, Any]:
    script = f'. "{HERE}/lib/ways.sh"; kind_config "$@"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *arguments], text=True, capture_output=True, check=True, cwd=ROOT
    )
    config: dict[str, Any] = yaml.safe_load(done.stdout)
    return config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "there is no command fly"),
        (["up", "--name", "Not_A_Name"], "--name Not_A_Name is not possible"),
        (["up", "--nodes", "0"], "--nodes 0 is not possible"),
        (["load"], "load needs the paths of archives"),
        (["load", "missing.tar"], "cluster seatrial is not up"),
    ],
)
def test_a_mistake_is_explained(environment: dict[str, str], arguments: list[str], message: str) -> None:
    done = cluster(environment | {"SEATRIAL_CLUSTER": "built"}, *arguments)
    assert done.returncode == 1
    assert f"FAILED: {message}" in done.stderr


def test_an_unknown_way_is_explained(environment: dict[str, str]) -> None:
    done = cluster(environment | {"SEATRIAL_CLUSTER": "minikube"}, "status")
    assert done.returncode == 1
    assert "use auto, kind, built or current" in done.stderr


def test_down_without_a_cluster_is_fine(environment: dict[str, str]) -> None:
    done = cluster(environment | {"SEATRIAL_CLUSTER": "built"}, "down")
    assert (done.returncode, done.stderr) == (0, "there is no cluster seatrial\n")


@pytest.mark.parametrize(
    ("kubeconfig", "want"),
    [
        (None, "{cache}/clusters/other/kubeconfig"),
        ("{cache}/clusters/seatrial/kubeconfig", "{cache}/clusters/other/kubeconfig"),  # from another cluster's env
        ("/home/someone/config:/home/someone/second", "/home/someone/config"),
    ],
)
def test_env_names_the_file_with_the_context(environment: dict[str, str], kubeconfig: str | None, want: str) -> None:
    cache = environment["SEATRIAL_CACHE"]
    if kubeconfig:
        environment = environment | {"KUBECONFIG": kubeconfig.format(cache=cache)}
    done = cluster(environment | {"SEATRIAL_CLUSTER": "built"}, "env", "--name", "other")
    script = f"{done.stdout}\n{done.stdout}\necho $KUBECONFIG; echo $PATH"  # evaluated twice, as users do
    shown = subprocess.run(
        ["bash", "-c", script], text=True, capture_output=True, check=True, env=environment
    ).stdout.splitlines()
    assert shown[0] == want.format(cache=cache)
    assert shown[1].split(":").count(f"{cache}/bin") == 1


@pytest.mark.cluster  # for the kubectl that comes with it
def test_a_foreign_context_is_not_touched_without_a_yes(environment: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "production",
                "contexts": [{"name": "production", "context": {"cluster": "production", "user": "me"}}],
            }
        )
    )
    done = cluster(environment | {"SEATRIAL_CLUSTER": "current", "KUBECONFIG": str(config)}, "up")
    assert done.returncode == 1
    assert "context production is not a kind cluster: not touched without a yes" in done.stderr


def test_kind_gets_the_projects_configuration_as_it_is() -> None:
    assert kind_config("1") == yaml.safe_load((ROOT / "kind-config.yaml").read_text())


def test_the_variants_differ_only_in_nodes_taints_port_and_patches() -> None:
    plain, variant = kind_config("1"), kind_config("3", "6443", "/somewhere/patches")
    assert [node["role"] for node in variant["nodes"]] == ["control-plane", "worker", "worker"]
    assert variant["networking"] == plain["networking"] | {"apiServerPort": 6443}
    assert variant["nodes"][0]["extraMounts"][0]["hostPath"] == "/somewhere/patches"
    patches = [yaml.safe_load(text) for text in variant["kubeadmConfigPatches"]]
    assert patches[0].pop("nodeRegistration") == {"taints": []}
    assert patches == [yaml.safe_load(text) for text in plain["kubeadmConfigPatches"]]
