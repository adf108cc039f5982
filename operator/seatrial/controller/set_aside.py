"""Ends a run whose handling makes the operator fail: `Errored: InternalError`, after a few tries.

It shares nothing with a pass but the client of the API server: whatever in a pass fails on this run, the run gets a
verdict, its environment goes, and it can be deleted. No other run is touched.
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from seatrial.api import labels
from seatrial.api.names import OWN_FINALIZERS, environment_namespace
from seatrial.api.status import ConditionType, Phase, Reason, Verdict
from seatrial.api.times import format_time
from seatrial.environment.namespace import is_signed
from seatrial.kube.client import Cluster
from seatrial.kube.errors import NotFoundError
from seatrial.kube.kinds import JOB, NAMESPACE, POD, RUN
from seatrial.metrics import Metrics
from seatrial.settings import Settings

logger = logging.getLogger(__name__)

Object = Mapping[str, Any]
PAUSES = (1.0, 4.0, 10.0, 20.0)
"""Seconds between tries: five in all, within about half a minute."""
CHECK_SECONDS = 5.0
"""Between two looks whether the environment of a run that was set aside is gone."""
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass
class _Failures:
    """What went wrong with one run."""

    count: int = 0
    retry_at: datetime | None = None
    place: str = ""
    """Kind of the exception and where it was raised; not its text, which may quote what a pod wrote."""


class SetAside:
    """Runs that make the operator fail, by uid. A restart forgets them, so a repaired operator tries them again."""

    def __init__(self, cluster: Cluster, settings: Settings, metrics: Metrics, clock: Callable[[], datetime]) -> None:
        self._cluster, self._metrics, self._clock = cluster, metrics, clock
        self._key = settings.environment_key
        self._failures: dict[str, _Failures] = {}

    def failed(self, body: Object, error: Exception) -> float:
        """Notes that a pass over a run raised what it never should; returns in how many seconds to try again."""
        of = body["metadata"]
        found = self._failures.setdefault(of["uid"], _Failures())
        found.count += 1
        found.place = _place_of(error)
        self._metrics.internal_errors.inc()
        logger.error(
            "run %s/%s made the operator fail (%s, time %d of %d)",
            of["namespace"], of["name"], found.place, found.count, len(PAUSES) + 1, exc_info=error,
        )  # fmt: skip
        if found.count > len(PAUSES):
            found.retry_at = None
            return 0.0
        pause = PAUSES[found.count - 1]
        found.retry_at = _later(self._clock(), pause)
        return pause

    def succeeded(self, uid: str) -> None:
        """A pass went well."""
        self._failures.pop(uid, None)

    def wait(self, uid: str) -> float | None:
        """In how many seconds the next try is due; None: now. What happens meanwhile does not use up tries."""
        found = self._failures.get(uid)
        if found is None or found.retry_at is None:
            return None
        left = (found.retry_at - self._clock()).total_seconds()
        return left if left > 0 else None

    def holds(self, uid: str) -> bool:
        """Whether no more passes are made over the run."""
        found = self._failures.get(uid)
        return found is not None and found.count > len(PAUSES)

    async def end(self, body: Object) -> float | None:
        """Does the next thing for a run that was set aside: verdict, clean-up, finalizer.

        Returns:
            In how many seconds to go on; None: nothing is left to do.

        Raises:
            ClusterError: a request failed.
        """
        of, status = body["metadata"], body.get("status") or {}
        if not status.get("verdict"):
            await self._write(of, self._verdict(body))
            self._metrics.finished.labels(str(Verdict.ERRORED), str(Reason.INTERNAL_ERROR)).inc()
            return CHECK_SECONDS  # the watch wakes the run sooner
        attempt = status.get("attempt")
        name = environment_namespace(of["name"], of["uid"], attempt if isinstance(attempt, int) else 1)
        if await self._is_there(name, body):
            return CHECK_SECONDS
        if of.get("deletionTimestamp"):
            await self._release(of)
            self._failures.pop(of["uid"], None)
            return None
        if not (status.get("timeline") or {}).get("cleanedUp"):
            await self._write(of, self._cleaned_up(body))
        return None

    def _verdict(self, body: Object) -> dict[str, Any]:
        found = self._failures[body["metadata"]["uid"]]
        text = (
            f"an error of the operator ended this run, after {found.count} tries ({found.place}); its log has a "
            "report: please pass it on. Other runs are not affected"
        )
        logger.error("run %s/%s: %s", body["metadata"]["namespace"], body["metadata"]["name"], text)
        now = format_time(self._clock())
        conditions = self._conditions(body, ConditionType.SUCCEEDED, "False", Reason.INTERNAL_ERROR, text)
        return {
            "phase": str(Phase.CLEANING_UP),
            "verdict": str(Verdict.ERRORED),
            "reason": str(Reason.INTERNAL_ERROR),
            "message": text,
            "conditions": conditions,
            "timeline": {"verdict": now},
        }

    def _cleaned_up(self, body: Object) -> dict[str, Any]:
        conditions = self._conditions(body, ConditionType.CLEANED_UP, "True", "NamespaceDeleted", "")
        return {
            "phase": (body.get("status") or {}).get("verdict"),
            "conditions": conditions,
            "timeline": {"cleanedUp": format_time(self._clock())},
        }

    def _conditions(self, body: Object, kind: str, status: str, reason: str, message: str) -> list[dict[str, Any]]:
        """The conditions with this one set."""
        known = (body.get("status") or {}).get("conditions") or ()
        condition = {
            "type": str(kind),
            "status": status,
            "reason": str(reason),
            "message": message,
            "lastTransitionTime": format_time(self._clock()),
            "observedGeneration": body["metadata"].get("generation") or 0,
        }
        return [*(dict(each) for each in known if each.get("type") != kind), condition]

    async def _write(self, of: Object, status: dict[str, Any]) -> None:
        change = {"metadata": {"resourceVersion": of["resourceVersion"]}, "status": status}
        await self._cluster.patch(RUN, of["name"], of["namespace"], change, "status")

    async def _is_there(self, name: str, body: Object) -> bool:
        """Whether the run's namespace is there; if so, it is deleted, with its pods."""
        try:
            found = await self._cluster.get(NAMESPACE, name)
        except NotFoundError:
            return False
        of = found["metadata"]
        named = (body.get("status") or {}).get("namespace") == name  # only the operator writes a status
        is_ours = named or is_signed(self._key, found)
        if not is_ours or (of.get("labels") or {}).get(labels.RUN_UID) != body["metadata"]["uid"]:
            return False
        if not of.get("deletionTimestamp"):
            await self._cluster.delete(NAMESPACE, name, uid=of["uid"])
        with contextlib.suppress(NotFoundError):
            await self._cluster.delete(JOB, "tests", name, propagation="Background")
        await self._cluster.delete_all(POD, name, grace=0)
        return True

    async def _release(self, of: Object) -> None:
        """Lets a deleted run go."""
        others = [each for each in of.get("finalizers") or () if each not in OWN_FINALIZERS]
        change = {"metadata": {"finalizers": others, "resourceVersion": of["resourceVersion"]}}
        with contextlib.suppress(NotFoundError):
            await self._cluster.patch(RUN, of["name"], of["namespace"], change)


def _later(moment: datetime, seconds: float) -> datetime:
    return datetime.fromtimestamp(moment.timestamp() + seconds, moment.tzinfo)


def _place_of(error: Exception) -> str:
    """`ValueError in lifecycle/plan.py:120`: the innermost line of ours."""
    kind = type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            return f"{kind} in {path.relative_to(_PACKAGE)}:{frame.lineno}"
    return kind
