"""What the operator's account may do, by the API server: everything in its environments, nothing elsewhere."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterator

import pytest
import yaml

pytestmark = pytest.mark.cluster

ACCOUNT = "system:serviceaccount:seatrial-system:seatrial-operator"
ENVIRONMENT_LABELS = {
    "app.kubernetes.io/managed-by": "seatrial",
    "seatrial.dev/run-uid": "00000000-0000-0000-0000-000000000001",
    "pod-security.kubernetes.io/enforce": "restricted",
}
PARTLY = {
    "no label": {},
    "not managed by seatrial": {**ENVIRONMENT_LABELS, "app.kubernetes.io/managed-by": "somebody"},
    "no run": {**ENVIRONMENT_LABELS, "seatrial.dev/run-uid": ""},
    "not restricted": {**ENVIRONMENT_LABELS, "pod-security.kubernetes.io/enforce": "privileged"},
}


def kubectl(*arguments: str, given: object = None, account: str | None = ACCOUNT) -> subprocess.CompletedProcess[str]:
    identity = ["--as", account] if account else []
    text = yaml.safe_dump(given) if given is not None else None
    return subprocess.run(
        ["kubectl", *identity, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False
    )


def namespace(name: str, labels: dict[str, str]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def refused(done: subprocess.CompletedProcess[str], why: str) -> None:
    assert done.returncode != 0, done.stdout
    assert why in done.stderr


@pytest.fixture
def foreign() -> Iterator[str]:
    """A namespace that is not Seatrial's."""
    name = f"foreign-{uuid.uuid4().hex[:8]}"
    kubectl("create", "-f", "-", given=namespace(name, {}), account=None)
    yield name
    kubectl("delete", "namespace", name, "--wait=false", account=None)


@pytest.fixture
def environment() -> Iterator[str]:
    """A namespace as the operator makes them. It is new, so that the sweep for orphans leaves it alone."""
    name = f"st-rights-{uuid.uuid4().hex[:5]}"
    done = kubectl("create", "-f", "-", given=namespace(name, ENVIRONMENT_LABELS))
    assert done.returncode == 0, done.stderr
    yield name
    done = kubectl("delete", "namespace", name, "--wait=false")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("labels", PARTLY.values(), ids=list(PARTLY))
def test_it_makes_no_namespace_that_is_not_marked_and_restricted(labels: dict[str, str]) -> None:
    done = kubectl("create", "-f", "-", "--dry-run=server", given=namespace("st-refused", labels))
    refused(done, "seatrial-namespaces")


def test_it_can_neither_take_nor_delete_a_foreign_namespace(foreign: str) -> None:
    marks = [f"{key}={value}" for key, value in ENVIRONMENT_LABELS.items()]
    refused(kubectl("label", "namespace", foreign, *marks), "forbidden")
    refused(kubectl("delete", "namespace", foreign), "only namespaces that it created")


@pytest.mark.parametrize(
    "change",
    [
        "app.kubernetes.io/managed-by-",
        "seatrial.dev/run-uid=00000000-0000-0000-0000-000000000002",
        "pod-security.kubernetes.io/enforce=privileged",
    ],
)
def test_it_can_not_loosen_an_environment(environment: str, change: str) -> None:
    refused(kubectl("label", "namespace", environment, "--overwrite", change), "forbidden")


def bind(where: str, role: str, whom: str) -> subprocess.CompletedProcess[str]:
    return kubectl(
        "create", "rolebinding", "operator", "-n", where, f"--clusterrole={role}", f"--serviceaccount={whom}"
    )


def test_it_binds_one_role_in_environments_to_itself(environment: str, foreign: str) -> None:
    itself = "seatrial-system:seatrial-operator"
    refused(bind(foreign, "seatrial-environment", itself), "only inside environments")
    refused(bind(environment, "seatrial-environment", "default:default"), "only to its own account")
    refused(bind(environment, "cluster-admin", itself), "forbidden")

    secrets = ("create", "secret", "generic", "s", "--dry-run=server", "-n", environment)
    refused(kubectl(*secrets), "forbidden")
    assert bind(environment, "seatrial-environment", itself).returncode == 0
    deadline = time.monotonic() + 10
    while kubectl(*secrets).returncode != 0:  # the API server learns of a binding a moment later
        assert time.monotonic() < deadline, "the binding gives no rights"
    refused(kubectl("create", "secret", "generic", "s", "--dry-run=server", "-n", foreign), "forbidden")
    for where in (("-n", environment), ("-n", foreign), ("--all-namespaces",)):
        refused(kubectl("get", "secrets", *where), "forbidden")
