"""The console, its marks, and the words for errors. Works without colour, without UTF-8, in 80 columns."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

from seatrial.cli.errors import CliError
from seatrial.cli.progress import Mark, ProgressLine
from seatrial.cli.terminal import RESET, log_line

VERDICT_STYLE = {"Passed": "bold green", "Failed": "bold red", "Errored": "bold yellow", "Cancelled": "bold blue"}
MARK_STYLE = {
    Mark.STEP: "", Mark.READY: "green", Mark.COUNT: "", Mark.PASSED: "green", Mark.SKIPPED: "yellow", Mark.BAD: "red",
    Mark.HINT: "yellow",
}  # fmt: skip

_UNLIMITED = 10_000


@dataclass(frozen=True)
class Glyphs:
    """The marks that this terminal can show."""

    ok: str
    bad: str
    skip: str
    dot: str
    bar: str
    rest: str
    cut: str
    spinner: tuple[str, ...]


UNICODE = Glyphs("✓", "✗", "-", "·", "━", "─", "…", tuple("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"))
ASCII = Glyphs("ok", "x", "-", ".", "=", "-", "...", tuple("|/-\\"))


def verdict_mark(verdict: str, glyphs: Glyphs) -> str:
    """The mark before a verdict."""
    return {"Passed": glyphs.ok, "Failed": glyphs.bad, "Errored": "!", "Cancelled": glyphs.skip}.get(
        verdict, glyphs.dot
    )


def line_mark(mark: Mark, glyphs: Glyphs) -> str:
    """The mark before a line."""
    marks = {
        Mark.READY: glyphs.ok,
        Mark.PASSED: glyphs.ok,
        Mark.BAD: glyphs.bad,
        Mark.SKIPPED: glyphs.skip,
        Mark.HINT: "!",
    }
    return marks.get(mark, glyphs.dot)


class Out:
    """Standard output and standard error of the command."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self.console = _console(stdout or sys.stdout)
        self.errors = _console(stderr or sys.stderr)
        self.glyphs = ASCII if self.console.options.ascii_only else UNICODE

    @property
    def live(self) -> bool:
        """Whether a display that moves can be shown (a pipe with FORCE_COLOR can't)."""
        return self.console.file.isatty() and not self.console.is_dumb_terminal

    def line(self, *parts: str | tuple[str, str]) -> None:
        """Prints one line, however long."""
        self.console.print(Text.assemble(*parts), soft_wrap=True, highlight=False)

    def unlimited(self) -> None:
        """Lets lines be as long as they are: for tables that nobody wants cut."""
        self.console.width = _UNLIMITED

    def log(self, line: str) -> None:
        """Prints a line of a log, with its colours and nothing else that a terminal obeys."""
        self.console.file.write(log_line(line) + "\n")

    def end_log(self) -> None:
        """Ends the colours that a log left on, where there may be any."""
        if self.console.is_terminal:
            self.console.file.write(RESET)

    def paragraph(self, text: Text, *, indent: int) -> None:
        """Prints text that may be long, broken at the width of the terminal."""
        for line in self.wrapped(text, indent=indent):
            self.console.print(line, soft_wrap=True)

    def wrapped(self, text: Text, *, indent: int) -> list[Text]:
        """Text as lines of the terminal's width."""
        lines = []
        for line in text.wrap(self.console, max(20, self.console.width - indent), overflow="fold"):
            line.rstrip()
            lines.append(Text(" " * indent) + line)
        return lines

    def progress(self, line: ProgressLine, at: float) -> None:
        """Prints one line with its time."""
        style = MARK_STYLE[line.mark]
        mark, of_text = f"{line_mark(line.mark, self.glyphs)} ", style if line.mark is Mark.BAD else ""
        self.line((f"[+{at:.1f}s] ", "dim"), (mark, style), (line.text, of_text))

    def hint(self, rows: Iterable[tuple[str, str]]) -> None:
        """Prints what can be done next: what for, command."""
        rows = list(rows)
        width = max((len(what) for what, _ in rows), default=0)
        for what, command in rows:
            self.line((f"  {what.ljust(width)}  ", "dim"), command)

    def error(self, error: CliError) -> None:
        """Prints an error for people, on standard error."""
        out = self.errors
        out.print(Text.assemble(("seatrial: ", "bold red"), error.message), soft_wrap=True, highlight=False)
        for detail in error.details:
            out.print(Text(f"  {detail}"), soft_wrap=True, highlight=False)
        if error.hint:
            out.print(Text(f"  {error.hint}", "dim"), soft_wrap=True, highlight=False)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Left to the command's frame: the library would end with 1, which here means that tests failed."""
        raise  # the error that is being handled


def _console(file: TextIO) -> Console:
    if hasattr(file, "reconfigure"):
        file.reconfigure(errors="replace")  # a test's name must not break the command
    # Standard width where there is no terminal: what is written to a file or a CI log looks the same everywhere.
    width = None if file.isatty() or "COLUMNS" in os.environ else 80
    return _Console(file=file, width=width, highlight=False, emoji=False, markup=False)
