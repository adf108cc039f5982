"""What is in the archive after a run that did not pass, and that no secret is anywhere in it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.conftest import Bench, kubectl, quickstart

pytestmark = pytest.mark.cluster

IMAGE = "seatrial/pytest:0.1.0"
TOKEN = "canary-token-7f3a9c51e2"
PASSWORD = "canary p@ss/wörd 42"
PRINTS = (
    "import os, base64, urllib.parse\n"
    "t = os.environ['API_TOKEN']; p = os.environ['PGPASSWORD']; o = os.environ['OTHER_PASSWORD']\n"
    "print('I know', t, p, o, base64.b64encode(t.encode()).decode(), base64.b64encode(f'user:{p}'.encode()).decode(),"
    " urllib.parse.quote(o), repr(o), flush=True)\n"
)
SERVES = f"{PRINTS}import http.server as h\nh.HTTPServer(('', 8000), h.SimpleHTTPRequestHandler).serve_forever()"
SPEC: dict[str, Any] = {
    "services": {"postgres": {}},
    "env": [{"name": "API_TOKEN", "value": TOKEN}, {"name": "OTHER_PASSWORD", "value": PASSWORD}],
}
TESTS = {
    "test_it.py": f"{PRINTS}\n"
    "def test_it():\n"
    "    os.makedirs('logs', exist_ok=True)\n"
    "    open('logs/own.txt', 'w').write(f'{t} {p} {o}')\n"
    "    print(t, p, o)\n"
    "    assert [t, p, o] == ['x', 'y', 'z']\n"
}


@dataclass(frozen=True)
class Archive:
    """The archive's read port, reached by a forwarded port."""

    client: httpx.AsyncClient

    async def json(self, path: str) -> Any:
        answer = await self.client.get(path)
        return answer.json() if answer.is_success else None

    async def files(self, uid: str) -> dict[str, bytes]:
        """All files of all sets of the run's attempt, by set and name, and the record of the run itself."""
        found = {"run": (await self.client.get(f"/v1/runs/{uid}")).content}
        for part in ("evidence", "shards/0"):
            base = f"/v1/runs/{uid}/attempts/1/{part}"
            manifest = await self.json(f"{base}/manifest")
            for file in manifest["files"] if manifest else ():
                answer = await self.client.get(f"{base}/files/{file['path']}")
                assert answer.is_success
                assert len(answer.content) == file["size"]
                found[f"{part}/{file['path']}"] = answer.content
        return found


@pytest.fixture
async def archive() -> AsyncIterator[Archive]:
    forward = await asyncio.create_subprocess_exec(
        "kubectl", "-n", "seatrial-system", "port-forward", "deployment/seatrial-archive", ":8081",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert forward.stdout is not None
    announced = (await asyncio.wait_for(forward.stdout.readline(), 30)).decode()
    port = re.search(r":(\d+) ->", announced)
    assert port, announced
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port[1]}") as client:
        yield Archive(client)
    forward.terminate()
    await forward.wait()


async def evidence_of(
    bench: Bench, archive: Archive, spec: dict[str, Any], tests: dict[str, str]
) -> tuple[Any, dict[str, bytes]]:
    """The status of a run that has ended, and its files in the archive."""
    name = await bench.start({**SPEC, **spec}, tests=tests)
    await bench.verdict(name)
    status = await bench.cleaned_up(name)
    uid = await bench.uid(name)
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert conditions["EvidenceArchived"] == "True"
    files = await archive.files(uid)
    await no_canary(bench, name, files)
    return status, files


async def no_canary(bench: Bench, name: str, files: dict[str, bytes]) -> None:
    """Looks for the planted secrets in all places where what a run's programs say may come to.

    These are: every file of the evidence and of the tests' results, what the archive tells of the run, the run's
    status, the Kubernetes Events about it, and the logs of operator and archive.
    """
    run = yaml.safe_load(await kubectl("get", "irun", name, "-n", bench.namespace, "-o", "yaml"))
    places = {
        **files,
        "status": json.dumps(run["status"]).encode(),
        "events": (await kubectl("get", "events", "-n", bench.namespace, "-o", "json")).encode(),
    }
    for program in ("operator", "archive"):
        logs = await kubectl("logs", "-n", "seatrial-system", f"deployment/seatrial-{program}", "--since=10m")
        places[f"log of the {program}"] = logs.encode()
    assert len(places) > 5
    whole = [TOKEN, PASSWORD, base64.b64encode(TOKEN.encode()).decode().rstrip("="), "canary%20p%40ss"]
    found = [(place, secret) for place, content in places.items() for secret in whole if secret.encode() in content]
    assert found == []
    for place, content in places.items():  # whatever stands where the derived password was printed
        for line in content.decode(errors="replace").splitlines():
            if match := re.search(r"I know \S+ (\S+)", line):
                assert match[1] == "***", f"{place}: {line}"


async def test_failing_tests(bench: Bench, archive: Archive) -> None:
    spec = {
        "apps": {"web": {"image": IMAGE, "command": ["python", "-c", SERVES], "port": 8000}},
        "tests": {"artifacts": ["logs/**"]},
    }
    status, files = await evidence_of(bench, archive, spec, TESTS)
    assert status["reason"] == "TestsFailed"
    assert {
        "evidence/run.json", "evidence/pods.json", "evidence/jobs.json", "evidence/events.json", "evidence/nodes.json",
        "evidence/hints.json", "evidence/logs/postgres.log", "evidence/logs/web.log", "evidence/logs/tests.log",
        "shards/0/artifacts/logs/own.txt", "shards/0/output.log",
    } <= set(files)  # fmt: skip
    assert files["shards/0/artifacts/logs/own.txt"] == b"*** *** ***"
    assert b"I know *** *** ***" in files["evidence/logs/web.log"]
    assert b"*** *** ***" in files["shards/0/output.log"]
    first = files["evidence/logs/web.log"].splitlines()[0]
    assert re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ", first)
    images = [
        c["imageID"] for pod in json.loads(files["evidence/pods.json"]) for c in pod["status"]["containerStatuses"]
    ]
    assert all("sha256:" in image for image in images)
    verdict, gone = (status["timeline"][moment] for moment in ("verdict", "cleanedUp"))
    assert verdict < gone


async def test_a_crashing_app(bench: Bench, archive: Archive) -> None:
    script = f"{PRINTS}import psycopg\npsycopg.connect().execute('select * from orders')"
    spec = {"apps": {"web": {"image": IMAGE, "command": ["python", "-c", script], "port": 8000}}}
    status, files = await evidence_of(bench, archive, spec, TESTS)
    assert status["reason"] == "AppCrashed"
    assert "`seatrial logs" in status["message"]
    assert b'relation "orders" does not exist' in files["evidence/logs/web.previous.log"]
    first = json.loads(files["evidence/hints.json"])[0]
    assert (first["component"], first["cause"]) == ("web", True)
    assert first["title"] == "table orders does not exist: a migration is missing"


async def test_a_failing_migration(bench: Bench, archive: Archive) -> None:
    script = f"{PRINTS}raise ModuleNotFoundError(\"No module named 'orders'\")"
    spec = {"migrations": [{"name": "schema", "image": IMAGE, "command": ["python", "-c", script]}]}
    status, files = await evidence_of(bench, archive, spec, TESTS)
    assert status["reason"] == "MigrationFailed"
    assert b"I know *** *** ***" in files["evidence/logs/migrations.schema.log"]
    first = json.loads(files["evidence/hints.json"])[0]
    assert (first["component"], first["title"], first["cause"]) == ("migrations", "module orders is missing", True)


async def test_a_run_that_passed_leaves_its_record(bench: Bench, archive: Archive) -> None:
    name = await bench.start({}, tests={"test_it.py": "def test_it(): ...\n"})
    await bench.verdict(name)
    await bench.cleaned_up(name)
    files = await archive.files(await bench.uid(name))
    assert [file for file in files if file.startswith("evidence/")] == ["evidence/run.json"]


PLAIN = {"test_it.py": "def test_total():\n    assert sum([1, 2]) == 4\n"}
NOWHERE = ["uvicorn", "orders.nowhere:app", "--host", "0.0.0.0", "--port", "8000"]
VARIANTS = {
    "only Postgres, a failing test": ({"services": {"postgres": {}}}, None),
    "a failing test": ({}, None),
    "no migration": ({"migrations": []}, "table-missing"),
    "an app without its module": ({"apps": {"orders-api": {**quickstart()["apps"]["orders-api"], "command": NOWHERE}}},
                                  "module-missing"),
}  # fmt: skip
"""What is changed in the quickstart, and the code of its probable cause; None: no log shows one."""
ROUNDS, AT_ONCE = 5, 5


@pytest.mark.slow
async def test_the_probable_cause_is_right_or_absent(bench: Bench, archive: Archive) -> None:
    """Variants of the quickstart that fail, some at once, so that gates ask their services often before they answer."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def causes(changes: dict[str, Any], expected: str | None) -> list[tuple[str, str, str]]:
        spec = quickstart()
        spec.pop("tests")
        if "services" in changes:
            spec = {}
        async with turns:
            name = await bench.start({**spec, **changes}, tests=PLAIN)
            await bench.verdict(name)
            await bench.cleaned_up(name)
            uid = await bench.uid(name)
        hints = await archive.json(f"/v1/runs/{uid}/attempts/1/evidence/files/hints.json")
        return [(h["code"], h["component"], h["line"]) for h in hints if h["cause"] and h["code"] != expected]

    wrong = await asyncio.gather(*(causes(*variant) for variant in VARIANTS.values() for _ in range(ROUNDS)))
    assert [found for found in wrong if found] == []
