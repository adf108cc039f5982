"""`seatrial rerun`: a new run of what an earlier one was, or of the tests of it that went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.api.labels import RERUN_OF
from seatrial.api.names import API_VERSION, KIND
from seatrial.archive.client.errors import ArchiveError
from seatrial.cli.connect import Session, Target, explain
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.output import Out
from seatrial.cli.results_output import tests_of
from seatrial.cli.run import Run
from seatrial.cli.run_file import Document, RunFile
from seatrial.cli.runs import find_object
from seatrial.cli.selection import Selection, select
from seatrial.cli.start import start_again
from seatrial.cli.wait import WaitOptions
from seatrial.kube.kinds import Object

_MOST_PATHS = 500
"""What `spec.tests.paths` holds."""


@dataclass(frozen=True)
class RerunOptions:
    """Arguments and options of `seatrial rerun`."""

    run: str
    failed: bool = False
    """Only the tests that went wrong."""
    name: str | None = None
    waiting: WaitOptions | None = None


async def rerun(session: Session, target: Target, out: Out, options: RerunOptions) -> Exit:
    """Creates the new run, and waits for its verdict if asked to."""
    old = await find_object(session, options.run)
    again = run_again(old, options.name)
    if options.failed:
        failed = await _failed(session, Run.of(old))
        again = select(again, Selection(paths_of(failed)))
        out.line((f"{len(failed)} of the tests of {options.run} went wrong; only they run", "dim"))
    return await start_again(session, target, out, RunFile(f"run {options.run}", again), options.waiting)


async def _failed(session: Session, run: Run) -> list[str]:
    try:
        failed = [test.id for test in await tests_of(session, run.uid, "bad")]
    except ArchiveError as error:
        raise CliError(
            f"which tests of run {run.name} went wrong is not known: {explain(error)}", code=Exit.INFRASTRUCTURE
        ) from error
    if not failed:
        state = run.state or "not accepted yet"
        raise CliError(f"no test of run {run.name} went wrong; it is {state}", hint="all tests again: without --failed")
    return failed


def run_again(old: Object, name: str | None) -> Document:
    """A new run with the spec of an old one, by its own name or one made of the old one's. Pure."""
    metadata = old["metadata"]
    first = (metadata.get("annotations") or {}).get(RERUN_OF) or metadata["name"]
    # Labels with a prefix are of tools that own the old run: they would take the new one for theirs.
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if "/" not in key}
    again: Document = {"name": name} if name else {"generateName": f"{first}-"}
    again |= {"namespace": metadata["namespace"], "annotations": {RERUN_OF: first}}
    again |= {"labels": labels} if labels else {}
    spec = {field: value for field, value in old["spec"].items() if field != "cancel"}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": again, "spec": spec}


def paths_of(ids: Sequence[str]) -> list[str]:
    """Node ids as `spec.tests.paths`: of more than it holds, their files. Pure.

    Raises:
        CliError: there are too many files, too.
    """
    for paths in (list(dict.fromkeys(ids)), list(dict.fromkeys(each.partition("::")[0] for each in ids))):
        if len(paths) <= _MOST_PATHS:
            return paths
    raise CliError(f"tests in {len(paths)} files went wrong, more than the {_MOST_PATHS} that a run may name")
