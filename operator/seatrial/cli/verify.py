"""`seatrial archive verify`: is everything that the archive took still there, and as it was?"""

from __future__ import annotations

from collections import Counter

from rich.progress import Progress, SpinnerColumn, TextColumn

from seatrial.cli.connect import Session
from seatrial.cli.errors import CliError, Exit
from seatrial.cli.output import Out
from seatrial.cli.phrases import plural
from seatrial.cli.results import UID


async def verify(session: Session, out: Out, name: str | None) -> Exit:
    """Has the files of all runs, or of one by name or uid, read and compared; 1 if any is damaged."""
    uid = name
    if name is not None and not UID.fullmatch(name):
        uid = await session.archive.find(session.namespace, name)
        if uid is None:
            raise CliError(f"the archive knows no run {name} in namespace {session.namespace}")
    counts: Counter[str] = Counter()
    shown = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), console=out.console, transient=True, disable=not out.live
    )
    with shown:
        task = shown.add_task("reading")
        async for found in session.archive.verify(uid):
            counts[found["state"]] += 1
            shown.update(task, description=f"{plural(counts.total(), 'set')} read")
            if found["state"] == "damaged":
                part = "evidence" if found["part"] == "evidence" else f"shard {found['part']}"
                out.line(
                    (f"{out.glyphs.bad} ", "red"),
                    f"run {found['uid']} attempt {found['attempt']} {part}: {'; '.join(found['problems'])}",
                )
    whole, damaged, incomplete = (counts[state] for state in ("whole", "damaged", "incomplete"))
    unfinished = f", {plural(incomplete, 'set')} never completed" if incomplete else ""
    if damaged:
        out.line((f"{plural(damaged, 'set')} damaged", "bold red"), f", {whole} intact{unfinished}")
        out.line(("  restore the files from a copy of the volume or bucket, under the same names", "dim"))
        return Exit.TESTS_FAILED
    out.line((f"{out.glyphs.ok} ", "green"), f"{plural(whole, 'set')}, all intact{unfinished}")
    return Exit.PASSED
