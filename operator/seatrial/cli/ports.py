"""What the commands need of the cluster and of the archive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from seatrial.archive.client.live import LiveEvent
from seatrial.archive.model.keys import SetKey
from seatrial.archive.model.manifest import Manifest, ManifestFile
from seatrial.archive.model.report import Report
from seatrial.kube.kinds import Kind

Object = dict[str, Any]


class ClusterPort(Protocol):
    """The cluster, as one user; `seatrial.cluster.Cluster`. All raise its `ClusterError`."""

    default_namespace: str

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """One object."""

    async def list(
        self, kind: Kind, namespace: str | None = None, labels: str | None = None, fields: str | None = None
    ) -> list[Object]:
        """All objects of a kind."""

    async def create(self, manifest: Mapping[str, Any], *, strict: bool = False, dry_run: bool = False) -> Object:
        """Creates an object."""

    async def apply(self, manifest: Mapping[str, Any], *, manager: str = "seatrial", strict: bool = False) -> Object:
        """Creates or changes an object (server-side apply)."""

    async def patch(
        self, kind: Kind, name: str, namespace: str | None, change: Mapping[str, Any], subresource: str = ""
    ) -> Object:
        """Changes an object (JSON merge patch)."""

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
    ) -> None:
        """Deletes an object."""

    async def discover(self, manifest: Mapping[str, Any]) -> Kind:
        """The kind of a manifest."""

    async def request(self, method: str, path: str, resource: str, **options: Any) -> Object:
        """Any request with a JSON answer."""

    def watch(
        self, kind: Kind, namespace: str | None = None, *, fields: str | None = None, labels: str | None = None
    ) -> AsyncIterator[tuple[str, Object]]:
        """What there is and what changes."""

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        tail: int | None = None,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[str]:
        """The lines of a container's log."""


class ArchivePort(Protocol):
    """The archive, for reading; `seatrial.archive.client.ArchiveClient`. All raise its `ArchiveError`."""

    async def find(self, namespace: str, name: str) -> str | None:
        """The uid of the last run of this name."""

    async def report(self, uid: str) -> Report | None:
        """The essence of a run."""

    def report_as(self, uid: str, name: str) -> AsyncGenerator[bytes, None]:
        """A run as junit.xml, ctrf.json, summary.md, report.json or coverage.xml, piece by piece."""

    async def sets(self, uid: str) -> list[SetKey]:
        """The complete sets of a run: results of shards, and evidence."""

    async def run(self, uid: str) -> Object | None:
        """What is kept of a run."""

    async def manifest(self, uid: str, attempt: int, shard: int | None) -> tuple[str, Manifest] | None:
        """The list of a set's files (None: of the evidence), and the digest of its bytes."""

    async def download(self, uid: str, attempt: int, shard: int | None, file: ManifestFile, folder: Path) -> Path:
        """Brings one file into the folder, its digest checked."""

    def live(self, uid: str, patience_seconds: float = 30.0) -> AsyncGenerator[LiveEvent, None]:
        """What a run tells: what is kept, then what comes; ends after its result."""

    def verify(self, uid: str | None) -> AsyncGenerator[Object, None]:
        """Has every file of a run read again (None: of all runs): what was found of each set."""
