"""What the watches and the archive have delivered: the operator reads from here, never from the API server.

Only small facts are kept of pods and namespaces; an older version of an object never replaces a newer one. The labels
say whose an object is, but anybody may put ours on what is his: only what is in the namespace that has the name of an
attempt's environment is seen as the attempt's. What came from a shard is kept under its attempt and its number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from seatrial.api.scope import RunRef, Scope
from seatrial.facts import objects
from seatrial.facts.attempt import (
    AttemptFacts,
    Evidence,
    Namespace,
    Pod,
    ShardFacts,
    ShardRef,
    newest_pod_of,
    shards_of,
)
from seatrial.facts.result import Result

Key = tuple[str, str]
"""Namespace and name of a run."""
Object = Mapping[str, Any]


def scope_of(body: Object) -> Scope:
    """The current attempt of a run, as the API server has it."""
    metadata = body["metadata"]
    attempt = (body.get("status") or {}).get("attempt") or 1
    return Scope(RunRef(metadata["namespace"], metadata["name"], metadata["uid"]), attempt)


def _version(body: Object) -> int:
    """Resource versions may be compared as numbers (so says the API since 1.35, and all versions before did it)."""
    text = str(body["metadata"].get("resourceVersion") or "0")
    return int(text) if text.isdigit() else 0


def _creator(metadata: Object) -> Object:
    """Of the managed fields, who made the object: the first entry, without the fields."""
    entries = [e for e in metadata.get("managedFields") or () if not e.get("subresource")]
    first: Object = min(entries, key=lambda e: str(e.get("time") or ""), default={})
    return {k: v for k, v in first.items() if k in ("manager", "time")}


@dataclass
class _Shard:
    """What has come of one shard."""

    gates_open: datetime | None = None
    first_test: datetime | None = None
    result: Result | None = None
    ask_archive: bool = False
    archive_error: str = ""
    archive_silent_since: datetime | None = None


@dataclass
class _Run:
    """What is known of one run's environments."""

    namespaces: dict[str, Namespace] = field(default_factory=dict)
    """By name: environments, and any other that bears their labels."""
    pods: dict[str, Pod] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    gone: dict[str, Pod] = field(default_factory=dict)
    """Pods that are gone, as they were last, by uid: evidence. Kept until the run's last record is archived."""
    shards: dict[tuple[int, int], _Shard] = field(default_factory=dict)
    """By attempt and number."""
    evidence: dict[int, Evidence] = field(default_factory=dict)
    """By attempt."""


_NOTHING = _Run()
"""Of a run that nothing is known of; never changed."""
_NO_SHARD = _Shard()
"""Of a shard that nothing has come of; never changed."""


class FactsCache:
    """Runs, and the facts of their environments by the run's uid."""

    def __init__(
        self,
        archive_patience: timedelta = AttemptFacts.archive_patience,
        is_signed: Callable[[Object], bool] = lambda namespace: True,
    ) -> None:
        """Knows nothing yet.

        Args:
            archive_patience: how long a verdict waits for an archive that does not answer.
            is_signed: whether the operator made this Namespace.
        """
        self._archive_patience, self._is_signed = archive_patience, is_signed
        self.runs: dict[Key, Object] = {}
        self._keys: dict[str, Key] = {}
        self._facts: dict[str, _Run] = {}
        self._tenants: dict[str, str] = {}
        """The uids of the namespaces that are no environments, by name: runs are in some of them."""

    def _of(self, uid: str) -> _Run:
        """The facts of a run, to be changed."""
        return self._facts.setdefault(uid, _Run())

    def _seen(self, uid: str) -> _Run:
        """The facts of a run, to be read."""
        return self._facts.get(uid, _NOTHING)

    def scope(self, uid: str) -> Scope | None:
        """The current attempt of the run with this uid; None if there is no such run."""
        key = self._keys.get(uid)
        return scope_of(self.runs[key]) if key is not None else None

    def current(self, scope: Scope) -> Object | None:
        """The run that a scope belongs to, as it is now; None when it is gone or has a successor of its name."""
        body = self.runs.get((scope.run.namespace, scope.run.name))
        return body if body is not None and body["metadata"]["uid"] == scope.run.uid else None

    def put_run(self, body: Object) -> Key:
        """Stores a run; returns its key."""
        metadata = body["metadata"]
        key = (metadata["namespace"], metadata["name"])
        old = self.runs.get(key)
        if old is None or old["metadata"]["uid"] != metadata["uid"] or _version(body) >= _version(old):
            if old is not None and old["metadata"]["uid"] != metadata["uid"]:
                self._keys.pop(old["metadata"]["uid"], None)
            kept = {k: v for k, v in metadata.items() if k != "managedFields"}
            if creator := _creator(metadata):
                kept["managedFields"] = [creator]
            self.runs[key] = {**body, "metadata": kept}
            self._keys[metadata["uid"]] = key
        if old is None and ((body.get("status") or {}).get("timeline") or {}).get("started"):
            self.ask_archive(scope_of(body))  # it may have ended while no operator was there
        return key

    def update_run(self, body: Object) -> None:
        """Stores the answer to a request for a run; not if by the watch the run is gone meanwhile."""
        old = self.runs.get((body["metadata"]["namespace"], body["metadata"]["name"]))
        if old is not None and old["metadata"]["uid"] == body["metadata"]["uid"]:
            self.put_run(body)

    def remove_run(self, body: Object) -> Key:
        """Forgets a run that is gone, and returns its key; the facts of an environment stay until that is gone too."""
        metadata = body["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if (old := self.runs.get(key)) is not None and old["metadata"]["uid"] == metadata["uid"]:
            del self.runs[key]
        self._keys.pop(metadata["uid"], None)
        self._drop_if_empty(metadata["uid"])
        return key

    def key_of(self, uid: str) -> Key | None:
        """Where the run with this uid is, or None."""
        return self._keys.get(uid)

    def uids(self) -> Iterator[str]:
        """The uids of all runs."""
        return iter(tuple(self._keys))

    def namespace_uid(self, name: str) -> str:
        """The uid that a namespace of runs has now; empty: no watch has shown it."""
        return self._tenants.get(name, "")

    def put_namespace(self, body: Object) -> str:
        """Stores a namespace; returns the uid of the run whose environment it is, empty if it is none."""
        uid, name = objects.run_uid_of(body), body["metadata"]["name"]
        if not objects.is_environment(body):
            self._tenants[name] = body["metadata"]["uid"]
            return ""
        self._tenants.pop(name, None)
        facts = self._of(uid)
        if self._newer(facts, body):
            facts.namespaces[name] = replace(objects.namespace_of(body), signed=self._is_signed(body))
        return uid if name in facts.namespaces and self._is_ours(facts.namespaces[name]) else ""

    def _is_ours(self, namespace: Namespace) -> bool:
        """Whether this namespace is an environment: one that is signed, or that the status of its run names.

        Version 0.1.0 signed none; only the operator writes a status.
        """
        if namespace.signed:
            return True
        key = self._keys.get(namespace.run_uid)
        status = (self.runs[key].get("status") or {}) if key is not None else {}
        return bool(status.get("namespace") == namespace.name)

    def remove_namespace(self, body: Object) -> str:
        """Forgets a namespace, and with it all that was in it; returns the uid of its run."""
        uid, name = objects.run_uid_of(body), body["metadata"]["name"]
        if self._tenants.get(name) == body["metadata"]["uid"]:
            del self._tenants[name]
        if objects.is_environment(body):
            self.forget_environment(uid, name)
        return uid

    def forget_environment(self, uid: str, name: str) -> None:
        """This namespace of this run is gone, and with it all that was in it."""
        if (facts := self._facts.get(uid)) is None:
            return
        gone = {pod_uid for pod_uid, pod in facts.pods.items() if pod.namespace == name}
        if namespace := facts.namespaces.pop(name, None):
            facts.versions.pop(namespace.uid, None)
        self._forget_pods(uid, gone)

    def put_pod(self, body: Object) -> str:
        """Stores a pod; returns the uid of its run."""
        uid = objects.run_uid_of(body)
        facts = self._of(uid)
        if self._newer(facts, body):
            facts.pods[body["metadata"]["uid"]] = objects.pod_of(body)
        return uid

    def remove_pod(self, body: Object) -> str:
        """Forgets a pod; returns the uid of its run."""
        uid = objects.run_uid_of(body)
        self._forget_pods(uid, {body["metadata"]["uid"]})
        return uid

    def _forget_pods(self, uid: str, pods: Iterable[str]) -> None:
        if (facts := self._facts.get(uid)) is None:
            return
        scope = self.scope(uid)
        environment = scope.namespace if scope is not None else ""
        for each in pods:
            pod = facts.pods.pop(each, None)
            facts.versions.pop(each, None)
            if pod is not None and pod.namespace == environment:
                facts.gone[each] = pod
        self._drop_if_empty(uid)

    @staticmethod
    def _newer(facts: _Run, body: Object) -> bool:
        uid, version = body["metadata"]["uid"], _version(body)
        if version < facts.versions.get(uid, -1):
            return False
        facts.versions[uid] = version
        return True

    def names(self) -> dict[str, set[str]]:
        """The uids of all stored objects, by kind."""
        return {
            "runs": set(self._keys),
            "namespaces": {namespace.uid for namespace in self._namespaces()},
            "pods": {uid for facts in self._facts.values() for uid in facts.pods},
        }

    def forget_all(self, kind: str, uids: set[str]) -> int:
        """Forgets the objects of a kind that have these uids; returns how many."""
        if kind == "namespaces":
            for namespace in [n for n in self._namespaces() if n.uid in uids]:
                self.forget_environment(namespace.run_uid, namespace.name)
        if kind == "pods":
            for run_uid, facts in list(self._facts.items()):
                self._forget_pods(run_uid, uids & facts.pods.keys())
        if kind == "runs":
            for body in [b for b in self.runs.values() if b["metadata"]["uid"] in uids]:
                self.remove_run(body)
        return len(uids)

    def environments(self) -> list[Namespace]:
        """All environments there are."""
        return [namespace for namespace in self._namespaces() if self._is_ours(namespace)]

    def _namespaces(self) -> list[Namespace]:
        """All namespaces that bear our labels."""
        return [namespace for facts in self._facts.values() for namespace in facts.namespaces.values()]

    def abandoned(self, key: Key) -> list[Namespace]:
        """Environments of a run of this key that is gone, as far as they are not being deleted."""
        gone = self._facts.keys() - self._keys.keys()  # asked in each pass, so not by a look at all environments
        found = [namespace for uid in gone for namespace in self._facts[uid].namespaces.values()]
        return [each for each in found if each.run == key and each.signed and not each.terminating_since]

    def pods(self, scope: Scope) -> tuple[Pod, ...]:
        """The pods of an attempt's environment."""
        name = scope.namespace
        return tuple(pod for pod in self._seen(scope.run.uid).pods.values() if pod.namespace == name)

    def _gone_pods(self, scope: Scope) -> tuple[Pod, ...]:
        seen, name = self._seen(scope.run.uid), scope.namespace
        return tuple(pod for uid, pod in seen.gone.items() if uid not in seen.pods and pod.namespace == name)

    def all_pods(self, scope: Scope) -> tuple[Pod, ...]:
        """The pods of an attempt's environment, those that are gone as they were last."""
        return (*self._gone_pods(scope), *self.pods(scope))

    def forget_gone(self, uid: str) -> None:
        """Nobody needs to know any more what the pods that are gone were like."""
        if facts := self._facts.get(uid):
            facts.gone.clear()

    def _drop_if_empty(self, uid: str) -> None:
        facts = self._facts.get(uid)
        if facts is not None and uid not in self._keys and not facts.namespaces and not facts.pods:
            del self._facts[uid]

    def _shard(self, ref: ShardRef) -> _Shard:
        """What has come of a shard, to be changed."""
        return self._of(ref.run_uid).shards.setdefault((ref.attempt, ref.shard), _Shard())

    def put_progress(
        self, ref: ShardRef, *, gates_open: datetime | None = None, first_test: datetime | None = None
    ) -> bool:
        """Stores how far a shard has got; returns whether it was news."""
        shard = self._shard(ref)
        before = (shard.gates_open, shard.first_test)
        shard.gates_open = shard.gates_open or gates_open
        shard.first_test = shard.first_test or first_test
        return (shard.gates_open, shard.first_test) != before

    def put_result(self, ref: ShardRef, result: Result) -> None:
        """Stores a shard's complete result."""
        shard = self._shard(ref)
        shard.result, shard.ask_archive = result, False
        shard.archive_error, shard.archive_silent_since = "", None

    def ask_archive(self, scope: Scope) -> None:
        """The next pass is to ask the archive for the results, since they may have come while nobody listened."""
        for ref in shards_of(scope):
            self._shard(ref).ask_archive = True

    def must_ask_archive(self, ref: ShardRef) -> bool:
        """Whether to ask the archive for this shard's result."""
        shard = self._seen(ref.run_uid).shards.get((ref.attempt, ref.shard), _NO_SHARD)
        return shard.ask_archive and shard.result is None

    def put_archive_answer(self, ref: ShardRef, error: str, now: datetime) -> None:
        """The archive was asked and had no result yet (empty), or could not be asked."""
        shard = self._shard(ref)
        shard.archive_error = error
        shard.archive_silent_since = (shard.archive_silent_since or now) if error else None
        shard.ask_archive = bool(error)

    def put_evidence(self, scope: Scope, evidence: Evidence) -> None:
        """Stores the outcome of an attempt's evidence."""
        known = self._of(scope.run.uid).evidence
        since = known[scope.attempt].failing_since if scope.attempt in known else None
        if evidence.error:
            evidence = replace(evidence, failing_since=since or evidence.failing_since)
        known[scope.attempt] = evidence

    def attempt(self, scope: Scope) -> AttemptFacts:
        """All that is known of an attempt now."""
        seen, pods, gone = self._seen(scope.run.uid), self.pods(scope), self._gone_pods(scope)
        namespace = seen.namespaces.get(scope.namespace)
        return AttemptFacts(
            namespace=namespace if namespace is not None and self._is_ours(namespace) else None,
            pods=pods,
            shards=tuple(self._facts_of(ref, seen, pods, gone) for ref in shards_of(scope)),
            evidence=seen.evidence.get(scope.attempt),
            archive_patience=self._archive_patience,
        )

    @staticmethod
    def _facts_of(ref: ShardRef, seen: _Run, pods: tuple[Pod, ...], gone: tuple[Pod, ...]) -> ShardFacts:
        shard = seen.shards.get((ref.attempt, ref.shard), _NO_SHARD)
        return ShardFacts(
            pod=newest_pod_of(ref.shard, pods),
            pod_gone=newest_pod_of(ref.shard, gone) is not None,
            gates_open=shard.gates_open,
            first_test=shard.first_test,
            result=shard.result,
            archive_error=shard.archive_error,
            archive_silent_since=shard.archive_silent_since,
        )
