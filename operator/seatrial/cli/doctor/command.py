"""Shows what the checks found."""

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from seatrial.cli.connect import Session
from seatrial.cli.doctor.findings import State
from seatrial.cli.doctor.probes import look
from seatrial.cli.errors import Exit
from seatrial.cli.output import Out
from seatrial.cli.output_format import OutputFormat, print_object
from seatrial.cli.terminal import one_line

_STYLE = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red", State.UNKNOWN: "dim"}


async def doctor(session: Session, out: Out, form: OutputFormat | None) -> Exit:
    """Checks, and ends with the exit status of an infrastructure error where no run can work."""
    found = await look(session)
    works = all(finding.state is not State.PROBLEM for finding in found)
    if form:
        print_object(
            out,
            {"works": works, "checks": [{**asdict(finding), "state": str(finding.state)} for finding in found]},
            form,
        )
        return Exit.PASSED if works else Exit.INFRASTRUCTURE
    width = max(len(finding.name) for finding in found)
    marks = {State.OK: out.glyphs.ok, State.WARNING: "!", State.PROBLEM: out.glyphs.bad, State.UNKNOWN: "?"}
    mark_width = max(map(len, marks.values()))
    indent = mark_width + width + 3
    for finding in found:
        first, *rest = out.wrapped(Text(one_line(finding.text)), indent=indent)
        mark = (f"{marks[finding.state]:<{mark_width}} ", _STYLE[finding.state])
        out.console.print(Text.assemble(mark, f"{finding.name:<{width}}  ") + first[indent:], soft_wrap=True)
        for line in rest:
            out.console.print(line, soft_wrap=True)
        if finding.advice:
            out.line(" " * indent, (one_line(finding.advice), "dim"))
    return Exit.PASSED if works else Exit.INFRASTRUCTURE
