"""Ways out of an environment: a suite that tries them all from the tests' container, each as a test with a name.

A test of it passes when the way is closed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

PRINCIPLE = "archive-upload-port"
"""The one address outside the environment that must be reachable: so a closed way is no wrong name."""
REACHED = (
    "api-server", "api-server-by-address", "kubelet", "node-ssh", "metadata", "internet", "dns-elsewhere",
    "archive-read-port", "archive-read-port-by-address", "operator-metrics", "operator-health",
    "postgres-of-another", "postgres-of-another-by-address",
)  # fmt: skip
"""Addresses that must not be reachable; which they are, `suite` is told."""
INSIDE = (
    "service-account-token", "upload-token", "launcher-key", "collector-process", "launcher-memory",
    "launcher-environment", "launcher-traced", "root", "capabilities", "new-privileges", "seccomp", "mount", "chroot",
    "device", "raw-socket", "host-sockets", "host-processes", "read-only-root", "tools-written", "kernel-settings",
    "sysrq", "cgroup", "setuid-program", "upload-without-token", "upload-with-a-guess", "read-by-the-upload-port",
)  # fmt: skip
SUITE = '''
import ctypes, errno, glob, hashlib, http.client, os, pathlib, re, signal, socket, stat, subprocess

import pytest

TARGETS = {targets}
ARCHIVE, VICTIM = {archive}, {victim}
libc = ctypes.CDLL(None, use_errno=True)


def refused(call, *arguments):
    """Whether a system call fails for want of rights (or is not there)."""
    ctypes.set_errno(0)
    return call(*arguments) == -1 and ctypes.get_errno() in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL)


def of_processes(name):
    """What this file says of each process that can be seen."""
    for path in glob.glob(f"/proc/[0-9]*/{{name}}"):
        try:
            yield pathlib.Path(path).read_bytes().decode(errors="replace").strip()
        except OSError:
            pass  # it has ended, or is not ours to see


def unwritable(path):
    try:
        with open(path, "w") as file:
            file.write("x")
    except OSError:
        return True
    return False


def unreadable(path):
    try:
        with open(path, "rb") as file:
            file.seek(0)
            file.read(16)
    except OSError:
        return True
    return False


def reaches(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


def status():
    lines = (line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return {{name: value.strip() for name, value in lines}}


def answer(method, path, headers):
    connection = http.client.HTTPConnection(*ARCHIVE, timeout=10)
    connection.request(method, path, b"forged" if method == "PUT" else None, headers)
    return connection.getresponse().status


def put(**headers):
    digest = {{"Content-SHA256": hashlib.sha256(b"forged").hexdigest()}}
    return answer("PUT", f"/v1/runs/{{VICTIM}}/attempts/1/shards/0/files/planted.txt", digest | headers)


@pytest.mark.parametrize("name", TARGETS)
def test_reach(name):
    host, port, open_ = TARGETS[name]
    assert reaches(host, port) is open_, f"{{host}}:{{port}}"


def service_account_token():
    assert not pathlib.Path("/var/run/secrets/kubernetes.io").exists()
    assert not pathlib.Path("/run/secrets").exists() or not any(pathlib.Path("/run/secrets").rglob("*token*"))


def upload_token():
    assert not pathlib.Path("/var/run/seatrial").exists()
    words = [value for value in os.environ.values() if re.fullmatch("[0-9a-f]{{64}}", value)]
    assert not words
    found = [path for root in ("/results", "/tmp", "/run", "/etc") for path in pathlib.Path(root).rglob("shard-0")]
    assert not found


def launcher_key():
    assert not pathlib.Path("/results/launcher.key").exists()


def collector_process():
    assert not any("seatrial_runner.collect" in line for line in of_processes("cmdline"))


def launcher_memory():
    assert unreadable("/proc/1/mem") or os.getpid() == 1


def launcher_environment():
    assert unreadable("/proc/1/environ")


def launcher_traced():
    assert refused(libc.ptrace, 16, 1, 0, 0)  # PTRACE_ATTACH


def root():
    assert os.getuid() != 0
    assert refused(libc.setuid, 0)
    assert refused(libc.setgid, 0)


def capabilities():
    found = status()
    assert {{found[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")}} == {{"0" * 16}}, found


def new_privileges():
    assert status()["NoNewPrivs"] == "1"


def seccomp():
    assert status()["Seccomp"] == "2"


def mount():
    assert refused(libc.mount, b"none", b"/tmp", b"tmpfs", 0, None)


def chroot():
    assert refused(libc.chroot, b"/tmp")


def device():
    with pytest.raises(OSError):
        os.mknod("/tmp/device", stat.S_IFBLK | 0o600, os.makedev(8, 0))
    allowed = {{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "core", "fd", "stdin", "stdout", "stderr",
               "shm", "mqueue", "pts", "termination-log", "console"}}
    assert not set(os.listdir("/dev")) - allowed


def raw_socket():
    for family, kind in ((socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)):
        with pytest.raises(OSError):
            socket.socket(family, kind, socket.IPPROTO_ICMP).close()


def host_sockets():
    places = ("/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/var/lib/kubelet")
    assert not [place for place in places if pathlib.Path(place).exists()]


def host_processes():
    assert not {{"kubelet", "containerd", "systemd", "etcd", "kube-apiserver"}} & set(of_processes("comm"))


def read_only_root():
    assert unwritable("/planted")
    assert unwritable("/etc/planted")
    assert unwritable("/usr/planted")


def tools_written():
    assert unwritable("/seatrial/launch")
    assert unwritable("/seatrial/planted")


def kernel_settings():
    assert unwritable("/proc/sys/kernel/core_pattern")
    assert unwritable("/proc/sys/kernel/modprobe")


def sysrq():
    assert unwritable("/proc/sysrq-trigger")


def cgroup():
    if os.path.exists("/sys/fs/cgroup/cgroup.procs"):
        with pytest.raises(OSError):
            os.mkdir("/sys/fs/cgroup/planted")


def setuid_program():
    for program in ("su", "mount", "newgrp"):
        for folder in ("/bin", "/usr/bin"):
            if os.path.exists(f"{{folder}}/{{program}}"):
                command = [f"{{folder}}/{{program}}", "-c", "id -u"]
                done = subprocess.run(command, input=b"", capture_output=True, timeout=10)
                assert done.stdout.strip() != b"0"


def upload_without_token():
    assert put() == 401


def upload_with_a_guess():
    guesses = [hashlib.sha256(VICTIM.encode()).hexdigest(), "0" * 64, VICTIM, "../" + VICTIM]
    assert {{put(Authorization=f"Bearer {{guess}}") for guess in guesses}} == {{403}}


def read_by_the_upload_port():
    for path in ("/v1/runs", f"/v1/runs/{{VICTIM}}", "/v1/feed", f"/v1/runs/{{VICTIM}}/attempts/1/shards/0/manifest"):
        assert answer("GET", path, {{}}) in (404, 405)


@pytest.mark.parametrize("name", {inside})
def test_inside(name):
    globals()[name.replace("-", "_")]()


def test_links_in_artifacts():
    """What they lead to is not collected: the archive shows it."""
    os.makedirs("taken", exist_ok=True)
    for number, place in enumerate(("/var/run/seatrial/upload/shard-0", "/proc/self/environ", "/etc/passwd")):
        os.symlink(place, f"taken/link-{{number}}")
    os.symlink("/var/run/seatrial", "taken/folder")
    pathlib.Path("taken/mine.txt").write_text("mine")
'''
LINKS = ("taken/link-0", "taken/link-1", "taken/link-2", "taken/folder")
"""Artifacts that must not be in the archive; `taken/mine.txt` must."""


def suite(targets: Mapping[str, tuple[str, int]], archive: tuple[str, int], victim: str) -> dict[str, str]:
    """The suite's files.

    Args:
        targets: host and port of each name of REACHED and of PRINCIPLE.
        archive: host and port of the archive's upload port.
        victim: the uid of another tenant's run.
    """
    told = {name: (*targets[name], name == PRINCIPLE) for name in (PRINCIPLE, *REACHED) if name in targets}
    text = SUITE.format(targets=repr(told), archive=repr(archive), victim=json.dumps(victim), inside=repr(INSIDE))
    return {"test_escape.py": text}
