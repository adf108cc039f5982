"""What `helm uninstall` deletes, waits for and says: over plain lists, and against a small cluster in memory."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import repeat
from typing import Any

import pytest

from seatrial import uninstall as subject
from seatrial.kube.errors import ForbiddenError, NotFoundError, UnavailableError
from seatrial.kube.kinds import NAMESPACE, RUN, Kind
from seatrial.uninstall import Left

Object = dict[str, Any]


def run(name: str, uid: str, **metadata: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "team-a", "uid": uid, **metadata}}


def environment(name: str, run_uid: str, **metadata: Any) -> Object:
    labels = {"app.kubernetes.io/managed-by": "seatrial", "seatrial.dev/run-uid": run_uid}
    return {"metadata": {"name": name, "uid": f"ns-{name}", "labels": labels, **metadata}}


GOING = {"deletionTimestamp": "2030-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("left", "deleted"),
    [
        (Left(), []),
        (Left(runs=(run("a", "1"),)), ["a"]),
        (Left(runs=(run("a", "1", **GOING),)), []),
        (Left(runs=(run("a", "1"),), environments=(environment("st-a", "1"),)), ["a"]),
        (Left(environments=(environment("st-a", "1"),)), ["st-a"]),
        (Left(environments=(environment("st-a", "1", **GOING),)), []),
        (Left(runs=(run("a", "1", **GOING),), environments=(environment("st-b", "2"),)), ["st-b"]),
    ],
)
def test_runs_are_deleted_and_environments_only_without_their_run(left: Left, deleted: list[str]) -> None:
    assert [thing["metadata"]["name"] for _, thing in subject.to_delete(left)] == deleted


def test_what_is_left_is_named_with_what_holds_it() -> None:
    held = run("a", "1", finalizers=["seatrial.dev/clean-up"], **GOING) | {
        "status": {"phase": "CleaningUp", "namespace": "st-a"}
    }
    stuck = environment("st-a", "1", **GOING) | {
        "status": {
            "phase": "Terminating",
            "conditions": [
                {"status": "False", "message": "all fine here"},
                {"status": "True", "message": "Some content has finalizers: example.com/hold in 1 pods"},
            ],
        }
    }
    text = subject.advice(Left((held,), (stuck,)), 240, "seatrial-system")
    for part in ("team-a/a", "CleaningUp", "seatrial.dev/clean-up", "st-a", "example.com/hold in 1 pods", "240 s"):
        assert part in text
    assert "all fine here" not in text
    assert "kubectl -n seatrial-system logs deployment/seatrial-operator" in text


def test_it_says_what_stays() -> None:
    crd = "kubectl delete crd integrationruns.seatrial.dev"
    assert crd in subject.farewell("", "ops")
    assert "pvc" not in subject.farewell("", "ops")
    assert crd in subject.farewell("seatrial-archive", "ops")
    assert "kubectl -n ops delete pvc seatrial-archive" in subject.farewell("seatrial-archive", "ops")


class Memory:
    """A cluster that holds runs and environments, with an operator that needs as many looks to clean up as given."""

    def __init__(self, *things: Object, looks: int = 2, errors: Iterable[Exception] = ()) -> None:
        self.things = list(things)
        self.looks, self.errors = looks, iter(errors)
        self.deleted: list[str] = []

    async def list(self, kind: Kind, namespace: str | None = None, labels: str | None = None) -> list[Object]:
        for error in self.errors:
            raise error
        going = {t["metadata"]["uid"] for t in self.things if "deletionTimestamp" in t["metadata"]}
        if kind is RUN and going:
            self.looks -= 1
            if self.looks == 0:
                self.things = [
                    t
                    for t in self.things
                    if t["metadata"]["uid"] not in going
                    and t["metadata"].get("labels", {}).get("seatrial.dev/run-uid") not in going
                ]
        return [t for t in self.things if ("labels" in t["metadata"]) is (kind is NAMESPACE)]

    async def delete(self, kind: Kind, name: str, namespace: str | None = None, *, uid: str | None = None) -> None:
        (thing,) = (t for t in self.things if t["metadata"]["uid"] == uid)
        thing["metadata"] |= GOING
        self.deleted.append(name)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "POLL_SECONDS", 0)


async def test_it_deletes_each_run_once_and_waits_until_the_operator_has_cleaned_it_up() -> None:
    cluster = Memory(run("a", "1"), environment("st-a", "1"), run("b", "2"), looks=5)
    assert not await subject.uninstall(cluster, 60)  # type: ignore[arg-type]
    assert cluster.deleted == ["a", "b"]
    assert cluster.looks == 0


async def test_it_gives_up_after_its_time_and_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    cluster = Memory(run("a", "1", finalizers=["seatrial.dev/clean-up"]), looks=1_000_000)
    left = await subject.uninstall(cluster, 0.01)  # type: ignore[arg-type]
    assert [r["metadata"]["name"] for r in left.runs] == ["a"]
    assert capsys.readouterr().out.count("team-a/a") == 1, "the same news once"


async def test_a_cluster_without_the_definition_has_no_runs() -> None:
    cluster = Memory(errors=(NotFoundError("no such resource"),))
    assert not await subject.uninstall(cluster, 60)  # type: ignore[arg-type]


async def test_an_api_server_that_does_not_answer_is_waited_for() -> None:
    cluster = Memory(run("a", "1"), errors=(UnavailableError("down"), UnavailableError("down")))
    assert not await subject.uninstall(cluster, 60)  # type: ignore[arg-type]
    assert cluster.deleted == ["a"]


async def test_an_api_server_that_refuses_ends_it() -> None:
    with pytest.raises(ForbiddenError):
        await subject.uninstall(Memory(errors=(ForbiddenError("no"),)), 60)  # type: ignore[arg-type]


async def test_an_api_server_that_never_answers_is_not_taken_for_an_empty_cluster() -> None:
    cluster = Memory(errors=repeat(UnavailableError("down")))
    with pytest.raises(UnavailableError):
        await subject.uninstall(cluster, 0.01)  # type: ignore[arg-type]
