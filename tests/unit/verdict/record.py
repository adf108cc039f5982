"""Records what a real cluster and a real archive say of each cause: `python -m tests.unit.verdict.record [CASE...]`.

Each case runs on the cluster of KUBECONFIG, in a namespace of its own. What the operator put into the archive as
evidence (pods, Jobs, events as they were at the verdict) and the tests' summary become `fixtures/<case>.json`: of each
object the parts that tell something. `test_recorded.py` asks the diagnosis about them, so it can be changed without a
cluster.

`node-lost` takes a node away. It is recorded only when it is named, on a second cluster (`tests/cluster/cluster up
--name two --nodes 2`) whose operator and archive are on the first node and whose runs can only go to the second
(`kubectl cordon`).
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from seatrial.kube.client import Cluster
from seatrial.kube.kinds import NAMESPACE, POD, RUN

FIXTURES = Path(__file__).parent / "fixtures"
IMAGE = "seatrial/pytest:0.1.0"
PASSES = {"test_it.py": "def test_it():\n    pass\n"}
Spec = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A run that is broken in one way, and the cause that is to be told."""

    reason: str
    spec: Spec = field(default_factory=dict)
    tests: dict[str, str] = field(default_factory=lambda: PASSES)
    meanwhile: str = ""
    """What somebody does to it once its tests run: `delete-namespace`, `delete-tests`, `delete-service`,
    `evict-service`, `cut-archive`, `stop-node` or `cancel`; or from the beginning: `forbid-COMPONENT`, a policy that
    lets no pod of this component be created.
    """


def suite(*body: str) -> dict[str, str]:
    """One test with this body."""
    lines = "".join(f"    {line}\n" for line in body)
    return {"test_it.py": f"import os, signal, socket, time\n\ndef test_it():\n{lines}"}


def app(*command: str, **more: Any) -> Spec:
    """An app called web."""
    return {"apps": {"web": {"image": IMAGE, "command": list(command), **more}}}


def service(script: str, **more: Any) -> Spec:
    """A custom service called store, made of a Python script."""
    return {
        "type": "custom", "image": IMAGE, "command": ["python", "-c", script], "ports": {"main": 9000}, **more,
    }  # fmt: skip


SERVES = "import socket, time\ns = socket.create_server(('', 9000), backlog=50)\n"
SLEEPS = suite("time.sleep(60)")
ENDS_WITH_POSTGRES = (
    "import os, time, psycopg\n"
    "from http.server import *\n"
    "import threading\n"
    "threading.Thread(target=HTTPServer(('', 8000), SimpleHTTPRequestHandler).serve_forever, daemon=True).start()\n"
    "with psycopg.connect(autocommit=True) as c:\n"
    "    while True:\n"
    "        c.execute('select 1'); time.sleep(0.2)\n"
)
FILLS_POSTGRES = suite(
    "import psycopg, urllib.request",
    "try:",
    "    with psycopg.connect(autocommit=True) as c:",
    "        c.execute(\"create table t as select repeat('x', 1000) || i as x from generate_series(1, 2000000) i\")",
    "except psycopg.Error: time.sleep(1)",
    "urllib.request.urlopen(os.environ['WEB_URL'])",
)
SMALL = {"resources": {"requests": {"memory": "48Mi"}, "limits": {"memory": "96Mi"}}}

EATS = (
    "import http.server as h\n"
    "class Eats(h.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        b = []\n"
    "        while self.path == '/eat': b.append(b'x' * 2**20)\n"
    "        self.send_response(200); self.end_headers()\n"
    "h.HTTPServer(('', 8000), Eats).serve_forever()"
)

CASES = {
    "passed": Case("TestsPassed"),
    "failed": Case("TestsFailed", {}, suite("assert 1 == 2")),
    "failed-app-ended": Case(
        "TestsFailed",
        app("python", "-c", "import time, http.server as h, threading\n"
            "threading.Thread(target=h.HTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever, daemon=True).start()\n"
            "time.sleep(8)\nraise KeyError('SETTING')", port=8000),
        suite("import urllib.request", "for _ in range(150):", "    urllib.request.urlopen(os.environ['WEB_URL'])", "    time.sleep(0.1)"),
    ),
    "conftest": Case("CollectionError", {}, {**PASSES, "conftest.py": "import no_such_helper\n"}),
    "no-tests": Case("NoTestsCollected", {"tests": {"markers": "nightly"}}),
    "all-skipped": Case(
        "AllTestsSkipped", {},
        {"test_live.py": "import pytest\npytest.skip('LIVE_SMOKE is not set', allow_module_level=True)\n"},
    ),
    "collection-error": Case("CollectionError", {}, {"test_it.py": "import no_such_module\n"}),
    "test-timeout": Case("TestTimeout", {"timeouts": {"tests": "4s"}}, SLEEPS),
    "os-exit": Case("TestProcessDied", {}, suite("os._exit(0)")),
    "usage-error": Case("UsageError", {"tests": {"args": ["--no-such-option"]}}),
    "unschedulable": Case(
        "Unschedulable", app("true", resources={"requests": {"cpu": "500"}}) | {"timeouts": {"environment": "8s"}}
    ),
    "image-absent": Case("ImagePullFailed", {"apps": {"web": {"image": "localhost:1/no-such-image:0", "command": ["x"]}}}),
    "working-dir": Case("ContainerConfigError", app("true", workingDir="/proc/no/such")),
    "no-pytest": Case("ImageWithoutPytest", {"tests": {"image": "seatrial/redis:0.1.0"}}, {}),
    "service-silent": Case(
        "ServiceNotReady", {"services": {"store": service("import time; time.sleep(600)")}, "timeouts": {"environment": "8s"}}
    ),
    "service-ends-at-start": Case("ServiceNotReady", {"services": {"store": service("raise SystemExit('no licence')")}}),
    "init-sql": Case(
        "ServiceNotReady", {"services": {"postgres": {"initSQL": {"configMapRef": {"name": "init-sql"}}}}},
        {**PASSES, "a.sql": "insert into ordres values (1);\n"},
    ),
    "service-ends": Case("ServiceLost", {"services": {"store": service(SERVES + "time.sleep(9); raise SystemExit(3)")}}, SLEEPS),
    "service-deleted": Case("ServiceLost", {"services": {"postgres": {}}}, SLEEPS, "delete-service"),
    "migration": Case(
        "MigrationFailed",
        {"migrations": [{"name": "schema", "image": IMAGE, "command": ["sh", "-c", "echo no such revision >&2; exit 3"]}]},
    ),
    "migration-hangs": Case(
        "MigrationFailed",
        {"migrations": [{"name": "schema", "image": IMAGE, "command": ["sleep", "600"]}], "timeouts": {"environment": "8s"}},
    ),
    "app-crashes": Case("AppCrashed", app("sh", "-c", "echo \"KeyError: 'TOKEN'\" >&2; exit 7", port=8000)),
    "app-not-ready": Case(
        "AppNotReady", app("python", "-m", "http.server", "8001", port=8000) | {"timeouts": {"environment": "8s"}}
    ),
    "lifetime": Case("RunTimeout", {"retention": {"maxLifetime": "12s"}}, SLEEPS),
    "memory-of-tests": Case(
        "OutOfMemory", {"tests": SMALL}, suite("block = []", "while True: block.append(b'x' * 2**20)"),
    ),
    "memory-of-app": Case(
        "OutOfMemory",
        app("python", "-c", "import time\ntime.sleep(1)\nb = []\nwhile True: b.append(b'x' * 2**20)", port=8000, **SMALL),
    ),
    "memory-of-app-while-tests-run": Case(
        "OutOfMemory", app("python", "-c", EATS, port=8000, ready={"httpGet": {"path": "/"}}, **SMALL),
        suite("import urllib.request", "urllib.request.urlopen(os.environ['WEB_URL'] + '/eat')"),
    ),
    "memory-of-service": Case(
        "OutOfMemory",
        {"services": {"store": service(SERVES + "time.sleep(6)\nb = []\nwhile True: b.append(b'x' * 2**20)", **SMALL)}}, SLEEPS,
    ),
    "memory-of-postgres-then-app-then-tests": Case(
        "OutOfMemory",
        {"services": {"postgres": {"resources": {"limits": {"memory": "160Mi"}}}},
         **app("python", "-c", ENDS_WITH_POSTGRES, port=8000)},
        FILLS_POSTGRES,
    ),
    "disk-of-app": Case(
        "Evicted",
        app("sh", "-c", "head -c 60000000 /dev/zero > /tmp/x; python -m http.server 8000", port=8000,
            resources={"limits": {"ephemeral-storage": "20Mi"}}),
        suite("time.sleep(100)", "assert False"),
    ),
    "evicted": Case("Evicted", {"services": {"postgres": {}}}, SLEEPS, "evict-service"),
    "denied-tests": Case("AdmissionDenied", {"timeouts": {"environment": "8s"}}, PASSES, "forbid-tests"),
    "denied-app": Case(
        "AdmissionDenied", app("python", "-m", "http.server", "8000", port=8000) | {"timeouts": {"environment": "8s"}}, PASSES, "forbid-web"
    ),
    "archive-cut": Case("ArchiveUnavailable", {}, suite("time.sleep(8)"), "cut-archive"),
    "namespace-deleted": Case("EnvironmentLost", {}, SLEEPS, "delete-namespace"),
    "tests-deleted": Case("EnvironmentLost", {}, SLEEPS, "delete-tests"),
    "cancelled": Case("Cancelled", {}, SLEEPS, "cancel"),
    "node-lost": Case("NodeLost", {"services": {"postgres": {}}}, suite("time.sleep(600)"), "stop-node"),
}  # fmt: skip


async def until(look: Any, what: str, seconds: float = 150) -> Any:
    """Looks twice a second until something is there."""
    for _ in range(int(seconds * 2)):
        if found := await look():
            return found
        await asyncio.sleep(0.5)
    raise SystemExit(f"not within {seconds:.0f} s: {what}")


def policy(name: str, component: str) -> dict[str, Any]:
    """Lets no pod of this component be created in the environment of this run."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    forbidden = {
        "expression": f"!object.metadata.namespace.startsWith('st-{name}-') || object.metadata.labels['seatrial.dev/component'] != '{component}'",
        "message": "images must come from registry.example",
    }
    selector = {"namespaceSelector": {"matchLabels": {"app.kubernetes.io/managed-by": "seatrial"}}}
    kind, spec = (
        "ValidatingAdmissionPolicy",
        {"matchConstraints": {"resourceRules": rules, **selector}, "validations": [forbidden]},
    )
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": f"record-{name}"}}
    bound = {"policyName": f"record-{name}", "validationActions": ["Deny"]}
    both = [{**head, "kind": kind, "spec": spec}, {**head, "kind": f"{kind}Binding", "spec": bound}]
    return {"apiVersion": "v1", "kind": "List", "items": both}


async def call(*command: str, given: Any = None) -> None:
    """Runs a command; what is given goes in as JSON."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    await process.communicate(json.dumps(given).encode())


async def interfere(cluster: Cluster, namespace: str, name: str, what: str) -> None:
    """Does what a case says, once the tests run."""

    async def testing() -> Any:
        status = (await cluster.get(RUN, name, namespace)).get("status") or {}
        return status if status.get("phase") == "Testing" else None

    environment = (await until(testing, f"{name} is testing"))["namespace"]
    match what:
        case "cancel":
            await cluster.patch(RUN, name, namespace, {"spec": {"cancel": True}})
        case "delete-namespace":
            await cluster.delete(NAMESPACE, environment)
        case "delete-service":
            await cluster.delete(POD, "postgres", environment)
        case "evict-service":
            body = {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": "postgres", "namespace": environment},
            }
            await call(
                "kubectl",
                "create",
                "--raw",
                f"/api/v1/namespaces/{environment}/pods/postgres/eviction",
                "-f",
                "-",
                given=body,
            )
        case "cut-archive":
            await call("kubectl", "delete", "networkpolicy", "--all", "-n", environment)
            spec = {"podSelector": {}, "policyTypes": ["Egress"]}
            body = {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": {"name": "none"},
                "spec": spec,
            }
            await call("kubectl", "create", "-n", environment, "-f", "-", given=body)
        case "stop-node":
            (pod,) = await cluster.list(POD, environment, labels="seatrial.dev/role=tests")
            node = pod["spec"]["nodeName"]
            name_of_cluster = node.removesuffix("-worker")
            if name_of_cluster == node:
                raise SystemExit(f"{node} is not a second node")
            program = str(Path(__file__).parents[2] / "cluster" / "cluster")
            await call(program, "stop-node", node, "--name", name_of_cluster)
        case "delete-tests":
            (pod,) = await cluster.list(POD, environment, labels="seatrial.dev/role=tests")
            await cluster.delete(POD, pod["metadata"]["name"], environment, grace=0)


async def record(cluster: Cluster, archive: httpx.AsyncClient, namespace: str, name: str) -> dict[str, Any]:
    """Runs a case; returns its fixture."""
    case = CASES[name]
    spec: Spec = {**case.spec, "retention": {"evidence": "Always", **case.spec.get("retention", {})}}
    if case.tests:
        source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
        await cluster.create({**source, "data": case.tests})
        spec["tests"] = {"source": {"configMapRef": {"name": name}}, **spec.get("tests", {})}
    run = {
        "apiVersion": "seatrial.dev/v1alpha1",
        "kind": "IntegrationRun",
        "metadata": {"name": name, "namespace": namespace},
    }
    forbidden = case.meanwhile.removeprefix("forbid-") if case.meanwhile.startswith("forbid-") else ""
    if forbidden:
        await call("kubectl", "apply", "-f", "-", given=policy(name, forbidden))
        await asyncio.sleep(2)  # the API server takes a moment to know a policy
    uid = (await cluster.create({**run, "spec": spec}, strict=True))["metadata"]["uid"]
    if case.meanwhile and not forbidden:
        await interfere(cluster, namespace, name, case.meanwhile)

    async def over() -> Any:
        body = await cluster.get(RUN, name, namespace)
        return body if ((body.get("status") or {}).get("timeline") or {}).get("cleanedUp") else None

    body = await until(over, f"{name} is over")
    if forbidden:
        await call("kubectl", "delete", "-f", "-", given=policy(name, forbidden))
    status = body["status"]
    print(f"{name:40} {status['reason']:22} {status['message']}", flush=True)
    files = {}
    base = f"/v1/runs/{uid}/attempts/1"
    for key, path in {k: f"{base}/evidence/files/{k}.json" for k in ("pods", "jobs", "events")}.items():
        answer = await archive.get(path)
        files[key] = answer.json() if answer.is_success else []
    summary = await archive.get(f"{base}/shards/0/files/summary.json")
    finished = any(c["type"] == "TestsFinished" and c["status"] == "True" for c in status["conditions"])
    observed = {k: status.get(k) for k in ("verdict", "reason", "message", "timeline", "expiresAt", "namespace")}
    return {
        "case": name,
        "expect": case.reason,
        "meanwhile": case.meanwhile,
        "spec": spec,
        "tests": case.tests,
        "observed": observed,
        "created": body["metadata"]["creationTimestamp"],
        "uid": uid,
        "pods": [_pod(pod) for pod in files["pods"]],
        "jobs": [{"metadata": _named(job), "status": job.get("status")} for job in files["jobs"]],
        "events": [_event(event) for event in files["events"]],
        # a result may have come after the verdict, from tests that were ended with their environment
        "summary": summary.json() if summary.is_success and finished else None,
    }


def _named(body: dict[str, Any]) -> dict[str, Any]:
    wanted = ("name", "namespace", "uid", "labels", "creationTimestamp", "deletionTimestamp")
    return {k: v for k, v in body["metadata"].items() if k in wanted}


def _pod(body: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": _named(body), "spec": {"nodeName": body["spec"].get("nodeName")}, "status": body["status"]}


def _event(body: dict[str, Any]) -> dict[str, Any]:
    about = body.get("involvedObject") or {}
    wanted = {k: body.get(k) for k in ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp")}
    return {"about": f"{about.get('kind')}/{about.get('name')}", **wanted}


async def main(names: list[str]) -> None:
    """Records these cases, four at a time; if none is named, all that leave the cluster whole."""
    port = 18091
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(await Cluster.connect(agent="seatrial-record"))
        forward = await asyncio.create_subprocess_exec(
            "kubectl", "-n", "seatrial-system", "port-forward", "deployment/seatrial-archive", f"{port}:8081",
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        stack.push_async_callback(forward.wait)
        stack.callback(forward.terminate)
        archive = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))
        namespace = f"record-{uuid.uuid4().hex[:6]}"
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        turn = asyncio.Semaphore(4)

        async def one(name: str) -> None:
            async with turn:
                found = await record(cluster, archive, namespace, name)
                if found["observed"]["reason"] != found["expect"]:
                    print(f"  {name}: expected {found['expect']}", flush=True)
                text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
                await asyncio.to_thread((FIXTURES / f"{name}.json").write_text, text + "\n")

        await asyncio.gather(*(one(name) for name in names or set(CASES) - {"node-lost"}))
        await cluster.delete(NAMESPACE, namespace)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
