"""One pass over a run that changes under its hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seatrial.controller.reconcile import Reconciler, refusal
from seatrial.facts.cache import FactsCache
from seatrial.kube.errors import ClusterError, ForbiddenError, InvalidError, NotFoundError
from seatrial.kube.kinds import Kind
from seatrial.metrics import Metrics
from seatrial.settings import Settings
from tests.unit import builders as b


class Cluster:
    """Has no environment any more; something happens while it is asked."""

    def __init__(self, meanwhile: Callable[[], Any]) -> None:
        self._meanwhile, self.patched = meanwhile, 0

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]:
        self._meanwhile()
        raise NotFoundError("no such namespace", 404)

    async def patch(self, *_: Any) -> dict[str, Any]:
        self.patched += 1
        return b.body()


@pytest.mark.parametrize(
    ("happens", "patched"),
    [
        (lambda store: None, 1),
        (lambda store: store.remove_run(b.body()), 0),
        (lambda store: store.put_run(b.body(uid="successor")), 0),
    ],
    ids=["nothing", "the run is gone", "the run has a successor"],
)
async def test_the_finalizer_is_taken_from_this_run_alone(happens: Callable[[FactsCache], Any], patched: int) -> None:
    store = FactsCache()
    store.put_run(b.body())
    cluster = Cluster(lambda: happens(store))
    reconciler = Reconciler(cluster, None, store, Settings(), Metrics(), None)  # type: ignore[arg-type]
    await reconciler._remove_finalizer(b.run())
    assert cluster.patched == patched


POLICY = "pods \"redis\" is forbidden: ValidatingAdmissionPolicy 'images' with binding 'images' denied request: images must come from reg.corp"
REFUSALS: dict[str, tuple[ClusterError, str | None, str]] = {
    "a policy, as forbidden": (ForbiddenError(POLICY, 403), "AdmissionDenied", "managed-by=seatrial"),
    "a policy, as invalid": (InvalidError(POLICY, 422), "AdmissionDenied", "images must come from reg.corp"),
    "Pod Security": (ForbiddenError('violates PodSecurity "restricted:latest"', 403), "AdmissionDenied", "Pod redis: violates"),
    "a quota": (ForbiddenError("exceeded quota: team, requested: pods=1", 403), "QuotaExceeded", "raise that quota"),
    "a wrong field": (InvalidError("spec.x: unknown", 422), "InvalidSpec", "spec.x"),
    "rights that are not known yet": (ForbiddenError("cannot create pods", 403), None, ""),
}  # fmt: skip


@pytest.mark.parametrize(("error", "reason", "says"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_a_refused_creation_means(error: ClusterError, reason: str | None, says: str) -> None:
    found = refusal(error, "Pod redis")
    assert (found.reason if found else None) == reason
    assert says in (found.message if found else "")
