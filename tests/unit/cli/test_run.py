"""`seatrial run`: what it creates, and what it says when the API server refuses."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.unit.cli.conftest import RUN, Command
from tests.unit.cli.servers import Servers, refusal

File = Callable[..., str]
SEED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seed}\n"


def test_run_creates_and_says_what_can_be_done_next(seatrial: Command, servers: Servers, file: File) -> None:
    assert seatrial("run", file(), "-n", "team-a", "--set", "spec.tests.markers=a and b") == 0
    created = servers.find("integrationruns", "pr-1", "team-a")
    assert created["spec"]["tests"] == {"image": "t", "markers": "a and b"}
    assert servers.writes == ["create strict"]
    assert "run pr-1 created in namespace team-a" in seatrial.out
    assert "seatrial wait pr-1 --namespace team-a" in seatrial.out


def test_run_reads_standard_input(seatrial: Command, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(RUN))
    assert seatrial("run", "-", "--name", "other") == 0
    assert servers.find("integrationruns", "other")


def test_without_a_file_it_is_seatrial_yaml(
    seatrial: Command, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seatrial.yaml").write_text(RUN)
    assert seatrial("run") == 0
    assert servers.find("integrationruns", "pr-1")


@pytest.mark.parametrize(
    ("options", "tests"),
    [
        (["--only", "tests/x.py::test_y", "--only", "smoke"], {"image": "t", "paths": ["tests/x.py::test_y", "smoke"]}),
        (["-k", "a and not b"], {"image": "t", "keywords": "a and not b"}),
        (["-k", "a", "--only", "x", "--set", "spec.tests.markers=m"],
         {"image": "t", "paths": ["x"], "keywords": "a", "markers": "m"}),
        (["-k", ""], {"image": "t"}),
    ],
)  # fmt: skip
def test_chosen_tests_take_the_place_of_the_manifests(
    seatrial: Command, servers: Servers, file: File, options: list[str], tests: dict[str, object]
) -> None:
    text = RUN.replace("{image: t}", "{image: t, paths: [p], markers: slow, keywords: k}")
    assert seatrial("run", file(text), *options) == 0
    assert servers.find("integrationruns", "pr-1")["spec"]["tests"] == tests


def test_run_with_a_generated_name(seatrial: Command, servers: Servers, file: File) -> None:
    assert seatrial("run", file(RUN.replace("name: pr-1", "generateName: pr-"))) == 0
    found = re.search(r"run (pr-[0-9a-f]{5}) created", seatrial.out)
    assert found is not None
    assert servers.find("integrationruns", found[1])


def test_what_else_is_in_the_file_is_applied_first(seatrial: Command, servers: Servers, file: File) -> None:
    assert seatrial("run", file(f"{RUN}---\n{SEED}"), "-n", "team-a") == 0
    assert servers.writes == ["create strict dry", "apply ConfigMap/seed", "create strict"]
    assert servers.find("configmaps", "seed", "team-a")


def test_nothing_is_changed_for_a_run_that_is_refused(seatrial: Command, servers: Servers, file: File) -> None:
    servers.run()
    assert seatrial("run", file(f"{SEED}---\n{RUN}")) == 4
    assert servers.writes == ["create strict dry"]


def test_a_run_of_this_name_is_there(seatrial: Command, servers: Servers, file: File) -> None:
    servers.run(phase="CleaningUp", verdict="Failed", reason="TestsFailed")
    assert seatrial("run", file()) == 4
    assert "a run pr-1 is already there in namespace default (Failed)" in seatrial.err
    for option in ("--replace", "--name OTHER", "generateName", "seatrial delete pr-1"):
        assert option in seatrial.err


def test_replace_deletes_the_old_run(seatrial: Command, servers: Servers, file: File) -> None:
    old = servers.run()
    assert seatrial("run", file(), "--replace") == 0
    assert servers.writes == ["create strict", "delete pr-1", "create strict"]
    assert servers.find("integrationruns", "pr-1")["metadata"]["uid"] != old["metadata"]["uid"]


def test_a_typo_is_reported_with_its_line_and_what_was_meant(seatrial: Command, servers: Servers, file: File) -> None:
    wrong_type = 'Invalid value: "string": spec.tests.maxFail in body must be of type integer: "string"'
    servers.refusals = [
        refusal(400, 'strict decoding error: unknown field "spec.tests.markerz"'),
        refusal(422, "invalid", "Invalid", [("spec.tests.maxFail", wrong_type)]),
    ]
    path = file(RUN.replace("tests: {image: t}", "tests:\n    image: t\n    markerz: a\n    maxFail: x"))
    assert seatrial("run", path) == 4
    assert seatrial.err.splitlines() == [
        f"seatrial: {path} was refused, 2 problems:",
        f"  {path}:8: spec.tests.markerz: unknown field; did you mean markers?",
        f"  {path}:9: spec.tests.maxFail: must be a whole number, not text",
    ]
    assert servers.writes == ["create strict", "create strict dry"]


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (lambda: refusal(404, 'namespaces "default" not found'), 4, "kubectl create namespace default"),
        (lambda: refusal(404, "the server could not find the requested resource"), 4, "Seatrial is not installed"),
        (lambda: refusal(403, "no"), 4, "you may not create runs in namespace default: no"),
        (lambda: refusal(500, "etcd is away"), 3, "seatrial: etcd is away"),
        (lambda: refusal(400, "admission webhook says no"), 4, "the run was refused: admission webhook says no"),
    ],
)
def test_a_cluster_that_says_no(
    seatrial: Command, servers: Servers, file: File, answer: Callable[[], web.Response], code: int, message: str
) -> None:
    servers.refusals = [answer()]
    assert seatrial("run", file()) == code
    assert message in seatrial.err
