"""A cluster made here leaves the host as it was, comes back after its processes were killed, and is gone after `down`.

Makes a cluster of its own beside the one in use. Only for machines where the node image is made here (see README.md):
elsewhere Docker or Podman manages the host's network, not this project.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

CLUSTER = Path(__file__).parent / "cluster"
CACHE = Path(
    os.environ.get("SEATRIAL_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seatrial"
)

# counters and states that move by themselves on any machine
MOVING_SYSCTLS = re.compile(
    r"^(fs\.(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota\.)|kernel\.(random\.|ns_last_pid|pty\.nr|perf_event_max_sample_rate)"
    r"|net\.netfilter\.nf_conntrack_count|net\.ipv4\.tcp_fastopen_key)"
)


def run(*command: str, environment: dict[str, str] | None = None, check: bool = True) -> str:
    done = subprocess.run(command, text=True, capture_output=True, check=False, timeout=1800, env=environment)
    assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.stderr}{done.stdout}"
    return done.stdout + done.stderr


def cluster(name: str, *arguments: str) -> str:
    """Runs the command as a user would who has no KUBECONFIG."""
    environment = {k: v for k, v in os.environ.items() if k != "KUBECONFIG"}
    return run(str(CLUSTER), arguments[0], "--name", name, *arguments[1:], environment=environment)


def sysctls() -> dict[str, str]:
    lines = run("sysctl", "--all", "--pattern", r"^(fs|kernel|net|vm)\.", check=False).splitlines()
    pairs = (line.partition(" = ") for line in lines if " = " in line)
    return {name: value for name, _, value in pairs if not MOVING_SYSCTLS.match(name)}


def network() -> dict[str, Any]:
    return {
        "links": [
            (link["ifname"], link.get("operstate"), link["mtu"], sorted(link["flags"]))
            for link in json.loads(run("ip", "-json", "link"))
        ],
        "addresses": [
            (link["ifname"], [(a["local"], a["prefixlen"]) for a in link["addr_info"]])
            for link in json.loads(run("ip", "-json", "address"))
        ],
        "routes": json.loads(run("ip", "-json", "route", "show", "table", "all")),
        "rules": json.loads(run("ip", "-json", "rule")),
        "nftables": re.sub(r"counter packets \d+ bytes \d+", "counter", run("nft", "list", "ruleset")),
        "namespaces": sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else [],
    }


def mounts() -> list[str]:
    """What is mounted where, less what other commands of this project may be mounting at the same time."""
    own = str(CACHE / "clusters")
    lines = (line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return sorted(
        " ".join(f[3:6] + f[f.index("-") + 1 :])
        for f in lines
        if not f[4].startswith(str(CACHE)) or f[4].startswith(own)
    )


def processes_of(name: str) -> list[int]:
    """Every process in the cluster's own process namespace, found by its first process' command line and by descent."""
    found, parents = [], {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            if command == f"capsule-{name}":
                found.append(int(folder.name))
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def control_groups(containers: list[str]) -> list[str]:
    return [str(path) for path in Path("/sys/fs/cgroup").rglob("*libpod*") if any(c in path.name for c in containers)]


@pytest.fixture
def name() -> Iterator[str]:
    if "way: built" not in cluster("seatrial", "status"):
        pytest.skip("this machine's clusters are made by Docker or Podman themselves")
    name = f"host-{secrets.token_hex(3)}"
    yield name
    cluster(name, "down")


def test_the_host_stays_as_it_was(name: str) -> None:
    before = (network(), mounts(), sysctls())
    modules_folder = os.path.isdir("/lib/modules")

    cluster(name, "up")
    kubeconfig = CACHE / "clusters" / name / "kubeconfig"
    kubectl = ("kubectl", "--kubeconfig", str(kubeconfig))
    assert run(*kubectl, "config", "current-context").strip() == f"kind-{name}"
    run(*kubectl, "create", "namespace", "here-before")
    containers = cluster(name, "exec", "podman", "ps", "--all", "--quiet", "--no-trunc").split()
    assert containers
    assert (network(), mounts(), sysctls()) == before, "changed while the cluster runs"
    assert "is up" in cluster(name, "up")
    run(*kubectl, "get", "namespace", "here-before")  # up again changes nothing

    # every process but the one that holds the namespaces: its mounts and its network are still there
    holder, *others = processes_of(name)
    assert others
    for pid in others:
        os.kill(pid, signal.SIGKILL)
    assert "is up after" in cluster(name, "up")
    run(*kubectl, "get", "--raw", "/readyz")
    assert "here-before" not in run(*kubectl, "get", "namespaces", "-o", "name"), "the old cluster's data came back"
    containers += cluster(name, "exec", "podman", "ps", "--all", "--quiet", "--no-trunc").split()

    # all of them, as after a reboot: only files are left
    holder = processes_of(name)[0]
    os.kill(holder, signal.SIGKILL)
    assert (CACHE / "clusters" / name).is_dir()
    cluster(name, "down")

    assert (network(), mounts(), sysctls()) == before
    assert os.path.isdir("/lib/modules") == modules_folder
    assert not processes_of(name)
    assert not control_groups(containers)
    assert not (CACHE / "clusters" / name).exists()
    assert "there is no cluster" in cluster(name, "down")
