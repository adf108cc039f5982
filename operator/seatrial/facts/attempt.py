"""What the operator knows of one attempt: small frozen facts. A run has attempts, an attempt has shards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from seatrial.api import labels
from seatrial.api.scope import Scope
from seatrial.facts.result import Result


@dataclass(frozen=True)
class Termination:
    """How a container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""
    """What the process left for it, or the last lines of its log when it failed."""
    finished_at: datetime | None = None
    """By the clock of its node."""
    started_at: datetime | None = None
    code: str = ""
    """Of a launcher or collector that ended by itself: one of `seatrial_protocol.termination.Code`."""


@dataclass(frozen=True)
class Container:
    """One container of a pod."""

    name: str
    waiting: str = ""
    waiting_message: str = ""
    running_since: datetime | None = None
    terminated: Termination | None = None
    previous: Termination | None = None
    restarts: int = 0
    image: str = ""
    image_id: str = ""
    """With the digest that was really run."""

    @property
    def terminations(self) -> tuple[Termination, ...]:
        """Of the process that is there and of the one before it, as far as they have ended."""
        return tuple(each for each in (self.terminated, self.previous) if each is not None)


@dataclass(frozen=True)
class Pod:
    """One pod of an environment."""

    name: str
    uid: str
    component: str
    role: str
    shard: int = 0
    """Which shard, of a pod of the tests."""
    namespace: str = ""
    phase: str = "Pending"
    ready: bool = False
    ready_at: datetime | None = None
    reason: str = ""
    message: str = ""
    node: str = ""
    deleting: bool = False
    created: datetime | None = None
    unschedulable: str = ""
    disruption: str = ""
    """Reason of the DisruptionTarget condition: why Kubernetes ended the pod."""
    containers: tuple[Container, ...] = ()

    def container(self, name: str) -> Container | None:
        """The container of this name, init containers included."""
        return next((c for c in self.containers if c.name == name), None)


@dataclass(frozen=True)
class Namespace:
    """The environment's namespace."""

    name: str
    uid: str
    run_uid: str
    run: tuple[str, str] = ("", "")
    """Namespace and name of the run, as the environment's annotations give them."""
    created: datetime | None = None
    terminating_since: datetime | None = None
    expires_at: datetime | None = None
    held_by: str = ""
    """What the namespace controller says still holds a namespace that is being deleted."""
    signed: bool = True
    """The operator made it. Labels alone anybody can write who may create a namespace."""


@dataclass(frozen=True)
class ShardRef:
    """Which shard of which attempt of which run."""

    run_uid: str
    attempt: int
    """Counted from 1."""
    shard: int
    """Counted from 0."""


def shards_of(scope: Scope) -> tuple[ShardRef, ...]:
    """The shards of an attempt: one, as long as a run is not split over several pods."""
    return (ShardRef(scope.run.uid, scope.attempt, 0),)


@dataclass(frozen=True)
class ShardFacts:
    """What is known of one shard: its pod, its progress, its result."""

    pod: Pod | None = None
    pod_gone: bool = False
    """Its pod was there and has been removed since."""
    gates_open: datetime | None = None
    """When all that the tests wait for answered, by the clock of their node."""
    first_test: datetime | None = None
    """When the first test began, by the same clock."""
    result: Result | None = None
    archive_error: str = ""
    """Why the archive could not be asked for the result, when it should have been."""
    archive_silent_since: datetime | None = None
    """Since when it can't be asked."""

    @property
    def tests(self) -> Container | None:
        """The container that pytest runs in."""
        return self.pod.container(labels.TESTS) if self.pod else None

    @property
    def collector(self) -> Container | None:
        """The container that uploads the result."""
        return self.pod.container(labels.COLLECTOR) if self.pod else None


@dataclass(frozen=True)
class Evidence:
    """What became of an attempt's evidence: it is in the archive, or why not."""

    digest: str = ""
    """Of its manifest, once it is archived."""
    files: int = 0
    error: str = ""
    refused: bool = False
    """The archive won't take it: trying again would not help."""
    failing_since: datetime | None = None
    """When it could not be archived for the first time."""
    tried: datetime | None = None
    """When that was tried last."""


@dataclass(frozen=True)
class AttemptFacts:
    """Everything that a decision about one attempt is made from."""

    namespace: Namespace | None = None
    pods: tuple[Pod, ...] = ()
    shards: tuple[ShardFacts, ...] = (ShardFacts(),)
    evidence: Evidence | None = None
    archive_patience: timedelta = timedelta(seconds=90)
    """How long an archive that can't be asked is waited for."""

    @property
    def shard(self) -> ShardFacts:
        """The only shard, as long as there is one."""
        return self.shards[0]


def newest_pod_of(shard: int, pods: tuple[Pod, ...]) -> Pod | None:
    """The pod of a shard (the newest, should there be several)."""
    candidates = [pod for pod in pods if pod.role == labels.Role.TESTS and pod.shard == shard]
    return max(candidates, key=lambda pod: str(pod.created), default=None)
