"""Two tenants with credentials of their own: what one of them tries against the other, Seatrial and the cluster.

All attacks are made once, then each is a case of its own: empty is what an attack gained that was held off.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import uuid
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from seatrial import tokens
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError
from seatrial.kube.kinds import NAMESPACE, NODE, POD, RUN, SECRET
from tests.attacks import cluster as requests
from tests.attacks import escapes
from tests.attacks.reads import READS, Victim, ask, leaks
from tests.attacks.specs import AT_ADMISSION, BY_THE_OPERATOR, IMAGE
from tests.attacks.uploads import UPLOADS, send
from tests.e2e.conftest import OPERATOR_NAMESPACE, Bench, eventually
from tests.e2e.tenants import account, forwarded, kubeconfig, may_write_config_maps, reading

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]  # many runs at once: others would measure them
PROOF = f"proof-{uuid.uuid4().hex}"
TEST = "test_it.py::test_of_theirs"
BUNDLE = f"a bundle with {PROOF}".encode()
FAILS = {
    "test_it.py": f"def test_of_theirs():\n    open('proof.txt', 'w').write({PROOF!r})\n    assert False, {PROOF!r}\n"
}
PASSES = {"test_it.py": "def test_it(): pass\n"}
LONG = {"test_it.py": "import time\ndef test_long(): time.sleep(3600)\n"}
_RECORD: dict[str, Any] = {
    "exitCode": 0, "signal": None, "timedOut": False, "oomKilled": False, "startedAt": 99.0, "endedAt": 1e9,
    "error": None, "lost": [],
}  # fmt: skip
_FORGING = "import json, os, signal, time\n\ndef test_it():\n"
_EVENTS = """
    with open('/results/events.jsonl', 'a') as file:
        for event in ({'event': 'end', 'id': 'test_it.py::test_it', 'outcome': 'passed'},
                      {'event': 'finish', 'exitStatus': 0}):
            file.write(json.dumps({'t': time.time(), 'seconds': 0.1, **event}) + '\\n')
    assert False
"""
FORGED = {
    "exit-record": f"    open('/results/exit.json', 'w').write({json.dumps(_RECORD)!r})\n    assert False\n",
    "exit-record-and-exit": f"    open('/results/exit.json', 'w').write({json.dumps(_RECORD)!r})\n    os._exit(0)\n",
    "broken-record": "    open('/results/exit.json', 'w').write('[' * 100_000)\n    assert False\n",
    "events": _EVENTS,
    "silent-exit": "    os._exit(0)\n",
    "launcher-killed": "    os.kill(1, signal.SIGKILL)\n    assert False\n",
}
"""Bodies of a test that must not make its run Passed."""
GROUPS: Mapping[str, tuple[str, ...]] = {
    "read": tuple(READS),
    "upload": tuple(UPLOADS),
    "api": tuple(requests.FORBIDDEN),
    "spec": (*AT_ADMISSION, *BY_THE_OPERATOR, "configmap-that-the-author-may-not-read"),
    "escape": (escapes.PRINCIPLE, *escapes.REACHED, *escapes.INSIDE, "links-in-artifacts"),
    "forge": tuple(FORGED),
    "after": ("results-of-the-victim", "run-of-the-victim", "nothing-is-left-of-a", "nothing-is-left-of-b"),
}
ATTACKS = tuple(f"{group}/{name}" for group, names in GROUPS.items() for name in names)


@dataclass
class Tenant:
    """A namespace, and an account that creates runs and ConfigMaps there."""

    bench: Bench
    """As this account."""
    token: str


@dataclass
class Scene:
    """All that the attacks need; `gained` is what each one gained."""

    admin: Cluster
    mine: Tenant
    theirs: Tenant
    limited: Cluster
    """Of somebody who may create runs in `mine`, and read no ConfigMap."""
    uids: dict[str, str] = field(default_factory=dict)
    gained: dict[str, str] = field(default_factory=dict)

    async def attack(self, name: str, attack: Awaitable[str]) -> None:
        """Records what an attack gained; one that fails by itself shows nothing, and says so."""
        try:
            self.gained[name] = await attack
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
            self.gained[name] = f"the attack itself failed: {type(error).__name__}: {error}"


async def tenant(admin: Cluster, stack: AsyncExitStack, namespace: str, folder: Path) -> Tenant:
    await admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    token = await account(admin, namespace, "seatrial-view", "seatrial-edit", name="tenant")
    await may_write_config_maps(namespace, "tenant")
    cluster = await stack.enter_async_context(
        await Cluster.connect(kubeconfig=await kubeconfig(token, namespace, folder))
    )
    await eventually(lambda: _may_list(cluster, namespace), f"rights of {namespace}", 20)
    return Tenant(Bench(cluster, namespace), token)


async def _may_list(cluster: Cluster, namespace: str) -> bool:
    try:
        await cluster.list(RUN, namespace)
    except ClusterError:
        return False
    return True


async def attack_all(folder: Path) -> dict[str, str]:
    """Sets the field up, makes all attacks, and leaves nothing."""
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(await Cluster.connect(agent="seatrial-e2e"))
        base = f"e2e-{uuid.uuid4().hex[:6]}"
        mine, theirs = [await tenant(admin, stack, f"{base}-{side}", folder) for side in ("a", "b")]
        token = await account(admin, mine.bench.namespace, "seatrial-edit", name="limited")
        path = await kubeconfig(token, mine.bench.namespace, folder)
        limited = await stack.enter_async_context(await Cluster.connect(kubeconfig=path))
        scene = Scene(admin, mine, theirs, limited)
        for step in STEPS:
            await scene.attack(f"step/{step.__name__}", step(scene))
        for side in (mine, theirs):
            left = Bench(admin, side.bench.namespace, side.bench.uids)
            await scene.attack(f"after/nothing-is-left-of-{side.bench.namespace[-1]}", _leave(left))
        return scene.gained


async def _leave(bench: Bench) -> str:
    await bench.leave()
    return ""


async def set_up(scene: Scene) -> str:
    """The victim's runs, one complete and one under way; the attacker's own, and those that forge their results."""
    mine, theirs = scene.mine.bench, scene.theirs.bench
    await theirs.start({}, name="done", tests=FAILS)
    await scene.theirs.bench.cluster.patch(RUN, "done", theirs.namespace, {"metadata": {"labels": {"proof": PROOF}}})
    await theirs.start({"services": {"postgres": {}}}, name="live", tests=LONG)
    await mine.start({}, name="mine", tests=LONG)
    await mine.start({}, name="sealed", tests=PASSES)
    for name, body in FORGED.items():
        await mine.start({}, name=f"forged-{name}", tests={"test_it.py": _FORGING + body})
    await asyncio.gather(
        theirs.reach("live", "Testing", 180), mine.reach("mine", "Testing", 180),
        theirs.verdict("done", 240), mine.verdict("sealed", 240),
    )  # fmt: skip
    await theirs.cleaned_up("done", 120)  # its evidence is complete
    for name, bench in (("victim", theirs), ("sealed", mine), ("mine", mine)):
        scene.uids[name] = await bench.uid("done" if name == "victim" else name)
    async with reading(scene.theirs.token) as client:

        async def recorded() -> bool:
            answer = await client.get(f"/v1/runs/{scene.uids['victim']}")
            return answer.is_success and answer.json()["verdict"] == "Failed" and PROOF in answer.text

        await eventually(recorded, "the owner reads the verdict and the proof in the archive", 30)
    return ""


async def _victim(scene: Scene) -> Victim:
    namespace = scene.theirs.bench.namespace
    uid = (await scene.admin.get(NAMESPACE, namespace))["metadata"]["uid"]
    own = scene.mine.bench.namespace
    return Victim(scene.uids["victim"], "done", namespace, uid, TEST, PROOF, own, BUNDLE)


async def read(scene: Scene) -> str:
    victim = await _victim(scene)

    async def attack(name: str) -> str:
        read = READS[name]
        if read.works or read.exists:
            answer = await ask(theirs, read, victim, {})
            if not answer.is_success:
                return f"it would show nothing: the owner is answered {answer.status_code}: {answer.text[:300]}"
        return leaks(read, victim, await ask(mine, read, victim, {}))

    async with reading(scene.mine.token) as mine, reading(scene.theirs.token) as theirs:
        digest = hashlib.sha256(BUNDLE).hexdigest()
        put = await theirs.put(f"/v1/namespaces/{victim.namespace}/bundles/{digest}", content=BUNDLE)
        assert put.is_success, f"the owner can't put a bundle: {put.status_code}: {put.text[:300]}"
        for name in READS:
            await scene.attack(f"read/{name}", attack(name))
    return ""


async def upload(scene: Scene) -> str:
    """With the tokens that the collectors of the attacker's own runs have: he is given what he could only steal."""
    secret = await scene.admin.get(SECRET, "seatrial-key", OPERATOR_NAMESPACE)
    key = base64.b64decode(secret["data"]["key"])
    stolen = {name: tokens.upload_token(key, scene.uids[name], 1, 0) for name in ("mine", "sealed")}

    async def attack(name: str) -> str:
        answer = await send(client, UPLOADS[name], scene.uids, stolen)
        wanted = UPLOADS[name].refused
        return (
            "" if answer.status_code in wanted else f"{answer.status_code}, not {sorted(wanted)}: {answer.text[:500]}"
        )

    async with forwarded(scene.admin, "archive", 8080) as client:
        for name in UPLOADS:
            await scene.attack(f"upload/{name}", attack(name))
    return ""


async def request(scene: Scene) -> str:
    words = {
        "own": scene.mine.bench.namespace, "other": scene.theirs.bench.namespace, "mine": "mine", "theirs": "done",
        "environment": (await scene.theirs.bench.status("live"))["namespace"],
    }  # fmt: skip

    async def attack(name: str) -> str:
        status, text = await requests.attempt(scene.mine.bench.cluster, requests.FORBIDDEN[name], words)
        return "" if status in (401, 403) else f"{status}, not 401 or 403: {text[:500]}"

    for name in requests.FORBIDDEN:
        await scene.attack(f"api/{name}", attack(name))
    return ""


def _draft(namespace: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "seatrial.dev/v1alpha1", "kind": "IntegrationRun", "metadata": metadata, "spec": dict(spec)}


async def specify(scene: Scene) -> str:
    mine = scene.mine.bench

    async def refused(cluster: Cluster, spec: Mapping[str, Any], said: str) -> str:
        try:
            await cluster.create(_draft(mine.namespace, "attack", spec), strict=True, dry_run=True)
        except ClusterError as error:
            return "" if said in error.message else f"refused, but without {said!r}: {error.message}"
        return "the API server takes it"

    async def never_begins(name: str) -> str:
        spec, said = BY_THE_OPERATOR[name]
        try:
            await mine.start(spec, name=f"spec-{name}")
        except ClusterError as error:
            return "" if said in error.message else f"refused, but without {said!r}: {error.message}"
        status = await mine.verdict(f"spec-{name}", 60)
        told = f"{status.get('reason')}: {status.get('message')}"
        return "" if status["reason"] == "InvalidSpec" and said in told else f"not InvalidSpec with {said!r}: {told}"

    for name, (spec, said) in AT_ADMISSION.items():
        await scene.attack(f"spec/{name}", refused(mine.cluster, spec, said))
    for name in BY_THE_OPERATOR:
        await scene.attack(f"spec/{name}", never_begins(name))
    named = {"tests": {"image": IMAGE, "source": {"configMapRef": {"name": "mine-tests"}}}}
    name = "spec/configmap-that-the-author-may-not-read"
    await scene.attack(name, refused(scene.limited, named, "may not read every ConfigMap"))
    return ""


async def forge(scene: Scene) -> str:
    async def attack(name: str) -> str:
        status = await scene.mine.bench.verdict(f"forged-{name}", 240)
        return f"Passed: {status.get('message')}" if status["verdict"] == "Passed" else ""

    for name in FORGED:
        await scene.attack(f"forge/{name}", attack(name))
    return ""


async def _address(scene: Scene, namespace: str, labels: str) -> str:
    found = await scene.admin.list(POD, namespace, labels=labels)
    addresses = [pod["status"]["podIP"] for pod in found if pod["status"].get("podIP")]
    assert addresses, f"no pod of {labels} in {namespace} has an address"
    return str(addresses[0])


async def begin_escapes(scene: Scene) -> str:
    """Starts the run whose suite tries the ways out, told where everything is."""
    environment = (await scene.theirs.bench.status("live"))["namespace"]
    system = f"svc.{OPERATOR_NAMESPACE}"
    of_seatrial = "app.kubernetes.io/name=seatrial,app.kubernetes.io/component"
    node = (await scene.admin.list(NODE))[0]["status"]["addresses"]
    node_address = next(address["address"] for address in node if address["type"] == "InternalIP")
    api = (await scene.admin.request("GET", "/api/v1/namespaces/default/services/kubernetes", "services"))["spec"]
    archive = await _address(scene, OPERATOR_NAMESPACE, f"{of_seatrial}=archive")
    operator = await _address(scene, OPERATOR_NAMESPACE, f"{of_seatrial}=operator")
    postgres = await _address(scene, environment, "seatrial.dev/component=postgres")
    system = f"{OPERATOR_NAMESPACE}.svc"
    targets = {
        "archive-upload-port": (f"seatrial-archive.{system}", 8080),
        "api-server": ("kubernetes.default.svc", 443),
        "api-server-by-address": (api["clusterIP"], 443),
        "kubelet": (node_address, 10250),
        "node-ssh": (node_address, 22),
        "metadata": ("169.254.169.254", 80),
        "internet": ("1.1.1.1", 443),
        "dns-elsewhere": ("8.8.8.8", 53),
        "archive-read-port": (f"seatrial-archive.{system}", 8081),
        "archive-read-port-by-address": (archive, 8081),
        "operator-metrics": (operator, 8082),
        "operator-health": (operator, 8083),
        "postgres-of-another": (f"postgres.{environment}.svc", 5432),
        "postgres-of-another-by-address": (postgres, 5432),
    }
    suite = escapes.suite(targets, targets["archive-upload-port"], scene.uids["victim"])
    await scene.mine.bench.start({}, name="escape", tests=suite)
    return ""


async def end_escapes(scene: Scene) -> str:
    """What the suite found, as the attacker reads it in the archive."""
    bench = scene.mine.bench
    status = await bench.verdict("escape", 240)
    uid = await bench.uid("escape")
    async with reading(scene.mine.token) as client:

        async def ingested() -> list[dict[str, Any]]:
            answer = await client.get(f"/v1/runs/{uid}/tests?limit=1000")
            return list(answer.json()["tests"]) if answer.is_success else []

        rows = {row["id"].rpartition("::")[2]: row for row in await eventually(ingested, "the results of `escape`", 30)}
        listed = await client.get(f"/v1/runs/{uid}/files")

        async def found(test: str) -> str:
            row = rows.get(test)
            if row is None:
                return f"it has no result; the run ended {status.get('reason')}: {status.get('message')}"
            if row["outcome"] == "passed":
                return ""
            text = (await client.get(f"/v1/runs/{uid}/attempts/1/test", params={"id": row["id"]})).text
            return f"{row['outcome']}: {text[:1500]}"

        for name in (escapes.PRINCIPLE, *escapes.REACHED):
            await scene.attack(f"escape/{name}", found(f"test_reach[{name}]"))
        for name in escapes.INSIDE:
            await scene.attack(f"escape/{name}", found(f"test_inside[{name}]"))
    paths = {file["path"].removeprefix("artifacts/") for part in listed.json()["sets"] for file in part["files"]}
    taken = sorted(paths & set(escapes.LINKS) | {path for path in paths if path.startswith("taken/folder")})
    missing = "" if "taken/mine.txt" in paths else f"taken/mine.txt is not among {sorted(paths)}: nothing is shown"
    scene.gained["escape/links-in-artifacts"] = f"collected through links: {taken}" if taken else missing
    return ""


async def look_afterwards(scene: Scene) -> str:
    """All attacks are over: the victim has what it had."""

    async def results() -> str:
        async with reading(scene.theirs.token) as client:
            uid = scene.uids["victim"]
            files = (await client.get(f"/v1/runs/{uid}/files")).json()["sets"]
            verified = (await client.get(f"/v1/runs/{uid}/verify")).text
        planted = [file["path"] for part in files for file in part["files"] if "planted" in file["path"]]
        wrong = [line for line in verified.splitlines() if json.loads(line).get("problems")]
        return f"planted {planted}, damaged {wrong}" if planted or wrong else ""

    async def run() -> str:
        live, done = [await scene.theirs.bench.status(name) for name in ("live", "done")]
        if live.get("phase") != "Testing":
            return f"`live` does not test any more: {live.get('phase')}: {live.get('message')}"
        return "" if done["reason"] == "TestsFailed" else f"`done` is {done['reason']}: {done.get('message')}"

    await scene.attack("after/results-of-the-victim", results())
    await scene.attack("after/run-of-the-victim", run())
    return ""


STEPS = (set_up, begin_escapes, read, upload, request, specify, forge, end_escapes, look_afterwards)


@pytest.fixture(scope="module")
def gained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each attack gained."""
    return asyncio.run(attack_all(tmp_path_factory.mktemp("tenants")))


@pytest.mark.parametrize("step", [step.__name__ for step in STEPS])
def test_all_attacks_are_made(gained: dict[str, str], step: str) -> None:
    assert not gained[f"step/{step}"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_gains_nothing(gained: dict[str, str], attack: str) -> None:
    if attack not in gained:
        pytest.skip("it was not made: a step failed, see test_all_attacks_are_made")
    assert not gained[attack]
