"""The archive's metrics, in Prometheus' base units."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from seatrial.archive.server.live.hub import Hub
from seatrial.archive.server.live.limits import Limits
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.storage.folder import Folder
from seatrial_protocol.summary import Summary


class Metrics:
    """All metrics of one archive, with a registry of their own."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory and CPU of the process, under their usual names
        self.uploads = Counter(
            "seatrial_archive_uploads",
            "Uploads, by kind (file, manifest, live) and outcome: stored, unchanged (was there already), or why not.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        for kind in ("file", "manifest"):  # there from the beginning, so that the first one counts as rise
            for outcome in ("volume_full", "unavailable", "error"):
                self.uploads.labels(kind, outcome)
        self.stored_bytes = Counter(
            "seatrial_archive_stored_bytes", "Bytes of files stored, in bytes.", registry=self.registry
        )
        self.upload_seconds = Histogram(
            "seatrial_archive_upload_duration_seconds",
            "Time from an upload's first header to its answer, in seconds.",
            ["kind"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
            registry=self.registry,
        )
        self.results = Counter(
            "seatrial_archive_results",
            "Complete results of shards, by the outcome in their summary.",
            ["outcome"],
            registry=self.registry,
        )
        self.history_pending = Gauge(
            "seatrial_archive_history_pending",
            "Complete sets that the history does not have yet: more than a few for long means its database is away.",
            registry=self.registry,
        )
        self._runs = Gauge(
            "seatrial_archive_runs", "Runs of which files are kept, at the last look.", registry=self.registry
        )
        self._bytes = Gauge(
            "seatrial_archive_kept_bytes", "What these files take, in bytes, at the last look.", registry=self.registry
        )
        self._deleted = Counter(
            "seatrial_archive_deleted_runs",
            "Runs removed, by the limit that they broke: age, size; interrupted: an earlier removal was completed.",
            ["limit"],
            registry=self.registry,
        )
        self._count_bundles()
        self._watch(store, hub)

    def _count_bundles(self) -> None:
        self._bundles = Gauge(
            "seatrial_archive_bundles", "Bundles that are kept, at the last look.", registry=self.registry
        )
        self._bundle_bytes = Gauge(
            "seatrial_archive_bundle_bytes", "What these bundles take, in bytes.", registry=self.registry
        )
        self._bundle_fetches = Counter(
            "seatrial_archive_bundle_fetches",
            "Bundles that pods fetched, by what they got: whole, part (a broken download that goes on).",
            ["what"],
            registry=self.registry,
        )
        self._deleted_bundles = Counter(
            "seatrial_archive_deleted_bundles", "Bundles removed that nobody used for long.", registry=self.registry
        )

    def _watch(self, store: Store, hub: Hub) -> None:
        """What is read when somebody asks, and what the hub and the ports count."""
        self._gauge("seatrial_archive_feed_subscribers", "Open feeds (operators).", lambda: hub.feed_subscribers)
        self._gauge("seatrial_archive_followers", "Open streams of people who follow a run.", lambda: hub.followers)
        self._gauge("seatrial_archive_live_runs", "Runs of which events are in memory.", lambda: hub.kept_runs)
        self._gauge("seatrial_archive_live_bytes", "Memory taken by events, in bytes.", lambda: hub.kept_bytes)
        self._gauge("seatrial_archive_disk_free_bytes", "Free space of the volume, in bytes.", lambda: _space(store)[0])
        self._gauge("seatrial_archive_disk_size_bytes", "Size of the volume, in bytes.", lambda: _space(store)[1])
        dropped = Counter(
            "seatrial_archive_dropped_listeners",
            "Feeds and followers that were dropped because they were too slow.",
            registry=self.registry,
        )
        hub.on_drop = dropped.inc
        self._refused_connections = Counter(
            "seatrial_archive_refused_connections",
            "Connections closed: too many of one peer (peer), too many (all), a request's head came too late (slow).",
            ["why"],
            registry=self.registry,
        )

    def result(self, summary: Summary | None) -> None:
        """Counts a complete result; None: its summary can't be used."""
        self.results.labels(summary.outcome if summary else "other").inc()

    def kept(self, runs: int, size: int) -> None:
        """Takes how many runs are kept, and their size in bytes."""
        self._runs.set(runs)
        self._bytes.set(size)

    def deleted(self, limit: str) -> None:
        """Counts a run that was removed."""
        self._deleted.labels(limit).inc()

    def bundles_kept(self, number: int, size: int) -> None:
        """Takes how many bundles are kept, and their size in bytes."""
        self._bundles.set(number)
        self._bundle_bytes.set(size)

    def bundle_fetched(self, status: int) -> None:
        """Counts an answer to a pod, by its HTTP status."""
        if status in (200, 206):
            self._bundle_fetches.labels("part" if status == 206 else "whole").inc()

    def bundle_deleted(self) -> None:
        """Counts a bundle that was removed."""
        self._deleted_bundles.inc()

    def refused_connection(self, why: str) -> None:
        """Counts a connection that was ended."""
        self._refused_connections.labels(why).inc()

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=self.registry).set_function(value)


def _space(store: Store) -> tuple[float, float]:
    """Free and total bytes; NaN while the volume can't be reached, so that the other metrics are still served."""
    try:
        return store.space()
    except OSError:
        return math.nan, math.nan


def unattached() -> Metrics:
    """The metrics of no archive: for whoever asks which there are."""
    nowhere = Path()
    return Metrics(Store(nowhere, Folder(nowhere), 0), Hub(Limits()))
