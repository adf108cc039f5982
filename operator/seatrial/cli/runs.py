"""Runs that are there: `seatrial get`, `cancel`, `delete`."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from seatrial.api.names import API_VERSION, GROUP, KIND
from seatrial.api.status import IntegrationRunStatus
from seatrial.cli import report
from seatrial.cli.connect import Session, Target
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.invocation import command_line
from seatrial.cli.output import VERDICT_STYLE, Out
from seatrial.cli.output_format import OutputFormat, print_object
from seatrial.cli.run import Run
from seatrial.cli.terminal import one_line
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ConflictError, GoneError, NotFoundError
from seatrial.kube.kinds import RUN, Object

_SILENCE_SECONDS = 30.0
_WIDE = ("duration", "namespace", "message")
"""Fields of the status in the columns that only the wide table has."""


async def find(session: Session, name: str) -> Run:
    """The run of this name.

    Raises:
        CliError: it does not exist; names those that were probably meant.
    """
    return Run.of(await find_object(session, name))


async def find_object(session: Session, name: str) -> Object:
    """The run of this name, as the API server gives it; raises as `find`."""
    try:
        return await session.cluster.get(RUN, name, session.namespace)
    except NotFoundError:
        pass
    try:
        names = [run["metadata"]["name"] for run in await session.cluster.list(RUN, session.namespace)]
    except NotFoundError:
        raise CliError(
            "this cluster knows no IntegrationRuns: Seatrial is not installed in it", hint="install the chart first"
        ) from None
    near = difflib.get_close_matches(name, names, n=3) or sorted(names)[:3]
    hint = f"there is {', '.join(near)}" if near else "this namespace has no runs; another one: --namespace"
    raise CliError(f"no run {name} in namespace {session.namespace}", hint=hint)


async def wait_until_gone(cluster: Cluster, name: str, namespace: str, uid: str) -> None:
    """Returns once the run with this uid is gone, and its environment with it."""
    while True:
        try:
            watching, there = cluster.watch(RUN, namespace, fields=f"metadata.name={name}"), False
            async with aclosing(watching) as changes, asyncio.timeout(_SILENCE_SECONDS):
                async for change, run in changes:
                    if change == "LISTED" and there:
                        continue
                    if change in ("LISTED", "DELETED") or run["metadata"]["uid"] != uid:
                        return
                    there = True
        except NotFoundError:
            return
        except (TimeoutError, GoneError):
            continue


async def get(
    session: Session, target: Target, out: Out, name: str | None, everywhere: bool, output: OutputFormat | None = None
) -> Exit:
    """Shows one run, or a table of all; or prints them as `output` says."""
    if name:
        bodies = [await find_object(session, name)]
    else:
        bodies = await session.cluster.list(RUN, None if everywhere else session.namespace)
    if output in (OutputFormat.JSON, OutputFormat.YAML):
        _print_objects(out, bodies, output, one=name is not None)
        return Exit.PASSED
    runs = [Run.of(body) for body in bodies]
    if output is OutputFormat.NAME:
        for run in runs:
            out.line(f"{KIND.lower()}.{GROUP}/{run.name}")
        return Exit.PASSED
    if name and output is None:
        report.show(out, runs[0], command_line(target, session, "results", name, "-o", "DIR"))
        return Exit.PASSED
    if not runs:
        out.line("no runs" if everywhere else f"no runs in namespace {session.namespace}")
        return Exit.PASSED
    if output is OutputFormat.WIDE:
        out.unlimited()
    out.console.print(table(runs, datetime.now(UTC), everywhere=everywhere, wide=output is OutputFormat.WIDE))
    return Exit.PASSED


def _print_objects(out: Out, bodies: Sequence[Object], output: OutputFormat, *, one: bool) -> None:
    items = [{"apiVersion": API_VERSION, "kind": KIND, **body} for body in bodies]
    printed: Object = items[0] if one else {"apiVersion": "v1", "kind": "List", "items": items}
    print_object(out, printed, output)


def table(runs: Sequence[Run], now: datetime, *, everywhere: bool, wide: bool = False) -> Table:
    """The runs, the newest first."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    more = ["DURATION", "ENVIRONMENT", "MESSAGE"] if wide else []
    for column in (["NAMESPACE"] if everywhere else []) + ["NAME", "STATE", "TESTS", "REASON", "AGE", *more]:
        grid.add_column(column, no_wrap=column != "NAME", overflow="fold" if column == "NAME" else "ellipsis")
    for run in sorted(runs, key=lambda run: run.created or 0.0, reverse=True):
        state = one_line(run.state) or "-"
        cells = [run.namespace] if everywhere else []
        grid.add_row(
            *cells, run.name, Text(state, VERDICT_STYLE.get(state, "")), _tests(run.status),
            one_line(run.status.reason) or "-", age(now.timestamp() - run.created) if run.created is not None else "-",
            *([one_line(getattr(run.status, field)) or "-" for field in _WIDE] if wide else []),
        )  # fmt: skip
    return grid


def _tests(status: IntegrationRunStatus) -> str:
    return status.tests_summary or "-" if status.tests and status.tests.total else "-"


def age(seconds: float) -> str:
    """How old something is, as kubectl writes it: `45s`, `12m`, `3h`, `5d`."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length or (unit == "d" and seconds >= length):
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


async def cancel(session: Session, target: Target, out: Out, name: str) -> Exit:
    """Asks the operator to end the run."""
    run = await find(session, name)
    if run.verdict:
        raise CliError(f"run {name} is over already: {run.verdict}")
    await session.cluster.patch(RUN, name, session.namespace, {"spec": {"cancel": True}})
    out.line(f"run {name} is being cancelled")
    out.hint([("watch it", command_line(target, session, "wait", name))])
    return Exit.PASSED


async def delete(session: Session, out: Out, name: str, wait: bool) -> Exit:
    """Deletes the run; its environment goes with it, its results stay in the archive."""
    run = await find(session, name)
    uid = run.uid
    try:
        await session.cluster.delete(RUN, name, session.namespace, uid=uid)
    except NotFoundError:
        pass  # somebody was faster
    except ConflictError as error:
        raise CliError(f"run {name} was just replaced by another run; nothing was deleted") from error
    if wait:
        await wait_until_gone(session.cluster, name, session.namespace, uid)
        out.line(f"run {name} and its environment are gone")
    else:
        out.line(f"run {name} is being deleted, and its environment with it")
    return Exit.PASSED
