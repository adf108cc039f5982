"""Which tests of its suite a run shall run, in place of what its file says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial.cli.run_file import Document

_FIELDS = ("paths", "markers", "keywords")


@dataclass(frozen=True)
class Selection:
    """What the command line chooses."""

    paths: Sequence[str] = ()
    """Files, folders and node ids."""
    keywords: str | None = None
    """pytest's `-k`."""

    def __bool__(self) -> bool:
        """Whether it chooses anything."""
        return bool(self.paths) or self.keywords is not None


def select(run: Document, selection: Selection) -> Document:
    """The run with this choice in place of its own, or as it is where nothing is chosen."""
    spec = run.get("spec")
    tests = spec.get("tests") if isinstance(spec, dict) else None
    if not selection or not isinstance(spec, dict) or not isinstance(tests, dict | None):
        return run
    chosen: Document = {name: value for name, value in (tests or {}).items() if name not in _FIELDS}
    if selection.paths:
        chosen["paths"] = list(selection.paths)
    if selection.keywords:
        chosen["keywords"] = selection.keywords
    return {**run, "spec": {**spec, "tests": chosen}}
