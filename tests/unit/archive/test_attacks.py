"""Reading what is another tenant's, with a right of one's own: all ways, on an archive in this process."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from starlette.routing import Route

from seatrial.archive.server.app import read_app, upload_app
from seatrial.archive.server.serve import running
from seatrial.archive.server.settings import Settings
from tests.attacks.reads import READS, Victim, ask, leaks
from tests.attacks.uploads import UPLOADS
from tests.unit.archive.support import KEY, UID, Server, connected, record, sha256, summary
from tests.unit.archive.test_access import Fake
from tests.unit.runner.support import ended, failure, lines, start

PROOF = "proof-7c1e4b"
TEST = "test_it.py::test_of_theirs"
VICTIM = Victim(UID, "pr-77", "team-b", "uid-b", TEST, PROOF, "team-a", f"a bundle with {PROOF}".encode())
NOBODY = dataclasses.replace(VICTIM, uid="11111111-2222-3333-4444-555555555555")
ATTACKER, OWNER = {"X-Seatrial-Token": "ann"}, {"X-Seatrial-Token": "bob"}


class Tenants(Fake):
    """ann may read team-a, bob team-b."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {"ann", "bob"}
        self.namespaces = {"team-a": "uid-a", "team-b": "uid-b"}

    async def may(self, user: object, verb: str, namespace: str | None) -> bool:
        return (getattr(user, "name", ""), namespace) in {("ann", "team-a"), ("bob", "team-b")}


async def store_the_victims(server: Server) -> None:
    """A failed run with everything that there may be of one, and the proof in it."""
    run = {"uid": UID, "name": VICTIM.name, "namespace": VICTIM.namespace}
    await server.put_record(
        UID, name=VICTIM.name, namespace=VICTIM.namespace, namespaceUid="uid-b", labels={"proof": PROOF},
        verdict="Failed", reason="TestsFailed", message=f"1 test failed: {PROOF}", phase="Failed",
    )  # fmt: skip
    failures = [{"id": TEST, "outcome": "failed", "message": PROOF}]
    files = {
        "summary.json": summary(run=run, outcome="failed", tests={"total": 1, "failed": 1}, failures=failures),
        "events.jsonl": lines([start(TEST), failure(TEST, PROOF), ended(TEST, "failed")]),
        "artifacts/proof.txt": PROOF.encode(),
    }
    await server.shard().whole(files)
    await server.evidence().whole({"run.json": record(message=PROOF, **run), "logs/app.log": PROOF.encode()})
    put = await server.read.put(
        f"/v1/namespaces/team-b/bundles/{sha256(VICTIM.bundle)}", content=VICTIM.bundle, headers=OWNER
    )
    assert put.is_success, put.text
    await server.caught_up()


Answers = Mapping[tuple[str, str], httpx.Response]
Way = tuple[str, str]
"""Method and path."""
OPEN: set[Way] = {
    *(("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/sign-in", "/static/{name}")),
    *(("POST", path) for path in ("/sign-in", "/sign-out")),
}
"""Ways that give nothing of anybody's."""


def routes(parts: Iterable[Any]) -> Iterator[Route]:
    """All routes, also those of included routers."""
    for part in parts:
        if isinstance(part, Route):
            yield part
        else:
            yield from routes(part.original_router.routes)


def untried(app: Any, tried: Iterable[Way]) -> set[Way]:
    """The ways into an application that none of these requests takes."""
    plain = [(method, unquote(path.partition("?")[0])) for method, path in tried]
    ways = {
        (method, route.path): any(method == with_ and route.path_regex.match(path) for with_, path in plain)
        for route in routes(app.routes)
        for method in (route.methods or set()) - {"HEAD"}
    }
    return {way for way, taken in ways.items() if not taken} - OPEN


async def all_answers(settings: Settings) -> tuple[Answers, set[Way]]:
    """The answers, and the ways in that were not tried."""
    found = {}
    async with (
        running(settings, reviewer=Tenants()) as ports,
        connected(ports.upload_port, ports.read_port, settings.folder) as server,
    ):
        server.archive = ports.archive
        await store_the_victims(server)
        for name, read in READS.items():
            found[name, "owner"] = await ask(server.read, read, VICTIM, OWNER)
            found[name, "attacker"] = await ask(server.read, read, VICTIM, ATTACKER)
            found[name, "guess"] = await ask(server.read, read, NOBODY, ATTACKER)
        reads = [(read.method, read.filled(VICTIM)) for read in READS.values()]
        words = {"victim": "u", "mine": "u", "sealed": "u", "token_mine": "t"}
        uploads = [(upload.method, upload.path.format(**words)) for upload in UPLOADS.values()]
        left = untried(read_app(ports.archive)._app, reads) | untried(upload_app(ports.archive), uploads)  # type: ignore[attr-defined]
    return found, left


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answers, set[Way]]:
    folder = tmp_path_factory.mktemp("archive")
    (folder / "key").write_bytes(KEY)
    settings = Settings(
        folder=folder / "archive", key_file=folder / "key", host="127.0.0.1", upload_port=0, read_port=0
    )
    return asyncio.run(all_answers(settings))


@pytest.fixture(scope="module")
def answers(tried: tuple[Answers, set[Way]]) -> Answers:
    """Of each way, by the name of who asked."""
    return tried[0]


def test_every_way_into_the_archive_is_tried(tried: tuple[Answers, set[Way]]) -> None:
    assert tried[1] == set(), "a new way in needs a line in tests/attacks"


@pytest.mark.parametrize("name", READS)
def test_a_tenant_reads_nothing_of_another(answers: Answers, name: str) -> None:
    read, owner = READS[name], answers[name, "owner"]
    if read.works:
        assert PROOF in owner.text, "the attack would show nothing: who may read it does not see it so"
    if read.exists:
        assert owner.status_code == 200, owner.text
    assert not leaks(read, VICTIM, answers[name, "attacker"])


@pytest.mark.parametrize("name", [name for name, read in READS.items() if "{uid}" in read.path])
def test_a_uid_that_exists_is_answered_as_one_that_does_not(answers: Answers, name: str) -> None:
    theirs, none = answers[name, "attacker"], answers[name, "guess"]
    assert theirs.status_code == none.status_code
    assert theirs.text.replace(VICTIM.uid, "") == none.text.replace(NOBODY.uid, "")
