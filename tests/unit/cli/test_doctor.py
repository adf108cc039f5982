"""`seatrial doctor`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from seatrial.api.run import IntegrationRunSpec
from seatrial.cli.doctor import findings
from seatrial.cli.doctor.findings import Finding, State
from tests.unit.cli.conftest import Command
from tests.unit.cli.servers import Servers, refusal

Answers = dict[str, Callable[[], web.Response]]
FIELDS = [field.alias or name for name, field in IntegrationRunSpec.model_fields.items()]


def of_fields(*fields: str) -> web.Response:
    spec = {"properties": {field: {} for field in fields}}
    schemas = {"dev.seatrial.v1alpha1.IntegrationRun": {"properties": {"spec": spec}}}
    return web.json_response({"components": {"schemas": schemas}})


@pytest.fixture
def well(servers: Servers) -> Answers:
    """A cluster in which all is well; a test may change an answer."""
    default = {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    answers: Answers = {
        "/openapi/v3/apis/seatrial.dev/v1alpha1": lambda: of_fields(*FIELDS),
        "/apis/storage.k8s.io/v1/storageclasses": lambda: web.json_response({"items": [{"metadata": default}]}),
    }
    servers.kube.refuse_read = lambda request: answers[request.path]() if request.path in answers else None
    servers.put("deployments", {
        "metadata": {"name": "seatrial-operator", "namespace": "seatrial-system"},
        "spec": {"template": {"spec": {"containers": [{"image": "seatrial/operator:0.1.0"}]}}},
        "status": {"readyReplicas": 1},
    })  # fmt: skip
    servers.put("pods", {
        "metadata": {"name": "dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })  # fmt: skip
    return answers


def states(seatrial: Command) -> dict[str, str]:
    return {check["name"]: check["state"] for check in json.loads(seatrial.out)["checks"]}


def test_all_is_well(seatrial: Command, servers: Servers, well: Answers) -> None:
    assert seatrial("doctor", "-o", "json") == 0, seatrial.out
    assert json.loads(seatrial.out)["works"] is True
    assert {name: state for name, state in states(seatrial).items() if state != "ok"} == {"network policies": "unknown"}
    assert servers.writes == []
    assert seatrial("doctor") == 0
    assert "✓ operator          the operator 0.1.0 is ready" in seatrial.out.splitlines()


@pytest.mark.parametrize(
    ("path", "answer", "name", "state", "code"),
    [
        ("/openapi/v3/apis/seatrial.dev/v1alpha1", lambda: refusal(404, "no"), "definition", "problem", 3),
        ("/openapi/v3/apis/seatrial.dev/v1alpha1", lambda: of_fields(*FIELDS[1:]), "definition", "warning", 0),
        ("/openapi/v3/apis/seatrial.dev/v1alpha1", lambda: of_fields(*FIELDS, "x"), "definition", "warning", 0),
        ("/apis/storage.k8s.io/v1/storageclasses", lambda: refusal(403, "no"), "storage", "unknown", 0),
        ("/apis/apps/v1/namespaces/seatrial-system/deployments/seatrial-operator",
         lambda: refusal(404, "no"), "operator", "problem", 3),
        ("/api/v1/namespaces/kube-system/pods", lambda: web.json_response({"items": []}), "dns", "warning", 0),
    ],
)  # fmt: skip
def test_what_is_not_well(
    seatrial: Command, well: Answers, path: str, answer: Callable[[], web.Response], name: str, state: str, code: int
) -> None:
    well[path] = answer
    assert seatrial("doctor", "-o", "json") == code
    assert states(seatrial)[name] == state


def test_rights_that_are_missing(seatrial: Command, servers: Servers, well: Answers) -> None:
    servers.kube.denied = {"create", "delete"}
    assert seatrial("doctor", "-n", "team-a") == 3
    said = " ".join(seatrial.out.split())
    assert "you may not create integrationruns, delete integrationruns in namespace team-a" in said
    assert "ask for the role `edit` or `seatrial-edit` in namespace team-a" in said


def test_without_an_archive(seatrial: Command, servers: Servers, well: Answers) -> None:
    del servers.kube.services["seatrial-system/seatrial-archive:read"]
    assert seatrial("doctor", "-o", "json") == 3
    assert (states(seatrial)["archive"], states(seatrial)["bundles"]) == ("problem", "warning")


def test_no_cluster(seatrial: Command, servers: Servers) -> None:
    config = servers.kubeconfig.read_text()
    servers.kubeconfig.write_text(config.replace(servers.kube.url, "http://127.0.0.1:1"))
    assert seatrial("doctor", "-o", "json") == 3
    assert states(seatrial) == {"cluster": "problem"}


def pod(reason: str) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"image": "seatrial/x:1", "state": {"waiting": {"reason": reason}}}]}}


@pytest.mark.parametrize(
    ("found", "state", "text"),
    [
        (findings.kubernetes({"major": "1", "minor": "29+", "gitVersion": "v1.29"}), State.PROBLEM, "v1.29 is too old"),
        (findings.kubernetes({"major": "1", "minor": "30", "gitVersion": "v1.30.0"}), State.OK, "answers"),
        (findings.clock(4.0), State.OK, "the same time"),
        (findings.clock(61.0), State.WARNING, "this machine is 61 s behind"),
        (findings.clock(-61.0), State.WARNING, "this machine is 61 s ahead of"),
        (findings.clock(None), State.UNKNOWN, "does not say"),
        (findings.images([pod("ImagePullBackOff")], "s"), State.PROBLEM, "can't be pulled in s: seatrial/x:1"),
        (findings.images([pod("ContainerCreating")], "s"), State.OK, "not checked: images of runs"),
        (findings.deployment("operator", {"status": {}}, "1", "1", "s"), State.PROBLEM, "is not ready"),
        (findings.deployment("operator", {"status": {"readyReplicas": 1}}, "2", "1", "s"), State.WARNING,
         "the operator has version 1, this command 2"),
        (findings.dns([{"status": {}}]), State.PROBLEM, "is ready"),
        (findings.storage([]), State.WARNING, "there is none at all"),
        (findings.storage([{"metadata": {"name": "slow"}}]), State.WARNING, "there is slow"),
    ],
)  # fmt: skip
def test_what_it_means(found: Finding, state: State, text: str) -> None:
    assert found.state is state
    assert text in found.text
