"""What the watches have told, by run: the operator reads from here, never from the API server.

Only small facts are kept of pods and namespaces; an older version of an object never replaces a newer one. The labels
say whose an object is, but anybody may put ours on what is his: only what is in the namespace that has the name of the
run's environment is seen as the run's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from seatrial.api import labels
from seatrial.api.names import environment_namespace
from seatrial.facts import observed
from seatrial.facts.observed import Evidence, Namespace, Observed, Pod, Progress, Result

Key = tuple[str, str]
"""Namespace and name of a run."""
Object = Mapping[str, Any]


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
class _Facts:
    """What is known of one run's environment."""

    namespaces: dict[str, Namespace] = field(default_factory=dict)
    """By name: the environment, and any other that bears its labels."""
    pods: dict[str, Pod] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    result: Result | None = None
    ask_archive: bool = False
    archive_error: str = ""
    archive_silent_since: datetime | None = None
    gone: dict[str, Pod] = field(default_factory=dict)
    """Pods that are gone, as they were last, by uid: evidence. Kept until the run's last record is archived."""
    evidence: Evidence | None = None


_NOTHING = _Facts()
"""Of a run that nothing is known of; never changed."""


class Store:
    """Runs, and the facts of their environments by the run's uid."""

    def __init__(self, archive_patience: timedelta = Observed.archive_patience) -> None:
        self._archive_patience = archive_patience
        self.runs: dict[Key, Object] = {}
        self._keys: dict[str, Key] = {}
        self._facts: dict[str, _Facts] = {}

    def _of(self, uid: str) -> _Facts:
        """The facts of a run, to be changed."""
        return self._facts.setdefault(uid, _Facts())

    def _seen(self, uid: str) -> _Facts:
        """The facts of a run, to be read."""
        return self._facts.get(uid, _NOTHING)

    def _environment(self, uid: str) -> str:
        """The name of a run's environment; empty for a run that is not known."""
        key = self._keys.get(uid)
        if key is None:
            return ""
        return environment_namespace(key[1], uid, (self.runs[key].get("status") or {}).get("attempt") or 1)

    # --- runs --------------------------------------------------------------------------------------------------------

    def put_run(self, body: Object) -> Key:
        """Remembers a run; returns its key."""
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
            self.ask_archive(metadata["uid"])  # it may have ended while no operator was there
        return key

    def update_run(self, body: Object) -> None:
        """Remembers what a request for a run was answered; not if the watch has told meanwhile that the run is gone."""
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
        """Where the run with this uid is; None if there is none (any more)."""
        return self._keys.get(uid)

    def uids(self) -> Iterator[str]:
        """The uids of all runs."""
        return iter(tuple(self._keys))

    # --- environments ------------------------------------------------------------------------------------------------

    def put_namespace(self, body: Object) -> str:
        """Remembers an environment's namespace; returns the uid of its run."""
        uid = str((body["metadata"].get("labels") or {}).get(labels.RUN_UID, ""))
        facts = self._of(uid)
        if self._newer(facts, body):
            facts.namespaces[body["metadata"]["name"]] = observed.namespace(body)
        return uid

    def remove_namespace(self, body: Object) -> str:
        """Forgets a namespace, and with it all that was in it; returns the uid of its run."""
        uid = str((body["metadata"].get("labels") or {}).get(labels.RUN_UID, ""))
        self.forget_environment(uid, body["metadata"]["name"])
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
        """Remembers a pod; returns the uid of its run."""
        uid = str((body["metadata"].get("labels") or {}).get(labels.RUN_UID, ""))
        facts = self._of(uid)
        if self._newer(facts, body):
            facts.pods[body["metadata"]["uid"]] = observed.pod(body)
        return uid

    def remove_pod(self, body: Object) -> str:
        """Forgets a pod; returns the uid of its run."""
        uid = str((body["metadata"].get("labels") or {}).get(labels.RUN_UID, ""))
        self._forget_pods(uid, {body["metadata"]["uid"]})
        return uid

    def _forget_pods(self, uid: str, pods: Iterable[str]) -> None:
        if (facts := self._facts.get(uid)) is None:
            return
        for each in pods:
            pod = facts.pods.pop(each, None)
            facts.versions.pop(each, None)
            if pod is not None and pod.namespace == self._environment(uid):
                facts.gone[each] = pod
        self._drop_if_empty(uid)

    @staticmethod
    def _newer(facts: _Facts, body: Object) -> bool:
        uid, version = body["metadata"]["uid"], _version(body)
        if version < facts.versions.get(uid, -1):
            return False
        facts.versions[uid] = version
        return True

    def names(self) -> dict[str, set[str]]:
        """The uids of all objects that are remembered, by kind."""
        return {
            "runs": set(self._keys),
            "namespaces": {namespace.uid for namespace in self.environments()},
            "pods": {uid for facts in self._facts.values() for uid in facts.pods},
        }

    def forget_all(self, kind: str, uids: set[str]) -> int:
        """Forgets the objects of a kind that have these uids; returns how many."""
        if kind == "namespaces":
            for namespace in [n for n in self.environments() if n.uid in uids]:
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
        return [namespace for facts in self._facts.values() for namespace in facts.namespaces.values()]

    def abandoned(self, key: Key) -> list[Namespace]:
        """Environments of a run of this key that is gone, as far as they are not being deleted."""
        gone = self._facts.keys() - self._keys.keys()  # asked in each pass, so not by a look at all environments
        found = [namespace for uid in gone for namespace in self._facts[uid].namespaces.values()]
        return [namespace for namespace in found if namespace.run == key and not namespace.terminating_since]

    def pods(self, uid: str) -> tuple[Pod, ...]:
        """The pods of a run's environment."""
        environment = self._environment(uid)
        return tuple(pod for pod in self._seen(uid).pods.values() if pod.namespace == environment)

    def all_pods(self, uid: str) -> tuple[Pod, ...]:
        """The pods of a run's environment, those that are gone as they were last."""
        gone = [pod for pod_uid, pod in self._seen(uid).gone.items() if pod_uid not in self._seen(uid).pods]
        return (*gone, *self.pods(uid))

    def forget_gone(self, uid: str) -> None:
        """Nobody needs to know any more what the pods that are gone were like."""
        if facts := self._facts.get(uid):
            facts.gone.clear()

    def _drop_if_empty(self, uid: str) -> None:
        facts = self._facts.get(uid)
        if facts is not None and uid not in self._keys and not facts.namespaces and not facts.pods:
            del self._facts[uid]

    # --- results -----------------------------------------------------------------------------------------------------

    def put_progress(self, uid: str, *, gates_open: float | None = None, first_test: float | None = None) -> bool:
        """Remembers what a collector told; returns whether it was news."""
        facts = self._of(uid)
        new = replace(
            facts.progress,
            gates_open=facts.progress.gates_open or gates_open,
            first_test=facts.progress.first_test or first_test,
        )
        changed = new != facts.progress
        facts.progress = new
        return changed

    def put_result(self, uid: str, result: Result) -> None:
        """Remembers a shard's complete result."""
        facts = self._of(uid)
        facts.result, facts.ask_archive = result, False
        facts.archive_error, facts.archive_silent_since = "", None

    def ask_archive(self, uid: str) -> None:
        """The next reconcile is to ask the archive for the result, since it may have been told while nobody listened."""
        self._of(uid).ask_archive = True

    def must_ask_archive(self, uid: str) -> bool:
        """Whether the archive is to be asked."""
        facts = self._seen(uid)
        return facts.ask_archive and facts.result is None

    def put_archive_answer(self, uid: str, error: str, now: datetime) -> None:
        """The archive was asked and had no result yet (empty), or could not be asked."""
        facts = self._of(uid)
        facts.archive_error = error
        facts.archive_silent_since = (facts.archive_silent_since or now) if error else None
        facts.ask_archive = bool(error)

    def put_evidence(self, uid: str, evidence: Evidence) -> None:
        """Remembers what became of the run's evidence."""
        facts = self._of(uid)
        since = facts.evidence.failing_since if facts.evidence else None
        facts.evidence = (
            replace(evidence, failing_since=since or evidence.failing_since) if evidence.error else evidence
        )

    def observe(self, uid: str) -> Observed:
        """All that is known of a run's environment now."""
        facts = self._seen(uid)
        namespace = facts.namespaces.get(self._environment(uid))
        return Observed(
            namespace, self.pods(uid), facts.progress, facts.result, facts.archive_error, facts.archive_silent_since,
            self._archive_patience, facts.evidence, any(pod.role == labels.Role.TESTS for pod in facts.gone.values()),
        )  # fmt: skip
