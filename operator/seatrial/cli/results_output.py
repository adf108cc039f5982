"""`seatrial results -o`: the report for programs, node ids, or a table of all tests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from rich.table import Table
from rich.text import Text

from seatrial.archive.model.json import to_json
from seatrial.archive.model.tests import TestRow
from seatrial.cli.connect import Session, explain
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.output import Out
from seatrial.cli.output_format import OutputFormat, print_object
from seatrial.cli.phrases import seconds
from seatrial.cli.results import known_run
from seatrial.cli.terminal import one_line

_STYLE = {"passed": "green", "skipped": "yellow", "xfailed": "yellow"}


async def print_results(session: Session, out: Out, name: str, form: OutputFormat) -> Exit:
    """Prints what the archive knows of a run, by its name or uid."""
    run, archived, missing = await known_run(session, name)
    if archived is None:
        why = explain(missing) if missing else f"it is {run.state or 'not accepted yet'}"
        raise CliError(f"the archive knows nothing of run {name}: {why}", code=Exit.INFRASTRUCTURE)
    if form in (OutputFormat.JSON, OutputFormat.YAML):
        print_object(out, to_json(archived), form)
        return Exit.PASSED
    tests = await tests_of(session, archived.run.uid, "bad" if form is OutputFormat.NAME else None)
    if form is OutputFormat.NAME:
        for test in tests:
            out.line(one_line(test.id))
    else:
        out.unlimited()
        out.console.print(table(tests))
    return Exit.PASSED


async def tests_of(session: Session, uid: str, outcome: str | None) -> list[TestRow]:
    """The tests of a run's last attempt that has results, those that went wrong first."""
    async with aclosing(session.archive.tests(uid, outcome)) as found:
        return [test async for test in found]


def table(tests: Sequence[TestRow]) -> Table:
    """One test a row, nothing cut."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("OUTCOME", "TIME", "SHARD", "TEST", "MESSAGE"):
        grid.add_column(column, no_wrap=True)
    for test in tests:
        outcome = one_line(test.outcome) + (" (flaky)" if test.flaky else "")
        grid.add_row(
            Text(outcome, _STYLE.get(test.outcome, "red")), seconds(test.seconds), str(test.shard),
            one_line(test.id), one_line(test.message) or "-",
        )  # fmt: skip
    return grid
