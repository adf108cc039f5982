"""Changing results with a token that is good for something else, or too late, on an archive in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import pytest

from seatrial import tokens
from seatrial.archive.model.keys import SetKey
from seatrial.archive.server.serve import running
from seatrial.archive.server.settings import Settings
from tests.attacks.uploads import UPLOADS, send
from tests.unit.archive.support import KEY, connected

UIDS = {"victim": "0b5c1f9e-0000-4a57-9d3e-1f2a3b4c5d6e", "mine": "run-of-mine", "sealed": "run-of-mine-before"}
TOKENS = {name: tokens.upload_token(KEY, UIDS[name], 1, 0) for name in ("mine", "sealed")}


@dataclass(frozen=True)
class Sent:
    """What became of all requests."""

    answers: Mapping[str, httpx.Response]
    victim: tuple[bytes, bytes]
    """The victim's manifest, before and after."""
    mine: int
    """Sets of the attacker's own run."""


async def send_all(settings: Settings) -> Sent:
    async with (
        running(settings) as ports,
        connected(ports.upload_port, ports.read_port, settings.folder) as server,
    ):
        for uid in (UIDS["victim"], UIDS["sealed"]):
            await server.shard(uid).whole()
        store, victim = ports.archive.store, SetKey(UIDS["victim"], 1, 0)
        before = store.manifest(victim)
        answers = {name: await send(server.upload, upload, UIDS, TOKENS) for name, upload in UPLOADS.items()}
        assert await server.shard(UIDS["mine"]).whole(), "what one may upload, one still may"
        return Sent(answers, (before, store.manifest(victim)), len(store.sets(UIDS["mine"])))


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    folder = tmp_path_factory.mktemp("archive")
    (folder / "key").write_bytes(KEY)
    settings = Settings(
        folder=folder / "archive", key_file=folder / "key", host="127.0.0.1", upload_port=0, read_port=0
    )
    return asyncio.run(send_all(settings))


@pytest.mark.parametrize("name", UPLOADS)
def test_a_token_changes_nothing_but_its_own_shard(sent: Sent, name: str) -> None:
    answer = sent.answers[name]
    assert answer.status_code in UPLOADS[name].refused, f"{answer.status_code}: {answer.text}"


def test_what_was_stored_stays(sent: Sent) -> None:
    before, after = sent.victim
    assert before == after
    assert sent.mine == 1
