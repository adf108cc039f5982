"""What is shown while a run goes on: a display that moves on a terminal, plain lines everywhere else."""

from __future__ import annotations

from typing import Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from seatrial.cli.output import VERDICT_STYLE, Glyphs, Out
from seatrial.cli.phrases import counts_text, seconds
from seatrial.cli.progress import ComponentState, Mark, ProgressLine, RunProgress

_RUNNING_SHOWN = 3
_BAR_WIDTH = 32
_SPIN_PER_SECOND = 8
REFRESH_SECONDS = 1 / _SPIN_PER_SECOND


class View(Protocol):
    """Somewhere to show a run."""

    refresh_seconds: float

    def progress(self, line: ProgressLine, at: float) -> None:
        """Something happened."""

    def refresh(self, progress: RunProgress, at: float) -> None:
        """Time has passed."""

    def close(self) -> None:
        """Nothing more will come."""


class PlainView:
    """One line for each thing that happens."""

    refresh_seconds = 1.0

    def __init__(self, out: Out, *, follow: bool) -> None:
        self._out, self._follow = out, follow

    def progress(self, line: ProgressLine, at: float) -> None:
        """Prints the line."""
        if line.mark in (Mark.PASSED, Mark.SKIPPED) and not self._follow:
            return
        if line.mark is Mark.COUNT and self._follow:
            return
        self._out.progress(line, at)

    def refresh(self, progress: RunProgress, at: float) -> None:
        """Nothing moves here."""

    def close(self) -> None:
        """Nothing to put away."""


class LiveView:
    """A display that shows how far the run is; only what needs attention stays above it."""

    refresh_seconds = REFRESH_SECONDS

    def __init__(self, out: Out, title: str, *, follow: bool) -> None:
        self._out, self._title, self._follow = out, title, follow
        self._live = Live(
            console=out.console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._drawn = float("-inf")
        self._live.start()

    def progress(self, line: ProgressLine, at: float) -> None:
        """Prints the line above the display if it would be lost otherwise."""
        tests = line.mark in (Mark.PASSED, Mark.SKIPPED) and self._follow
        if tests or line.mark in (Mark.BAD, Mark.HINT):
            self._out.progress(line, at)

    def refresh(self, progress: RunProgress, at: float) -> None:
        """Draws the display anew, unless it was drawn a moment ago."""
        if at - self._drawn < self.refresh_seconds:
            return
        self._drawn = at
        self._live.update(display(progress, self._title, at, self._out.glyphs, self._out.console.width), refresh=True)

    def close(self) -> None:
        """Removes the display."""
        self._live.stop()


def display(progress: RunProgress, title: str, at: float, glyphs: Glyphs, width: int) -> RenderableType:
    """The display at one moment."""
    spin = glyphs.spinner[int(at * _SPIN_PER_SECOND) % len(glyphs.spinner)]
    head = Table.grid(expand=True)
    head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    phase = progress.verdict or progress.phase or "Waiting"
    head.add_row(
        Text.assemble((title, "bold")),
        Text.assemble((phase, VERDICT_STYLE.get(phase, "cyan")), (f"  {clock(at)}", "dim")),
    )
    rows: list[RenderableType] = [head]
    if progress.parts:
        rows.append(_parts(progress.parts, spin, glyphs, width))
    if progress.total is not None or progress.ended:
        rows.append(_bar(progress, glyphs, width))
    shown = list(progress.running.items())[:_RUNNING_SHOWN]
    for test, since in shown:
        name, passed = _left_cut(test, width - 14, glyphs.cut), f"  {clock(at - since)}"
        rows.append(Text.assemble((f"  {spin} ", "cyan"), name, (passed, "dim"), no_wrap=True))
    if len(progress.running) > len(shown):
        rows.append(Text(f"    and {len(progress.running) - len(shown)} more", "dim"))
    if not shown and progress.finished and not progress.verdict:
        rows.append(Text.assemble((f"  {spin} ", "cyan"), "storing the results"))
    return Group(*rows)


def _parts(parts: dict[str, ComponentState], spin: str, glyphs: Glyphs, width: int) -> RenderableType:
    cells = []
    for name, part in parts.items():
        took = f" {seconds(part.ready_after)}" if part.ready_after is not None else ""
        if part.error:
            cells.append(Text.assemble((f"{glyphs.bad} ", "red"), (name, "red")))
        elif part.ready:
            cells.append(Text.assemble((f"{glyphs.ok} ", "green"), name, (took, "dim")))
        else:
            cells.append(Text.assemble((f"{spin} ", "cyan"), (name, "dim")))
    # Room for the time from the beginning: nothing moves when it comes.
    widest = min(max(len(name) for name in parts) + 10, width - 4)
    columns = max(1, min((width - 2) // (widest + 2), len(cells)))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=0)
    for _ in range(columns):
        grid.add_column(width=widest, no_wrap=True, overflow="ellipsis")
    for first in range(0, len(cells), columns):
        row = cells[first : first + columns]
        grid.add_row("", *row, *[""] * (columns - len(row)))
    return grid


def _bar(progress: RunProgress, glyphs: Glyphs, width: int) -> Text:
    room = max(8, min(_BAR_WIDTH, width - 40))
    share = min(1.0, progress.ended / progress.total) if progress.total else 0.0
    filled = round(room * share)
    bad = (
        min(filled, max(1, round(room * progress.failed / progress.total))) if progress.failed and progress.total else 0
    )
    counts = f"  {counts_text(progress.counts)}" if progress.ended else ""
    return Text.assemble(
        "  ", (glyphs.bar * (filled - bad), "green"), (glyphs.bar * bad, "red"), (glyphs.rest * (room - filled), "dim"),
        f"  {progress.of_total()}", (counts, "red" if progress.failed else ""),
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip


def clock(at: float) -> str:
    """Time that passes, without tenths that flicker."""
    return f"{int(at)} s" if at < 60 else seconds(at)


def _left_cut(text: str, room: int, cut: str) -> str:
    """The end of a test's id says more than its beginning."""
    room = max(room, 8)
    return text if len(text) <= room else cut + text[len(cut) - room :]
