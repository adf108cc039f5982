"""What is shown while a bundle is packed and uploaded: a bar on a terminal, nothing that moves elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from seatrial.cli.bundle.tree import LeftOut
from seatrial.cli.output import Out
from seatrial.cli.terminal import one_line

_SHOWN_BYTES = 8 * 1024 * 1024
"""Less than this is packed before a bar could be seen."""
_NAMED = 5


@contextmanager
def packing(out: Out, total: int) -> Iterator[Callable[[int], None]]:
    """Shows how many of the tree's bytes are packed."""
    with bar(out, "packing the code", total, shown=total >= _SHOWN_BYTES) as progress:
        yield progress


@contextmanager
def bar(out: Out, what: str, total: int, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Shows how many bytes are done, on standard error if that is a terminal."""
    console = out.errors
    if not (shown and console.file.isatty() and not console.is_dumb_terminal):
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(32), DownloadColumn(binary_units=True))
    with Bar(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as moving:
        task = moving.add_task(what, total=total)
        yield lambda done: moving.update(task, completed=done)


def show_left_out(out: Out, left_out: Sequence[LeftOut]) -> None:
    """Names what a bundle can't hold, on standard error."""
    for each in left_out[:_NAMED]:
        text = f"left out of the bundle: {one_line(each.path)}: {one_line(each.why)}"
        out.errors.print(Text.assemble(("! ", "yellow"), text), soft_wrap=True)
    if len(left_out) > _NAMED:
        out.errors.print(Text(f"  and {len(left_out) - _NAMED} more", "dim"))
