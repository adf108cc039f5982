"""Effects on a run that changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seatrial.controller.effects import Effects
from seatrial.facts.cache import FactsCache
from seatrial.kube.errors import NotFoundError
from seatrial.kube.kinds import Kind
from seatrial.lifecycle.actions import RemoveFinalizer
from seatrial.metrics import Metrics
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
    effects = Effects(cluster, store, None, None, Metrics(), lambda: b.NOW)  # type: ignore[arg-type]
    await effects.act(b.run(), RemoveFinalizer())
    assert cluster.patched == patched
