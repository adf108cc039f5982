"""A cluster and an archive in memory, as far as the command sees them."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seatrial.api.names import KIND
from seatrial.archive.client.errors import ArchiveError
from seatrial.archive.client.live import LiveEvent
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.manifest import Manifest, ManifestFile
from seatrial.archive.model.report import Report
from seatrial.kube.errors import AlreadyExistsError, ClusterError, NotFoundError
from seatrial.kube.kinds import RUN, Kind, kind_of

Object = dict[str, Any]


def merge(into: Object, change: Mapping[str, Any]) -> Object:
    for key, value in change.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
    return into


@dataclass
class FakeCluster:
    """Objects by kind, namespace and name. `script` is what happens to the runs while they are watched: one status each."""

    default_namespace: str = "default"
    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    script: list[Mapping[str, Any] | str] = field(default_factory=list)
    """Status changes in order; "deleted" deletes the run; an asyncio.Event in `gates` holds back the step of its index."""
    gates: dict[int, asyncio.Event] = field(default_factory=dict)
    refuse: list[ClusterError] = field(default_factory=list)
    """Raised by the next calls of create, one each."""
    refuse_get: dict[str, ClusterError] = field(default_factory=dict)
    log: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    groups: dict[str, Object] = field(default_factory=dict)
    _uids: int = 0

    def put(self, manifest: Mapping[str, Any]) -> Object:
        stored = copy.deepcopy(dict(manifest))
        metadata = stored["metadata"]
        self._uids += 1
        metadata.setdefault("uid", f"uid-{self._uids}")
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        metadata.setdefault("namespace", self.default_namespace)
        self.objects[(str(stored["kind"]), metadata["namespace"], metadata["name"])] = stored
        return stored

    def find(self, kind: str, name: str, namespace: str = "default") -> Object:
        return self.objects[(kind, namespace, name)]

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        if kind.kind in self.refuse_get:
            raise self.refuse_get[kind.kind]
        found = self.objects.get((kind.kind, namespace or self.default_namespace, name))
        if found is None:
            raise NotFoundError(f'{kind.plural} "{name}" not found', 404)
        return copy.deepcopy(found)

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None, fields: str | None = None
    ) -> list[Object]:
        wanted = dict(pair.split("=") for pair in labels.split(",")) if labels else {}
        return [
            copy.deepcopy(found)
            for (of, where, _), found in self.objects.items()
            if of == kind.kind
            and namespace in (None, where)
            and wanted.items() <= (found["metadata"].get("labels") or {}).items()
        ]

    async def create(self, manifest: Mapping[str, Any], *, strict: bool = False, dry_run: bool = False) -> Object:
        metadata = manifest["metadata"]
        self.calls.append(f"create{' strict' if strict else ''}{' dry' if dry_run else ''}")
        if self.refuse:
            raise self.refuse.pop(0)
        name = metadata.get("name") or metadata["generateName"] + "x7k2p"
        if (manifest["kind"], metadata["namespace"], name) in self.objects:
            raise AlreadyExistsError("already exists", 409, "AlreadyExists")
        if dry_run:
            return dict(manifest)
        return copy.deepcopy(self.put({**manifest, "metadata": {**metadata, "name": name}}))

    async def apply(self, manifest: Mapping[str, Any], *, manager: str = "seatrial", strict: bool = False) -> Object:
        self.calls.append(f"apply {manifest['kind']}/{manifest['metadata']['name']}")
        return self.put(manifest)

    async def patch(
        self, kind: Kind, name: str, namespace: str | None, change: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        return merge(self.find(kind.kind, name, namespace or self.default_namespace), change)

    async def delete(self, kind: Kind, name: str, namespace: str | None = None, **options: Any) -> None:
        self.calls.append(f"delete {name}")
        if self.objects.pop((kind.kind, namespace or self.default_namespace, name), None) is None:
            raise NotFoundError("not found", 404)

    async def discover(self, manifest: Mapping[str, Any]) -> Kind:
        return kind_of(manifest)

    async def request(self, method: str, path: str, resource: str, **options: Any) -> Object:
        if path not in self.groups:
            raise NotFoundError("not found", 404)
        return self.groups[path]

    async def watch(
        self, kind: Kind, namespace: str | None = None, *, fields: str | None = None, labels: str | None = None
    ) -> AsyncIterator[tuple[str, Object]]:
        name = (fields or "").removeprefix("metadata.name=")
        for found in await self.list(kind, namespace, labels):
            if not name or found["metadata"]["name"] == name:
                yield "ADDED", found
        if kind is not RUN:
            await asyncio.Event().wait()
        for index, step in enumerate(self.script):
            if index in self.gates:
                await self.gates[index].wait()
            key = (KIND, str(namespace), name)
            if step == "deleted":
                yield "DELETED", self.objects.pop(key)
            else:
                merge(self.objects[key].setdefault("status", {}), dict(step))  # type: ignore[arg-type]
                yield "MODIFIED", copy.deepcopy(self.objects[key])
        self.script = []
        await asyncio.Event().wait()

    async def logs(self, namespace: str, pod: str, container: str, **options: Any) -> AsyncIterator[str]:
        for line in self.log[(pod, container)]:
            yield line

    def service_proxy(self, namespace: str, service: str, port: str) -> str:
        return f"/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy"


@dataclass
class FakeArchive:
    """What runs told, and the files that they left."""

    events: Sequence[LiveEvent] = ()
    error: ArchiveError | None = None
    kept: list[Object] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    manifest_: tuple[str, Manifest] | None = None
    evidence: tuple[str, Manifest] | None = None
    told_of: Report | None = None
    verified: Sequence[Object] = ()
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once all events were told."""

    async def live(self, uid: str, patience_seconds: float = 30.0) -> AsyncGenerator[LiveEvent, None]:
        if self.error:
            self.told.set()
            raise self.error
        for event in self.events:
            yield event
        self.told.set()

    async def find(self, namespace: str, name: str) -> str | None:
        if self.error:
            raise self.error
        same = [run["uid"] for run in self.kept if (run["namespace"], run["name"]) == (namespace, name)]
        return same[0] if same else None

    async def report(self, uid: str) -> Report | None:
        if self.error:
            raise self.error
        return self.told_of if self.told_of and self.told_of.run.uid == uid else None

    async def report_as(self, uid: str, name: str) -> AsyncGenerator[bytes, None]:
        if self.error:
            raise self.error
        yield f"{name} of {uid}\n".encode()

    async def sets(self, uid: str) -> list[SetKey]:
        if self.error:
            raise self.error
        shards = [SetKey(uid, 1, 0)] if self.manifest_ else []
        return shards + ([SetKey(uid, 1, None)] if self.evidence else [])

    async def verify(self, uid: str | None) -> AsyncGenerator[Object, None]:
        if self.error:
            raise self.error
        for found in self.verified:
            if uid in (None, found["uid"]):
                yield found

    async def run(self, uid: str) -> Object | None:
        if self.error:
            raise self.error
        return next((run for run in self.kept if run["uid"] == uid), None)

    async def manifest(self, uid: str, attempt: int, shard: int | None) -> tuple[str, Manifest] | None:
        return self.evidence if shard is None else self.manifest_

    async def download(self, uid: str, attempt: int, shard: int | None, file: ManifestFile, folder: Path) -> Path:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self.files[file.path])
        return target


def told(*events: Mapping[str, Any], attempt: int = 1, shard: int = 0) -> list[LiveEvent]:
    return [LiveEvent(str(n), event["event"], attempt, shard, dict(event)) for n, event in enumerate(events)]
