"""Observe, plan, act, write the status once: one level-based pass over one run. The only place that awaits the cluster."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from seatrial.api import labels
from seatrial.api.names import API_VERSION, FINALIZER, KIND, OWN_FINALIZERS
from seatrial.api.run import IntegrationRun, Metadata
from seatrial.api.scalars import format_duration
from seatrial.api.status import IntegrationRunStatus, Phase, Reason, Verdict
from seatrial.api.times import format_time
from seatrial.archive.client.client import ArchiveClient
from seatrial.archive.client.errors import ArchiveError, ArchiveUnavailableError
from seatrial.environment.manifests import Inputs, config_map_names, environment
from seatrial.environment.problems import problems
from seatrial.evidence.archive import EvidenceArchive
from seatrial.evidence.gather import Gatherer
from seatrial.evidence.maskers import Maskers
from seatrial.facts.attempt import Namespace, ShardFacts, ShardRef, shards_of
from seatrial.facts.cache import FactsCache, Key
from seatrial.facts.result import Result
from seatrial.kube.client import Cluster
from seatrial.kube.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from seatrial.kube.kinds import CONFIG_MAP, EVENT, JOB, NAMESPACE, POD, RUN, kind_of
from seatrial.lifecycle.conditions import with_message
from seatrial.lifecycle.plan import (
    EVIDENCE_LOST,
    STUCK_AFTER,
    Action,
    AddFinalizer,
    CleanUp,
    CreateEnvironment,
    DeletePods,
    DeleteRun,
    GatherEvidence,
    LookAtNamespace,
    Note,
    Plan,
    RemoveFinalizer,
    StopTests,
    created,
    plan,
    reduced,
    rejected,
)
from seatrial.metrics import Metrics, current_run
from seatrial.settings import Settings

logger = logging.getLogger(__name__)

GRANT_SECONDS = 5.0
"""How long a fresh RoleBinding may take to be known to all API servers."""
BURSTS = 8
"""Environments that are created at once: more would wait for the same API server, with all their manifests in memory
(measured with 1,000 runs at once: 255 MB), and the verdicts of others would wait behind them."""
_ADMISSION_SIGNS = ("violates PodSecurity", "admission webhook", "ValidatingAdmissionPolicy", "denied request")


class Unacceptable(Exception):  # noqa: N818
    """The environment can't be created, and trying again won't change that."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def refusal(error: ClusterError, what: str) -> Unacceptable | None:
    """What a refused creation means for the run; None when it may pass (rights that are not known yet)."""
    text = f"{what}: {error.message}"
    if isinstance(error, ForbiddenError):
        if "exceeded quota" in error.message:
            return Unacceptable(Reason.QUOTA_EXCEEDED, f"{text}; raise that quota, or ask for less in resources")
        if "being terminated" in error.message:
            return Unacceptable(Reason.ENVIRONMENT_LOST, text)
    if isinstance(error, ForbiddenError | InvalidError) and any(sign in error.message for sign in _ADMISSION_SIGNS):
        return Unacceptable(
            Reason.ADMISSION_DENIED,
            f"{text}; allow it in namespaces with the label {labels.MANAGED_BY}={labels.MANAGER}",
        )
    if isinstance(error, InvalidError):  # a policy's refusal can be one too
        return Unacceptable(Reason.INVALID_SPEC, text)
    return None


def spec_problems(error: ValidationError) -> str:
    """A pydantic error as one line: field path and what is wrong, for each problem."""
    parts = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_url=False)]
    return "; ".join(parts)


def _is_over(shard: ShardFacts) -> bool:
    """Whether a shard may have delivered its result while nobody listened."""
    if shard.collector is not None:
        return shard.collector.terminated is not None
    return shard.pod_gone or shard.gates_open is not None


class Reconciler:
    """Brings runs forward; all it knows comes from the store, all it changes goes through the cluster."""

    def __init__(
        self,
        cluster: Cluster,
        archive: ArchiveClient,
        store: FactsCache,
        settings: Settings,
        metrics: Metrics,
        evidence: EvidenceArchive,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster, self._archive, self._store = cluster, archive, store
        self._maskers = Maskers(settings)
        self._gatherer = Gatherer(cluster, evidence, self._maskers, clock)
        self._settings, self._metrics, self._clock = settings, metrics, clock
        self._bursts = asyncio.Semaphore(BURSTS)

    # --- one pass ----------------------------------------------------------------------------------------------------

    async def __call__(self, key: Key) -> float | None:
        """Looks at one run and does what is to be done.

        Returns:
            In how many seconds to look again; None: when something happens.

        Raises:
            ClusterError: a request failed; the pass is to be repeated.
        """
        await self._clean_up_abandoned(key)
        body = self._store.runs.get(key)
        if body is None:
            return None
        token = current_run.set(body["metadata"]["uid"])
        begun = time.perf_counter()
        try:
            return await self._pass(key, body)
        except Exception as error:
            if isinstance(error, ConflictError):
                await self._refresh(key)
            self._metrics.reconcile_errors.labels(type(error).__name__).inc()
            raise
        finally:
            current_run.reset(token)
            self._metrics.reconcile.observe(time.perf_counter() - begun)

    async def _pass(self, key: Key, body: Mapping[str, Any]) -> float | None:
        now = self._clock()
        run, invalid = self._parse(body)
        if invalid:
            settled = run.status.verdict is not None or run.metadata.deletion_timestamp is not None
            steps = self._plan(run, now) if settled else rejected(run, Reason.INVALID_SPEC, invalid, now)
        else:
            await self._ask_archive(run)
            steps = self._plan(run, now)
        steps = await self._without_secrets(run, await self._begin(run, steps))
        written = await self._write(run, steps)
        if written:  # told once, now: the next pass sees no transition any more
            await self._tell(run, steps)
        for action in steps.actions:  # the verdict is written before anything is deleted, or a crash would lose it
            await self._act(run, action)
        if any(isinstance(action, GatherEvidence) for action in steps.actions):
            return 0.0
        looked = {CleanUp(), LookAtNamespace()} & set(steps.actions)
        if looked and self._store.attempt(run.scope).namespace is None:  # gone already: no event will tell
            return 0.0
        return (steps.due - self._clock()).total_seconds() if steps.due else None

    def _plan(self, run: IntegrationRun, now: datetime) -> Plan:
        return plan(run, self._store.attempt(run.scope), now)

    async def _without_secrets(self, run: IntegrationRun, steps: Plan) -> Plan:
        """The verdict's plan, masked: its message quotes what programs have said last."""
        if steps.status.verdict is None or run.status.verdict is not None:
            return steps
        masker = await self._maskers.of(run)
        status = with_message(steps.status, masker.text(steps.status.message))
        notes = tuple(replace(note, message=masker.text(note.message)) for note in steps.notes)
        return replace(steps, status=status, notes=notes)

    @staticmethod
    def _parse(body: Mapping[str, Any]) -> tuple[IntegrationRun, str]:
        """The run and "", or a run with an empty spec and what is wrong with the real one."""
        try:
            return IntegrationRun.parse(body), ""
        except ValidationError as error:
            empty = IntegrationRun.model_construct(
                metadata=Metadata.model_validate(body["metadata"]),
                spec=IntegrationRun.parse({"metadata": body["metadata"], "spec": {"tests": {"image": "none"}}}).spec,
                status=IntegrationRunStatus.model_validate(body.get("status") or {}),
            )
            return empty, spec_problems(error)

    async def _ask_archive(self, run: IntegrationRun) -> None:
        """Asks for results that may have been missed: after a broken feed, or when a tests' pod ended or is gone."""
        status = run.status
        if status.timeline.started is None or (status.verdict is not None and status.results is not None):
            return
        for ref, shard in zip(shards_of(run.scope), self._store.attempt(run.scope).shards, strict=True):
            if shard.result is None and (self._store.must_ask_archive(ref) or _is_over(shard)):
                await self._ask_for_result(run, ref)

    async def _ask_for_result(self, run: IntegrationRun, ref: ShardRef) -> None:
        try:
            found = await self._archive.result(ref.run_uid, ref.attempt, ref.shard)
        except ArchiveUnavailableError as error:
            self._store.put_archive_answer(ref, str(error), self._clock())
        except ArchiveError as error:
            logger.error("run %s/%s: %s", run.metadata.namespace, run.metadata.name, error)
            self._store.put_archive_answer(ref, "", self._clock())
        else:
            if found is None:
                self._store.put_archive_answer(ref, "", self._clock())
            else:
                self._store.put_result(ref, Result(found.digest, found.summary, self._clock()))

    async def _refresh(self, key: Key) -> None:
        """Somebody else has changed the run: its newest version, before the next pass."""
        try:
            self._store.update_run(await self._cluster.get(RUN, key[1], key[0]))
        except NotFoundError:
            if body := self._store.runs.get(key):
                self._store.remove_run(body)

    # --- actions -----------------------------------------------------------------------------------------------------

    async def _begin(self, run: IntegrationRun, steps: Plan) -> Plan:
        """Does what comes before the status is written; what was met there may change the plan."""
        for action in steps.actions:
            match action:
                case AddFinalizer():
                    self._store.update_run(await self._finalizers(run, (*run.metadata.finalizers, FINALIZER)))
                case CreateEnvironment():
                    return await self._create_environment(run)
        return steps

    async def _act(self, run: IntegrationRun, action: Action) -> None:
        """Does what comes after the status is written."""
        match action:
            case RemoveFinalizer():
                await self._remove_finalizer(run)
            case StopTests():
                await self._gone_is_fine(
                    self._cluster.delete(JOB, "tests", run.scope.namespace, propagation="Background")
                )
            case GatherEvidence(whole):
                await self._gather_evidence(run, whole)
            case CleanUp():
                await self._clean_up(run)
            case DeletePods():
                await self._delete_pods(run.scope.namespace)
            case LookAtNamespace():
                await self._look_at_namespace(run)
            case DeleteRun():
                of = run.metadata
                await self._gone_is_fine(self._cluster.delete(RUN, of.name, of.namespace, uid=of.uid))

    async def _gather_evidence(self, run: IntegrationRun, whole: bool) -> None:
        """Brings the evidence to the archive; what became of it is for the next pass."""
        uid = run.metadata.uid
        body = self._store.runs.get((run.metadata.namespace, run.metadata.name))
        if body is None or body["metadata"]["uid"] != uid:
            return
        pods, there = self._store.all_pods(run.scope), self._store.attempt(run.scope).namespace is not None
        begun = time.perf_counter()
        found = await self._gatherer(run, body, pods, whole=whole, there=there)
        if whole and found.digest:
            self._metrics.evidence.observe(time.perf_counter() - begun)
        self._store.put_evidence(run.scope, found)

    @staticmethod
    async def _gone_is_fine(request: Any) -> None:
        with contextlib.suppress(NotFoundError):
            await request

    async def _finalizers(self, run: IntegrationRun, wanted: tuple[str, ...]) -> dict[str, Any]:
        of = run.metadata
        current = self._store.runs.get((of.namespace, of.name), {}).get("metadata", {})
        if current.get("uid") != of.uid:  # the watch has told meanwhile that it is gone, or of its successor
            raise NotFoundError(f"run {of.namespace}/{of.name} is gone", 404)
        change = {"metadata": {"finalizers": list(wanted), "resourceVersion": current["resourceVersion"]}}
        return await self._cluster.patch(RUN, of.name, of.namespace, change)

    async def _remove_finalizer(self, run: IntegrationRun) -> None:
        """The last look is at the cluster itself: the watch may not have told of a namespace yet."""
        if await self._look_at_namespace(run):  # the next pass cleans it up
            raise UnavailableError(f"namespace {run.scope.namespace} is still there", retry_after=0.1)
        # not into the store: the watch may have told already that the run is gone, and even of its successor
        await self._gone_is_fine(
            self._finalizers(run, tuple(f for f in run.metadata.finalizers if f not in OWN_FINALIZERS))
        )

    async def _look_at_namespace(self, run: IntegrationRun) -> bool:
        """Asks the cluster whether the run's environment is there. Somebody else's namespace of its name is not it."""
        name = run.scope.namespace
        with contextlib.suppress(NotFoundError):
            found = await self._cluster.get(NAMESPACE, name)
            if self._store.put_namespace(found) == run.metadata.uid:
                return True
        self._store.forget_environment(run.metadata.uid, name)
        return False

    async def _clean_up(self, run: IntegrationRun) -> None:
        """Deletes the environment: only ever a namespace with the run's label, and by its uid."""
        name = run.scope.namespace
        if self._store.attempt(run.scope).namespace is None:
            await self._look_at_namespace(run)
        if (known := self._store.attempt(run.scope).namespace) is None:
            return
        try:
            await self._delete_environment(name, known.uid)
        except NotFoundError:
            self._store.forget_environment(run.metadata.uid, name)
        except ConflictError:  # another one has its name by now
            await self._look_at_namespace(run)

    async def _clean_up_abandoned(self, key: Key) -> None:
        """Deletes environments whose run is gone although it had a finalizer: when a deletion without finalizers is under way
        while one is added, the API server takes both, and the run goes.

        The run is looked for in the cluster itself before anything is deleted.
        """
        for namespace in self._store.abandoned(key):
            with contextlib.suppress(NotFoundError):
                run = await self._cluster.get(RUN, key[1], key[0])
                if run["metadata"]["uid"] == namespace.run_uid:
                    continue
            logger.info("environment %s: its run %s/%s is gone; deleting it", namespace.name, *key)
            try:
                await self._delete_environment(namespace.name, namespace.uid)
            except NotFoundError:
                self._store.forget_environment(namespace.run_uid, namespace.name)

    async def _delete_environment(self, name: str, uid: str) -> None:
        """Deletes the namespace first, so that nothing is made anew in it, and its pods in the same moment: Kubernetes
        empties a namespace only after five seconds, and by then they are gone.

        Raises:
            NotFoundError: when there is no such namespace.
        """
        await self._cluster.delete(NAMESPACE, name, uid=uid)
        await self._delete_pods(name)

    async def _delete_pods(self, name: str) -> None:
        """Deletes the pods of an environment with grace 0, and the Job, which would make its own anew."""
        outcomes = await asyncio.gather(
            self._cluster.delete(JOB, "tests", name, propagation="Background"),
            self._cluster.delete_all(POD, name, grace=0),
            return_exceptions=True,
        )
        for outcome in outcomes:  # the namespace's own end does the same, later
            if isinstance(outcome, BaseException) and not isinstance(outcome, NotFoundError | ForbiddenError):
                logger.warning("environment %s: deleting its pods at once failed: %s", name, outcome)

    # --- creation ----------------------------------------------------------------------------------------------------

    async def _create_environment(self, run: IntegrationRun) -> Plan:
        async with self._bursts:
            if self._outdated(run):  # deleted or cancelled while it waited: the next pass is for what it is now
                return Plan(run.status)
            now = self._clock()
            try:
                return await self._burst(run, now)
            except Unacceptable as error:
                return rejected(run, error.reason, error.message, now)
            except UnavailableError as error:
                begun = self._store.attempt(run.scope).namespace
                limit = run.spec.timeouts.environment
                if begun is None or begun.created is None or now < begun.created + limit:
                    raise
                text = f"the environment could not be created within {format_duration(limit)}: {error.message}"
                return rejected(run, Reason.RUN_TIMEOUT, text, now)

    def _outdated(self, run: IntegrationRun) -> bool:
        """Whether the run has been deleted or cancelled since it was looked at."""
        body = self._store.runs.get((run.metadata.namespace, run.metadata.name))
        if body is None or body["metadata"].get("deletionTimestamp") or body["metadata"]["uid"] != run.metadata.uid:
            return True
        return bool(body["spec"].get("cancel")) != run.spec.cancel

    async def _burst(self, run: IntegrationRun, now: datetime) -> Plan:
        config_maps = await self._config_maps(run)
        if found := await asyncio.to_thread(problems, run, config_maps, self._settings.budget):
            text = "; ".join(f"{p.path}: {p.message}" for p in found)
            raise Unacceptable(Reason.INVALID_SPEC, text)
        inputs = Inputs(config_maps=config_maps, now=now, registry=await self._registry())
        parts = await asyncio.to_thread(environment, run, self._settings, inputs)
        namespace = await self._namespace(run, parts.namespace)
        await self._create(parts.role_binding)
        await asyncio.gather(*(self._create(manifest) for manifest in parts.foundation))
        await asyncio.gather(*(self._create(manifest) for manifest in parts.leading))
        await asyncio.gather(*(self._create(manifest) for manifest in parts.dependents))
        return created(run, namespace.expires_at or now + run.spec.retention.max_lifetime, now)

    async def _config_maps(self, run: IntegrationRun) -> dict[str, Mapping[str, str]]:
        """The ConfigMaps that the run refers to, from its own namespace; those that are missing are left out."""
        found: dict[str, Mapping[str, str]] = {}
        for name in config_map_names(run):
            try:
                body = await self._cluster.get(CONFIG_MAP, name, run.metadata.namespace)
            except NotFoundError:
                continue
            found[name] = body.get("data") or {}
        return found

    async def _registry(self) -> bytes:
        """Read each time: the kubelet brings the Secret's newest content, and registries' tokens are short-lived."""
        file = self._settings.registry_file
        return await asyncio.to_thread(file.read_bytes) if file else b""

    async def _namespace(self, run: IntegrationRun, manifest: Mapping[str, Any]) -> Namespace:
        try:
            body = await self._attempt(manifest)
        except AlreadyExistsError:  # an earlier pass got this far
            body = await self._cluster.get(NAMESPACE, manifest["metadata"]["name"])
            self._store.ask_archive(run.scope)  # and the tests may have ended since
        uid = self._store.put_namespace(body)
        if uid != run.metadata.uid:
            name = manifest["metadata"]["name"]
            raise Unacceptable(Reason.ENVIRONMENT_LOST, f"namespace {name} belongs to somebody else; rename the run")
        found = self._store.attempt(run.scope).namespace
        if found is None:  # the next pass gives back what has just been made
            raise NotFoundError(f"run {run.metadata.namespace}/{run.metadata.name} is gone", 404)
        if found.terminating_since:
            raise Unacceptable(Reason.ENVIRONMENT_LOST, f"namespace {found.name} was deleted while it was set up")
        return found

    async def _create(self, manifest: Mapping[str, Any]) -> None:
        try:
            body = await self._attempt(manifest)
        except AlreadyExistsError:
            return
        if kind_of(manifest) == POD:
            self._store.put_pod(body)

    async def _attempt(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Creates one object; waits for rights that are not known yet, and out passing troubles."""
        what = f"{manifest['kind']} {manifest['metadata']['name']}"
        deadline, wait = time.monotonic() + GRANT_SECONDS, 0.02
        while True:
            try:
                return await self._cluster.create(manifest)
            except (ForbiddenError, InvalidError, UnavailableError) as error:
                if found := refusal(error, what):
                    raise found from error
                pause = max(wait, error.retry_after)
                if time.monotonic() + pause > deadline:
                    if isinstance(error, ForbiddenError):
                        raise Unacceptable(Reason.ADMISSION_DENIED, f"{what}: {error.message}") from error
                    raise
                await asyncio.sleep(pause)  # back-off between tries, bounded by the deadline
                wait = min(wait * 2, 1.0)

    # --- status ------------------------------------------------------------------------------------------------------

    async def _write(self, run: IntegrationRun, steps: Plan) -> bool:
        """Writes the status if it differs from what is there; returns whether it did."""
        old, new = run.status, steps.status
        if new == old:
            return False
        of = run.metadata
        current = self._store.runs.get((of.namespace, of.name))
        if current is None or current["metadata"]["uid"] != of.uid:
            return False
        if IntegrationRunStatus.model_validate(current.get("status") or {}) != old:
            raise ConflictError("another operator has written the status meanwhile")
        version = current["metadata"]["resourceVersion"]
        try:
            try:
                await self._patch_status(of, new, version)
            except InvalidError as error:
                self._metrics.status_refused.inc()
                logger.error("run %s/%s: the API server refuses its status: %s", of.namespace, of.name, error)
                new = reduced(new, error.message)
                if new == old:
                    return False
                await self._patch_status(of, new, version)
        except NotFoundError:
            return False
        return True

    async def _patch_status(self, of: Metadata, status: IntegrationRunStatus, version: str) -> None:
        change = {
            "metadata": {"resourceVersion": version},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        self._store.update_run(await self._cluster.patch(RUN, of.name, of.namespace, change, "status"))

    async def _tell(self, run: IntegrationRun, steps: Plan) -> None:
        """Counts and tells of a transition whose status has been written."""
        of, old, new = run.metadata, run.status, steps.status
        if new.verdict is not None and old.verdict is None:
            self._metrics.verdict(new)
            logger.info("run %s/%s: %s (%s): %s", of.namespace, of.name, new.verdict, new.reason, new.message)
        for note in steps.notes:
            if note.reason == EVIDENCE_LOST:
                self._metrics.evidence_lost.inc()
            await self._event(run, note)
        if new.timeline.cleaned_up and not old.timeline.cleaned_up:
            retention = run.spec.retention
            kept = retention.passed if new.verdict is Verdict.PASSED else retention.failed
            self._metrics.cleaned_up(of.uid, new, kept.total_seconds())

    async def _event(self, run: IntegrationRun, note: Note) -> None:
        """One Kubernetes Event; that it could not be written changes nothing for the run."""
        of, now = run.metadata, format_time(self._clock())
        seconds = now.split(".")[0] + "Z"
        body = {
            "apiVersion": "v1",
            "kind": EVENT.kind,
            "metadata": {"generateName": f"{of.name[:200]}.", "namespace": of.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": of.name,
                "namespace": of.namespace,
                "uid": of.uid,
            },
            "type": note.type,
            "reason": note.reason,
            "message": note.message[:1000],
            "firstTimestamp": seconds,
            "lastTimestamp": seconds,
            "count": 1,
            "reportingComponent": "seatrial",
            "source": {"component": "seatrial"},
        }
        try:
            await self._cluster.create(body)
        except ClusterError as error:
            logger.warning("run %s/%s: event %s not written: %s", of.namespace, of.name, note.reason, error)

    # --- all runs ----------------------------------------------------------------------------------------------------

    async def sweep(self) -> int:
        """Deletes environments whose run is gone, as far as they are old enough, and those that have outlived their
        lease whatever their runs are at; returns how many.

        The run is looked for in the cluster itself before anything is deleted, and the deletion names the uid.
        """
        deleted, runs = 0, None
        for namespace in self._store.environments():
            overdue = self._is_overdue(namespace)
            if not overdue and not self._is_orphan(namespace):
                continue
            if not overdue:
                if runs is None:
                    runs = {body["metadata"]["uid"] for body in await self._cluster.list(RUN)}
                if namespace.run_uid in runs:
                    continue
            why = f"its lease is over since {namespace.expires_at}" if overdue else "its run is gone"
            logger.warning("environment %s of run %s: %s; deleting it", namespace.name, namespace.run_uid, why)
            try:
                await self._delete_environment(namespace.name, namespace.uid)
            except NotFoundError:
                self._store.forget_environment(namespace.run_uid, namespace.name)
                continue
            except ClusterError as error:
                logger.warning("environment %s: not deleted: %s; tried again later", namespace.name, error)
                continue
            self._metrics.orphans.inc()
            deleted += 1
        return deleted

    def _is_overdue(self, namespace: Namespace) -> bool:
        """Whether it should have been cleaned up long ago: the pass over its run may be failing again and again."""
        if namespace.terminating_since or not namespace.run_uid or namespace.expires_at is None:
            return False
        return (self._clock() - namespace.expires_at).total_seconds() >= self._settings.orphan_margin_seconds

    def _is_orphan(self, namespace: Namespace) -> bool:
        if namespace.terminating_since or not namespace.run_uid or self._store.key_of(namespace.run_uid):
            return False
        age = (self._clock() - namespace.created).total_seconds() if namespace.created else 0.0
        return age >= self._settings.orphan_margin_seconds

    async def resync(self) -> int:
        """Forgets what is not in the cluster any more, and learns of runs that no watch has told; returns how much that was.

        A watch that had to begin anew (410) lists what there is and says nothing of what went. Three lists, whatever
        the number of runs; wakes nobody: the caller does.
        """
        known = self._store.names()
        present = await self._present()
        changed = sum(self._store.forget_all(kind, uids - present[kind].keys()) for kind, uids in known.items())
        for uid, body in present["runs"].items():
            of = body["metadata"]
            if (key := self._store.key_of(uid)) is None:
                with contextlib.suppress(NotFoundError):  # asked for once more: it may have gone since it was listed
                    fresh = await self._cluster.get(RUN, of["name"], of["namespace"])
                    self._store.put_run(fresh)
                    changed += 1
            elif self._store.runs[key]["metadata"]["resourceVersion"] != of["resourceVersion"]:
                self._store.update_run(body)
                changed += 1
        return changed

    async def knows_all(self) -> bool:
        """Whether the watches have told of everything that is in the cluster."""
        present = await self._present()
        return all(present[kind].keys() <= uids for kind, uids in self._store.names().items())

    async def _present(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What the watches are to tell of, by kind and uid, as the cluster lists it."""
        kinds = {"runs": (RUN, None), "namespaces": (NAMESPACE, labels.SELECTOR), "pods": (POD, labels.SELECTOR)}
        return {
            what: {body["metadata"]["uid"]: body for body in await self._cluster.list(kind, labels=selector)}
            for what, (kind, selector) in kinds.items()
        }

    def count(self) -> None:
        """Sets the metrics of runs by phase and environments by state, and drops what is counted for runs that are gone."""
        self._metrics.keep(self._store.uids())
        phases = [(body.get("status") or {}).get("phase") or Phase.PENDING for body in self._store.runs.values()]
        self._metrics.phases(Counter(phases))
        self._metrics.states(Counter(self._state(namespace) for namespace in self._store.environments()))

    def _state(self, namespace: Namespace) -> str:
        if namespace.terminating_since:
            return "stuck" if self._clock() >= namespace.terminating_since + STUCK_AFTER else "ending"
        return "leftover" if self._is_overdue(namespace) or self._is_orphan(namespace) else "live"
