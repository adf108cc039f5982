"""The janitor with the operator dead: an environment that has expired goes, everything else stays."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from seatrial.api.times import format_time
from seatrial.kube.errors import NotFoundError
from seatrial.kube.kinds import JOB, NAMESPACE
from tests.e2e.conftest import OPERATOR_NAMESPACE, Bench, eventually, kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.disruptive]


async def environment(bench: Bench, expires: datetime, **labels: str) -> str:
    """A namespace like the operator's, made by an administrator: the janitor looks at labels and annotations alone."""
    name = f"st-janitor-{uuid.uuid4().hex[:5]}"
    managed = {
        "app.kubernetes.io/managed-by": "seatrial",
        "seatrial.dev/run-uid": str(uuid.uuid4()),
        "pod-security.kubernetes.io/enforce": "restricted",
    }
    metadata = {
        "name": name,
        "labels": {**managed, **labels},
        "annotations": {"seatrial.dev/expires-at": format_time(expires)},
    }
    await bench.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return name


@pytest.mark.usefixtures("no_operator")
async def test_an_expired_environment_goes_without_an_operator(bench: Bench) -> None:
    now = datetime.now(UTC)
    expired = await environment(bench, now - timedelta(hours=1))
    living = await environment(bench, now + timedelta(hours=1))
    foreign = await environment(bench, now - timedelta(hours=1), **{"app.kubernetes.io/managed-by": "somebody"})
    job = f"janitor-{uuid.uuid4().hex[:5]}"
    cron_job = await kubectl("get", "cronjob", "seatrial-janitor", "-n", OPERATOR_NAMESPACE, "-o", "json")
    template = json.loads(cron_job)["spec"]["jobTemplate"]
    # these namespaces are new, and the margin is meant to keep the janitor from what is new
    template["spec"]["template"]["spec"]["containers"][0]["args"] = ["--margin=0"]
    metadata = {"name": job, "namespace": OPERATOR_NAMESPACE, "labels": template["metadata"]["labels"]}
    await bench.cluster.create(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}
    )
    try:

        async def gone() -> bool:
            try:
                await bench.cluster.get(NAMESPACE, expired)
            except NotFoundError:
                return True
            return False

        await eventually(gone, f"{expired} deleted", 60)
        for name in (living, foreign):
            assert "deletionTimestamp" not in (await bench.cluster.get(NAMESPACE, name))["metadata"]
        assert expired in await kubectl("logs", "-n", OPERATOR_NAMESPACE, f"job/{job}")
    finally:
        await bench.cluster.delete(JOB, job, OPERATOR_NAMESPACE, propagation="Background")
        for name in (living, foreign):
            await bench.cluster.delete(NAMESPACE, name)
