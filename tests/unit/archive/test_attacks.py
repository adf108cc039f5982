"""Reading what is another tenant's, with a right of one's own: all ways, on an archive in this process."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping

import httpx
import pytest

from seatrial.archive.server.serve import running
from seatrial.archive.server.settings import Settings
from tests.attacks.reads import READS, Victim, ask, leaks
from tests.unit.archive.support import KEY, UID, Server, connected, record, summary
from tests.unit.archive.test_access import Fake
from tests.unit.runner.support import ended, failure, lines, start

PROOF = "proof-7c1e4b"
TEST = "test_it.py::test_of_theirs"
VICTIM = Victim(UID, "pr-77", "team-b", "uid-b", TEST, PROOF, own_namespace="team-a")
NOBODY = dataclasses.replace(VICTIM, uid="11111111-2222-3333-4444-555555555555")
ATTACKER, OWNER = {"X-Seatrial-Token": "ann"}, {"X-Seatrial-Token": "bob"}


class Tenants(Fake):
    """ann may read team-a, bob team-b."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = {"ann", "bob"}
        self.namespaces = {"team-a": "uid-a", "team-b": "uid-b"}

    async def may_read(self, user: object, namespace: str | None) -> bool:
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
    await server.evidence().whole({"run.json": record(**run, message=PROOF), "logs/app.log": PROOF.encode()})
    await server.caught_up()


Answers = Mapping[tuple[str, str], httpx.Response]


async def all_answers(settings: Settings) -> Answers:
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
    return found


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Of each way, by the name of who asked."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "key").write_bytes(KEY)
    settings = Settings(
        folder=folder / "archive", key_file=folder / "key", host="127.0.0.1", upload_port=0, read_port=0
    )
    return asyncio.run(all_answers(settings))


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
