"""All metrics of the operator, in one place; docs/metrics.md is generated from here (`python -m seatrial.metrics`),
with those of the archive.

Names follow Prometheus' conventions: own prefix, base units, `_total` on counters only; no run's name or uid as
a label.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.metrics import MetricWrapperBase

from seatrial import __version__
from seatrial.api.status import IntegrationRunStatus, Reason, Verdict
from seatrial.api.times import parse_time

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
ENVIRONMENT_STATES = ("live", "ending", "stuck", "leftover")
_VERDICTS = {
    Reason.TESTS_PASSED: Verdict.PASSED,
    Reason.TESTS_FAILED: Verdict.FAILED,
    Reason.COLLECTION_ERROR: Verdict.FAILED,
    Reason.CANCELLED: Verdict.CANCELLED,
}
"""Of every other reason the verdict is Errored."""
_SECONDS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 900, 1800, 3600)

current_run: ContextVar[str] = ContextVar("current_run", default="")
"""The uid of the run that is being reconciled, so that requests can be counted for it."""


class Metrics:
    """The operator's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory and CPU of the process, under their usual names
        self.runs = Gauge("seatrial_runs", "Runs there are, by phase.", ["phase"], registry=registry)
        self.finished = Counter(
            "seatrial_runs_finished", "Runs that got a verdict.", ["verdict", "reason"], registry=registry
        )
        for reason in Reason:  # there from the beginning, so that the first one counts as rise
            if reason is not Reason.NAMESPACE_STUCK:  # no verdict has it
                self.finished.labels(_VERDICTS.get(reason, Verdict.ERRORED), reason)
        self.environments = Gauge(
            "seatrial_environments",
            "Environments there are, by state: live, ending (being deleted), stuck (being deleted for more than two "
            "minutes), leftover (its run is gone or its lease is over, and it was not deleted).",
            ["state"],
            registry=registry,
        )
        self.phase_seconds = Histogram(
            "seatrial_run_phase_duration_seconds",
            "How long runs spent: queue (created to started), environment (to all ready), tests (first to last), "
            "verdict (last test's end to verdict).",
            ["phase"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_test = Histogram(
            "seatrial_run_time_to_first_test_seconds",
            "From the creation of the run to the start of its first test.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.clean_up = Histogram(
            "seatrial_environment_clean_up_duration_seconds",
            "From the verdict to the end of the namespace, for environments that are not kept.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.writes_per_run = Histogram(
            "seatrial_api_writes_per_run",
            "Requests of the operator that change something, for one run from its creation to its clean-up.",
            buckets=(10, 20, 25, 30, 35, 40, 50, 60, 80, 100, 200),
            registry=registry,
        )
        self._add_those_of_the_operator(registry)
        self._writes: dict[str, int] = {}

    def _add_those_of_the_operator(self, registry: CollectorRegistry) -> None:
        """What concerns the operator's own work, after what concerns runs."""
        self.requests = Counter(
            "seatrial_api_requests",
            "Requests of the operator to the Kubernetes API server (code 0: no answer).",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.reconcile = Histogram(
            "seatrial_reconcile_duration_seconds",
            "One pass over one run, requests included.",
            buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.reconcile_errors = Counter(
            "seatrial_reconcile_errors", "Passes that failed and are tried again.", ["kind"], registry=registry
        )
        self.internal_errors = Counter(
            "seatrial_internal_errors",
            "Errors of the operator itself while it worked on a run; the run ends as InternalError after five.",
            registry=registry,
        )
        self.status_refused = Counter(
            "seatrial_status_refused",
            "Status writes that the API server refused as invalid; what matters is written without the details.",
            registry=registry,
        )
        self.orphans = Counter(
            "seatrial_orphans_deleted", "Environments deleted because their run was gone.", registry=registry
        )
        self.results_lost = Counter(
            "seatrial_results_lost", "Runs whose tests ended without a result in the archive.", registry=registry
        )
        self.evidence = Histogram(
            "seatrial_evidence_duration_seconds",
            "Gathering and archiving the evidence of a run, before its environment is deleted.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.evidence_lost = Counter(
            "seatrial_evidence_lost",
            "Runs whose evidence was wanted and could not be archived before the environment was deleted.",
            registry=registry,
        )
        stalls = Histogram(
            "seatrial_loop_stall_seconds",
            "How late the operator's event loop came to what was due, looked at every 50 ms, by part: "
            "work (its own), wait (for the processor, another thread or a call that blocks).",
            ["part"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=registry,
        )
        # kept, because it is observed so often
        self._stalled_by_work, self._stalled_by_wait = stalls.labels("work"), stalls.labels("wait")
        self.ready = Gauge(
            "seatrial_ready", "1 when the operator knows all that there is and works on runs.", registry=registry
        )
        self.feed = Gauge("seatrial_archive_feed_connected", "1 while the archive's feed is open.", registry=registry)
        self.build = Info("seatrial_build", "Version of the operator.", registry=registry)
        self.build.info({"version": __version__})

    def request(self, verb: str, resource: str, code: int) -> None:
        """Counts one request to the API server."""
        self.requests.labels(verb, resource, str(code)).inc()
        if verb in WRITES and (uid := current_run.get()):
            self._writes[uid] = self._writes.get(uid, 0) + 1

    def stalled(self, work: float, wait: float) -> None:
        """Takes how late the event loop came once, in seconds of work and of waiting."""
        self._stalled_by_work.observe(work)
        self._stalled_by_wait.observe(wait)

    def verdict(self, status: IntegrationRunStatus) -> None:
        """Counts a run that has just got its verdict."""
        self.finished.labels(str(status.verdict), status.reason).inc()
        if status.reason in ("ResultsMissing", "ArchiveUnavailable"):
            self.results_lost.inc()
        line = {k: parse_time(v) for k, v in status.timeline.model_dump().items()}
        spans = {
            "queue": (line["queued"], line["started"]),
            "environment": (line["started"], line["environment_ready"]),
            "tests": (line["first_test"], line["last_test"]),
            "verdict": (line["last_test"], line["verdict"]),
        }
        for phase, (begin, end) in spans.items():
            if begin and end:
                self.phase_seconds.labels(phase).observe(max(0.0, (end - begin).total_seconds()))
        if line["queued"] and line["first_test"]:
            self.first_test.observe(max(0.0, (line["first_test"] - line["queued"]).total_seconds()))

    def cleaned_up(self, uid: str, status: IntegrationRunStatus, kept_seconds: float) -> None:
        """Counts an environment that is gone."""
        verdict, gone = parse_time(status.timeline.verdict), parse_time(status.timeline.cleaned_up)
        if verdict and gone and not kept_seconds:
            self.clean_up.observe((gone - verdict).total_seconds())
        if writes := self._writes.pop(uid, 0):
            self.writes_per_run.observe(writes)

    def keep(self, uids: Iterable[str]) -> None:
        """Drops what is counted for other runs than these: they are gone, and late answers may count for them too."""
        for uid in self._writes.keys() - set(uids):
            del self._writes[uid]

    def phases(self, counts: Mapping[str, int]) -> None:
        """Sets how many runs there are in each phase."""
        self.runs.clear()
        for phase, count in counts.items():
            self.runs.labels(phase).set(count)

    def states(self, counts: Mapping[str, int]) -> None:
        """Sets how many environments there are in each state."""
        for state in ENVIRONMENT_STATES:
            self.environments.labels(state).set(counts.get(state, 0))


@dataclass(frozen=True)
class Family:
    """One metric: its name as in queries, without the endings of a histogram's series."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str

    def series(self) -> tuple[str, ...]:
        """The names that queries use."""
        if self.type == "histogram":
            return tuple(self.name + ending for ending in ("_bucket", "_count", "_sum"))
        return (self.name,)


def families(registry: CollectorRegistry) -> list[Family]:
    """What a registry has, but for the process's own metrics."""
    found = []
    for metric in registry._collector_to_names:
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
            found.append(Family(family.name + ending, family.type, metric._labelnames, family.documentation))
    return found


def programs() -> dict[str, list[Family]]:
    """The metrics of each program."""
    from seatrial.archive.server.metrics import unattached

    return {"operator": families(Metrics().registry), "archive": families(unattached().registry)}


def document() -> str:
    """The page about the metrics."""
    where = {
        "operator": "on port 8082 (Service `seatrial-operator`, port `metrics`)",
        "archive": "on port 8081 (Service `seatrial-archive`, port `read`)",
    }
    lines = [
        "# Metrics",
        "",
        "Generated by `python -m seatrial.metrics`. Dashboard and alerts: [operations](operations.md#monitoring).",
    ]
    for program, metrics in programs().items():
        lines += [
            "",
            f"## The {program}'s",
            "",
            f"Served {where[program]} at `/metrics`.",
            "",
            "| name | type | labels | meaning |",
            "| --- | --- | --- | --- |",
        ]
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
            lines.append(f"| `{metric.name}` | {metric.type} | {labels} | {metric.meaning} |")
    lines += [
        "",
        "Beside them, for both, the usual `process_*` metrics: memory, CPU time, open files and start of the process.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Writes the page, or with --check says whether it is out of date."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.metrics", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the page is out of date")
    wanted = document()
    if not parser.parse_args().check:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(wanted)
        return 0
    if DOCUMENT.exists() and DOCUMENT.read_text() == wanted:
        return 0
    sys.stderr.write("docs/metrics.md differs from the metrics that there are: run `python -m seatrial.metrics`\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
