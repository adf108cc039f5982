"""Run by the chart's CronJob: deletes environments that have outlived their lease, also while the operator is dead.

It knows nothing but namespaces: one that bears our label and a run's uid and says when it expires is deleted a margin
after that moment, by its uid. What to do with each is decided by a pure function.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from seatrial.api import labels
from seatrial.api.times import format_time
from seatrial.facts import objects
from seatrial.facts.attempt import Namespace
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError, ConflictError, NotFoundError
from seatrial.kube.kinds import NAMESPACE, Object
from seatrial.lifecycle.clean_up import STUCK_AFTER


@dataclass(frozen=True)
class Findings:
    """The environments that need something."""

    expired: tuple[Namespace, ...] = ()
    """To be deleted."""
    stuck: tuple[Namespace, ...] = ()
    """Deleted long ago and still there: only people can help."""
    endless: tuple[Namespace, ...] = ()
    """They don't say when they expire, so they are left alone."""


def inspect(namespaces: Iterable[Object], now: datetime, margin: timedelta) -> Findings:
    """What there is to do about these namespaces. One younger than the margin, or not ours, is never touched."""
    environments = [n for n in map(objects.namespace_of, namespaces) if n.run_uid]
    living = [
        n for n in environments if n.terminating_since is None and n.created is not None and now >= n.created + margin
    ]
    return Findings(
        expired=tuple(n for n in living if n.expires_at is not None and now >= n.expires_at + margin),
        stuck=tuple(
            n for n in environments if n.terminating_since is not None and now >= n.terminating_since + STUCK_AFTER
        ),
        endless=tuple(n for n in living if n.expires_at is None),
    )


def complaints(found: Findings) -> list[str]:
    """One line for each environment that the janitor can't help."""
    stuck = [
        f"environment {n.name} of run {n.run_uid} is being deleted since {format_time(since)} and held by: "
        f"{n.held_by or 'the namespace controller does not say what'}; see kubectl get namespace {n.name} -o yaml"
        for n in found.stuck
        if (since := n.terminating_since)
    ]
    return stuck + [
        f"environment {n.name} of run {n.run_uid} does not say when it expires; if it is not needed: "
        f"kubectl delete namespace {n.name}"
        for n in found.endless
    ]


async def clean(cluster: Cluster, now: datetime, margin: timedelta, dry_run: bool = False) -> bool:
    """Looks once at all environments and deletes those that have expired; says what it does and what it can't.

    Returns:
        Whether nothing is left that needs people.

    Raises:
        ClusterError: when the namespaces can't be listed.
    """
    found = inspect(await cluster.list(NAMESPACE, labels=labels.SELECTOR), now, margin)
    problems = complaints(found)
    for namespace in found.expired:
        assert namespace.expires_at is not None
        over = format_time(namespace.expires_at)
        doing = "would be deleted" if dry_run else "deleting it"
        print(f"environment {namespace.name} of run {namespace.run_uid}: its lease is over since {over}; {doing}")
        if dry_run:
            continue
        try:
            await cluster.delete(NAMESPACE, namespace.name, uid=namespace.uid)
        except (NotFoundError, ConflictError):  # gone by now, or another one has its name
            continue
        except ClusterError as error:
            problems.append(f"environment {namespace.name} could not be deleted: {error.message}")
    for line in problems:
        print(line, file=sys.stderr)
    return not problems


async def _main(margin: timedelta, dry_run: bool) -> int:
    try:
        async with await Cluster.connect(agent="seatrial-janitor") as cluster:
            return 0 if await clean(cluster, datetime.now(UTC), margin, dry_run) else 1
    except ClusterError as error:
        print(f"seatrial: can't look for expired environments: {error.message}", file=sys.stderr)
        return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point: 0 when all is in order, 1 when something needs people."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.janitor", description=__doc__)
    margin = "how long after its end an environment is deleted, and how old it must be (default: %(default)s)"
    parser.add_argument("--margin", type=float, default=300.0, metavar="SECONDS", help=margin)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    given = parser.parse_args(arguments)
    return asyncio.run(_main(timedelta(seconds=given.margin), given.dry_run))


if __name__ == "__main__":
    sys.exit(main())
