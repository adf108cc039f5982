"""Who may read what, with a reviewer in the API server's place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request

from seatrial import tokens
from seatrial.archive.model.errors import UnavailableError
from seatrial.archive.server.access.kubernetes import Kubernetes, User
from seatrial.archive.server.access.readers import Access, Reader
from seatrial.archive.server.errors import UnauthorizedError
from seatrial.archive.server.live.limits import Limits
from seatrial.kube.errors import UnavailableError as ClusterUnavailableError
from tests.unit.archive.support import KEY, UID, Serve, Server

ANN = {"Authorization": "Bearer ann"}  # may read team-a
ROOT = {"Authorization": "Bearer root"}  # may read all


class Fake:
    """Knows ann and root; counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.away = False
        self.tokens = {"ann", "root"}
        self.rights = {"team-a"}
        self.namespaces: dict[str, str | None] = {"team-a": "uid-1"}

    async def who(self, token: str) -> User | None:
        self.asked["who"] += 1
        await asyncio.sleep(0)
        if self.away:
            raise UnavailableError("the API server can't be asked")
        return User(token) if token in self.tokens else None

    async def may(self, user: User, verb: str, namespace: str | None) -> bool:
        self.asked[f"{user.name} {namespace}"] += 1
        return user.name == "root" or namespace in self.rights

    async def namespace_uid(self, namespace: str) -> str | None:
        return self.namespaces.get(namespace, "")

    async def close(self) -> None:
        pass


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
async def server(serve: Serve, fake: Fake) -> AsyncIterator[Server]:
    async with serve(reviewer=fake) as started:
        await started.put_record()
        await started.put_record("theirs", namespace="team-b")
        await started.shard().whole()
        await started.shard("theirs").whole()
        await started.caught_up()
        yield started


def paths(uid: str) -> list[str]:
    shard = f"/v1/runs/{uid}/attempts/1/shards/0"
    return [
        *(f"/v1/runs/{uid}{what}" for what in ("", "/tests", "/files")),
        *(f"{shard}/manifest", f"{shard}/files/summary.json"),
        *(f"/v1/runs/{uid}/live", f"/runs/{uid}"),
    ]


@pytest.mark.parametrize("header", ["Authorization", "X-Seatrial-Token", "Cookie"])
async def test_one_namespace_cannot_read_anothers_results(server: Server, header: str) -> None:
    token = {"Authorization": "Bearer ann", "X-Seatrial-Token": "ann", "Cookie": "seatrial_token=ann"}[header]
    headers = {header: token} | ({"Host": "archive.example"} if header == "Cookie" else {})
    for path in paths(UID):
        assert (await server.read.get(path, headers=headers)).status_code == 200, path
    for path in paths("theirs"):
        assert (await server.read.get(path, headers=headers)).status_code == 404, path
    listed = (await server.read.get("/v1/runs", headers=headers)).json()
    assert ([run["uid"] for run in listed["runs"]], listed["total"]) == ([UID], 1)
    assert (await server.read.get("/v1/runs?namespace=team-b", headers=headers)).json()["total"] == 0
    for path in ("history?id=x&namespace=", "durations?namespace="):
        assert (await server.read.get(f"/v1/tests/{path}team-a", headers=headers)).status_code == 200
        assert (await server.read.get(f"/v1/tests/{path}team-b", headers=headers)).status_code == 404


async def test_a_run_that_is_not_yours_is_as_one_that_is_not_there(server: Server) -> None:
    theirs = (await server.read.get("/v1/runs/theirs", headers=ANN)).text
    nobodys = (await server.read.get("/v1/runs/nobodys", headers=ANN)).text
    assert theirs.replace("theirs", "nobodys") == nobodys


async def test_a_namespace_made_anew_reads_nothing_of_its_predecessor(serve: Serve, fake: Fake) -> None:
    async with serve(reviewer=fake) as server:
        for uid, namespace_uid in (("before", "uid-0"), (UID, "uid-1"), ("unknown", "")):
            await server.put_record(uid, namespaceUid=namespace_uid)
            await server.shard(uid).whole()
        await server.put_record(UID, namespaceUid="")  # the namespace is gone by now: what is known stays
        await server.caught_up()
        for path in paths("before"):
            assert (await server.read.get(path, headers=ANN)).status_code == 404, path
            assert (await server.read.get(path, headers=ROOT)).status_code == 200, path
        for path in (*paths(UID), *paths("unknown")):
            assert (await server.read.get(path, headers=ANN)).status_code == 200, path
        for query in ("", "?namespace=team-a"):
            listed = (await server.read.get(f"/v1/runs{query}", headers=ANN)).json()
            assert {run["uid"] for run in listed["runs"]} == {UID, "unknown"}
        assert "/runs/before" not in (await server.read.get("/", headers=ANN)).text
        assert (await server.read.get("/v1/runs", headers=ROOT)).json()["total"] == 3


async def test_results_are_read_by_name_where_namespaces_can_not_be_asked_for(serve: Serve, fake: Fake) -> None:
    fake.namespaces["team-a"] = None
    async with serve(reviewer=fake) as server:
        await server.put_record(UID, namespaceUid="uid-0")
        assert (await server.read.get(f"/v1/runs/{UID}", headers=ANN)).status_code == 200
        assert (await server.read.get("/v1/runs", headers=ANN)).json()["total"] == 1


async def test_who_may_read_all_reads_all(server: Server) -> None:
    operator = {"Authorization": f"Bearer {tokens.feed_token(KEY)}"}
    for headers in (ROOT, operator, {}):  # the last one: over the loopback interface
        assert (await server.read.get("/v1/runs", headers=headers)).json()["total"] == 2
        for path in (*paths(UID), *paths("theirs")):
            assert (await server.read.get(path, headers=headers)).status_code == 200, path


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer stranger"},
        {"X-Seatrial-Token": "stranger"},
        {"Authorization": f"Bearer {tokens.feed_token(KEY)[:-1]}"},
        {"Host": "evil.example"},  # a name of the web that stands for 127.0.0.1
        {"Host": "evil.example", "X-Forwarded-For": "127.0.0.1"},
        {"Host": "evil.example", "Cookie": "seatrial_token=stranger"},
    ],
)
async def test_readers_without_a_right_read_nothing(server: Server, headers: dict[str, str]) -> None:
    for path in ("/v1/runs", f"/v1/runs/{UID}", "/v1/tests/flaky", f"/v1/runs/{UID}/live"):
        answer = await server.read.get(path, headers=headers)
        assert answer.status_code == 401
        assert "pr-1234" not in answer.text
        assert answer.json()["hint"]
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await server.read.get(path, headers=headers)).status_code == 200


async def test_who_forwards_a_port_needs_a_token_where_the_settings_say_so(serve: Serve, fake: Fake) -> None:
    async with serve(reviewer=fake, trust_loopback=False) as server:
        await server.put_record()
        for path in ("/v1/runs", f"/v1/runs/{UID}", f"/v1/runs/{UID}/live", "/v1/tests/flaky"):
            assert (await server.read.get(path)).status_code == 401
        assert (await server.read.get("/")).headers["Location"].startswith("./sign-in")
        assert (await server.read.get("/v1/runs", headers=ANN)).json()["total"] == 1


@pytest.mark.parametrize("lost", ["right", "token", "run", "answer"])
async def test_a_stream_ends_when_its_reader_may_not_read_any_more(serve: Serve, fake: Fake, lost: str) -> None:
    async with serve(Limits(ping_seconds=0.02), reviewer=fake, recheck_seconds=0.05) as server:
        await server.put_record()
        async with server.read.stream("GET", f"/v1/runs/{UID}/live", headers=ANN) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            for _ in range(20):  # it is asked again several times, and goes on
                assert await anext(lines) in ("", ": ping")
            match lost:
                case "right":
                    fake.rights.clear()
                case "token":
                    fake.tokens.clear()
                case "run":
                    assert server.archive is not None
                    server.archive.history.keeping.mark_deleted([UID])
                case "answer":
                    fake.away = True
            async with asyncio.timeout(300):
                assert {line async for line in lines} <= {"", ": ping"}


async def test_the_feed_is_the_operators_alone(server: Server) -> None:
    assert (await server.read.get("/v1/feed")).status_code == 401
    assert (await server.read.get("/v1/feed", headers=ROOT)).status_code == 403


async def test_an_api_server_that_is_away_is_reported(server: Server, fake: Fake) -> None:
    fake.away = True
    answer = await server.read.get("/v1/runs", headers={"Authorization": "Bearer unheard-of"})
    assert (answer.status_code, "API server" in answer.json()["error"]) == (503, True)
    fake.away = False
    assert (await server.read.get("/v1/runs", headers=ANN)).status_code == 200


def request(token: str, peer: str = "10.0.0.1", host: str = "archive") -> Request:
    headers = [(b"host", host.encode())] + ([(b"x-seatrial-token", token.encode())] if token else [])
    return Request({"type": "http", "headers": headers, "client": (peer, 1)})


async def test_answers_are_remembered_for_a_while(fake: Fake) -> None:
    now = 0.0
    access = Access(KEY, fake, lambda: now)

    async def ask() -> Reader:
        reader = await access.reader(request("ann"))
        assert await reader.may_read("team-a")
        assert not await reader.may_read("team-b")
        return reader

    await asyncio.gather(*(ask() for _ in range(20)))
    assert fake.asked == {"who": 1, "ann None": 1, "ann team-a": 1, "ann team-b": 1}
    now = 11.0
    await ask()  # what was denied is asked again sooner
    assert fake.asked == {"who": 1, "ann None": 2, "ann team-a": 1, "ann team-b": 2}
    now = 61.0
    await ask()
    assert (fake.asked["who"], fake.asked["ann team-a"]) == (2, 2)


async def test_who_goes_away_takes_the_answer_from_nobody_else(fake: Fake) -> None:
    access = Access(KEY, fake)
    first = asyncio.create_task(access.reader(request("ann")))
    second = asyncio.create_task(access.reader(request("ann")))
    await asyncio.sleep(0)
    first.cancel()
    assert await (await second).may_read("team-a")


@pytest.mark.parametrize(
    ("peer", "host", "known"),
    [
        ("127.0.0.1", "localhost:8081", True),
        ("::1", "[::1]:8081", True),
        ("::ffff:127.0.0.1", "127.0.0.1:1234", True),
        ("127.0.0.1", "localhost", True),
        ("10.0.0.1", "localhost:8081", False),
        ("127.0.0.1", "localhost.evil.example", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[", False),
    ],
)
async def test_only_what_is_meant_for_this_machine_is_local(fake: Fake, peer: str, host: str, known: bool) -> None:
    try:
        reader = await Access(KEY, fake).reader(request("", peer, host))
    except UnauthorizedError:
        assert not known
    else:
        assert known
        assert await reader.namespaces(["a"]) is None


class ApiServer:
    """In the place of `Cluster`: gives these answers."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def request(self, method: str, path: str, resource: str, body: dict[str, Any]) -> dict[str, Any]:
        assert method == "POST"
        self.asked.append((path, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"status": answer}

    async def close(self) -> None:
        pass


@asynccontextmanager
async def asking(monkeypatch: pytest.MonkeyPatch, server: ApiServer) -> AsyncIterator[Kubernetes]:
    async def connect(**_: object) -> ApiServer:
        return server

    monkeypatch.setattr("seatrial.archive.server.access.kubernetes.Cluster.connect", connect)
    kubernetes = Kubernetes()
    yield kubernetes
    await kubernetes.close()


async def test_kubernetes_is_asked_who_it_is_and_what_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    user = {"username": "system:serviceaccount:a:ci", "uid": "7", "groups": ["g"], "extra": {"k": ["v"]}}
    server = ApiServer({"authenticated": True, "user": user}, {"allowed": True}, {"allowed": False})
    async with asking(monkeypatch, server) as kubernetes:
        found = await kubernetes.who("secret")
        assert found == User("system:serviceaccount:a:ci", "7", ("g",), {"k": ["v"]})
        assert await kubernetes.may(found, "get", "team-a")
        assert not await kubernetes.may(found, "get", None)
    review, first, second = server.asked
    assert review[0] == "/apis/authentication.k8s.io/v1/tokenreviews"
    assert review[1]["spec"] == {"token": "secret"}
    assert first[0] == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    resource = {"group": "seatrial.dev", "resource": "integrationruns", "verb": "get"}
    assert first[1]["spec"]["resourceAttributes"] == resource | {"namespace": "team-a"}
    assert second[1]["spec"]["resourceAttributes"] == resource
    assert (first[1]["spec"]["user"], first[1]["spec"]["groups"]) == ("system:serviceaccount:a:ci", ["g"])


async def test_an_answer_that_says_nothing_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ApiServer({}, {"authenticated": True, "user": {}}, {}, ClusterUnavailableError("no answer"))
    async with asking(monkeypatch, server) as kubernetes:
        assert await kubernetes.who("a") is None
        assert await kubernetes.who("b") is None
        assert not await kubernetes.may(User("u"), "get", "n")
        with pytest.raises(UnavailableError, match="API server"):
            await kubernetes.who("c")
