"""A real kube-apiserver on etcd, without nodes and controllers: for CEL, RBAC, admission and server-side apply.

Both are one program of the test cluster; `tests/cluster/cluster program kubenode` builds it once and says where it is.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import yaml

from seatrial.kube.client import Cluster
from seatrial.kube.errors import ForbiddenError
from seatrial.kube.kinds import CUSTOM_RESOURCE_DEFINITION, Kind
from tests.unit.chart.rendering import NAMESPACE, find_helm, run_helm

Object = dict[str, Any]
REPOSITORY = Path(__file__).resolve().parents[2]
ADMIN = "admin"
"""The token of the group system:masters, which may do everything."""
NAMESPACES, ROLE_BINDINGS = "seatrial-namespaces", "seatrial-rolebindings"
"""The chart's policies."""
_STRANGE_NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strange"}}
_STRANGE_BINDING: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
    "metadata": {"name": "strange", "namespace": "default"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "seatrial-environment"},
    "subjects": [{"kind": "ServiceAccount", "name": "seatrial-operator", "namespace": NAMESPACE}],
}  # fmt: skip
START_SECONDS, STOP_SECONDS = 120.0, 20.0
_OF_THE_CHART = (
    "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)  # fmt: skip


@dataclass(frozen=True)
class ApiServer:
    """An API server that answers."""

    url: str
    folder: Path
    """For its certificate and kubeconfigs."""

    def kubeconfig(self, token: str) -> str:
        """The file of an identity."""
        path = self.folder / f"kubeconfig-{abs(hash(token))}"
        cluster = {"server": self.url, "certificate-authority": str(self.folder / "certs" / "apiserver.crt")}
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
        }))  # fmt: skip
        return str(path)

    async def connect(self, token: str = ADMIN) -> Cluster:
        """A client with the identity of this token."""
        return await Cluster.connect(kubeconfig=self.kubeconfig(token))

    async def connect_as(self, account: str, namespace: str = NAMESPACE) -> Cluster:
        """A client with the token of a ServiceAccount."""
        async with await self.connect() as admin:
            path = Kind("v1", "ServiceAccount", "serviceaccounts").path(namespace, account, "token")
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            answer = await admin.request("POST", path, "serviceaccounts/token", body=body)
        return await self.connect(answer["status"]["token"])


def find_program() -> Path | None:
    """The program with etcd and kube-apiserver, if it has been built."""
    if named := os.environ.get("SEATRIAL_KUBENODE"):
        return Path(named)
    cache = Path(os.environ.get("SEATRIAL_CACHE") or Path.home() / ".cache" / "seatrial")
    built = sorted(cache.glob("built/kubenode-*/kubenode"), key=lambda path: path.stat().st_mtime)
    return built[-1] if built else None


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """The server, with the CRD and the chart's accounts, roles and policies."""
    program, helm = find_program(), find_helm()
    if program is None or helm is None:
        pytest.skip("needs kube-apiserver and helm: `tests/cluster/cluster program kubenode`, `... program helm`")
    with serving(program) as server:
        asyncio.run(_install(server, helm))
        yield server


@pytest.fixture
async def admin(apiserver: ApiServer) -> AsyncIterator[Cluster]:
    """Somebody who may do everything."""
    async with await apiserver.connect() as cluster:
        yield cluster


@pytest.fixture
async def operator(apiserver: ApiServer) -> AsyncIterator[Cluster]:
    """The operator's account, where the chart's policies are in force."""
    async with await apiserver.connect_as("seatrial-operator") as cluster:
        await until(lambda: refused_by(cluster, NAMESPACES, _STRANGE_NAMESPACE), f"policy {NAMESPACES}")
        await until(lambda: refused_by(cluster, ROLE_BINDINGS, _STRANGE_BINDING), f"policy {ROLE_BINDINGS}")
        yield cluster


async def refused_by(cluster: Cluster, policy: str, manifest: Object) -> bool:
    """Whether this policy refuses the object; in a dry run."""
    try:
        await cluster.create(manifest, dry_run=True)
    except ForbiddenError as error:
        return f"ValidatingAdmissionPolicy '{policy}'" in error.message
    return False


@contextmanager
def serving(program: Path) -> Iterator[ApiServer]:
    """Starts etcd and the API server on free ports of the loopback interface, and ends them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-apiserver-")))
        (folder / "tokens.csv").write_text(f'{ADMIN},admin,1,"system:masters"\n')
        etcd_port, port = _free_ports(2)
        processes = [
            stack.enter_context(_running(folder / "etcd.log", [
                program, "etcd", "--data-dir", folder / "etcd", "--unsafe-no-fsync", "--log-level", "error",
                "--listen-client-urls", f"http://127.0.0.1:{etcd_port}", "--advertise-client-urls",
                f"http://127.0.0.1:{etcd_port}", "--listen-peer-urls", "http://127.0.0.1:0",
            ])),
            stack.enter_context(_running(folder / "apiserver.log", [
                program, "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd_port}", "--bind-address=127.0.0.1",
                f"--secure-port={port}", f"--cert-dir={folder / 'certs'}", "--authorization-mode=RBAC",
                f"--token-auth-file={folder / 'tokens.csv'}", "--service-cluster-ip-range=10.96.0.0/24",
                "--service-account-issuer=https://kubernetes.default.svc",
                # its own key of TLS, which it makes when it starts
                f"--service-account-key-file={folder / 'certs' / 'apiserver.key'}",
                f"--service-account-signing-key-file={folder / 'certs' / 'apiserver.key'}",
                "--allow-privileged=true",
                # no controller makes the accounts that this plugin would look for
                "--disable-admission-plugins=ServiceAccount",
            ])),
        ]  # fmt: skip
        server = ApiServer(f"https://127.0.0.1:{port}", folder)
        _wait_until_ready(server, processes)
        yield server


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [found.getsockname()[1] for found in sockets]


@dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def _running(log: Path, command: Iterable[object]) -> Iterator[_Process]:
    output: IO[bytes]
    with log.open("wb") as output:
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _Process(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(server: ApiServer, processes: Iterable[_Process]) -> None:
    request = urllib.request.Request(f"{server.url}/readyz", headers={"Authorization": f"Bearer {ADMIN}"})
    deadline, last = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < deadline:
        for one in processes:
            assert one.process.poll() is None, f"it ended: {one.log.read_text()[-2000:]}"
        try:
            trust = ssl.create_default_context(cafile=str(server.folder / "certs" / "apiserver.crt"))
            with urllib.request.urlopen(request, context=trust, timeout=5):
                return
        except OSError as error:  # of the certificate that is not there yet, of the connection, of the status
            last = str(error)
        time.sleep(0.05)
    raise AssertionError(f"the API server is not ready after {START_SECONDS:.0f} s: {last}")


async def _install(server: ApiServer, helm: str) -> None:
    async with await server.connect() as admin:
        for path in sorted((REPOSITORY / "crds").glob("*.yaml")):
            crd = yaml.safe_load(path.read_text())
            await admin.apply(crd)

            async def established(name: str = crd["metadata"]["name"]) -> bool:
                found = await admin.get(CUSTOM_RESOURCE_DEFINITION, name)
                conditions = {c["type"]: c["status"] for c in found["status"].get("conditions") or ()}
                return conditions.get("Established") == "True"

            await until(established, f"{path.name} established")
        await admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        for manifest in chart(helm):
            await admin.apply(manifest)


def chart(helm: str) -> list[Object]:
    """The accounts, roles and policies of the chart."""
    rendered = run_helm(helm, ())
    assert rendered.returncode == 0, rendered.stderr
    return [
        _placed(manifest)
        for manifest in yaml.safe_load_all(rendered.stdout)
        if manifest and manifest["kind"] in _OF_THE_CHART
    ]


def _placed(manifest: Mapping[str, Any]) -> Object:
    namespaced = manifest["kind"] in ("ServiceAccount", "Role", "RoleBinding")
    namespace = {"namespace": NAMESPACE} if namespaced else {}
    return {**manifest, "metadata": {**namespace, **manifest["metadata"]}}


async def until(look: Callable[[], Awaitable[Any]], what: str, seconds: float = 30.0) -> Any:
    """Waits for what the API server does on its own, such as taking up a policy; returns the first true answer."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(0.05)
    return found
