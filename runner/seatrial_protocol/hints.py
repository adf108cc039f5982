"""``hints.json``: the lines of the evidence that show why a run did not pass. Operator to archive.

Decisions are made by a hint's code and data; title and advice are made of them for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Optional, Union

from seatrial_protocol import limits
from seatrial_protocol.decode import (
    Contract,
    ProtocolError,
    contract,
    field,
    flag,
    kind_of,
    load,
    mapping,
    string,
    wrong,
)
from seatrial_protocol.limits import Bounds
from seatrial_protocol.times import parse_time

COUNT = 100
"""Hints of a run that are read."""
_BOUNDS = Bounds(2 * 1024 * 1024)
_DATA = 8
"""Entries of a hint's data."""
_TEXT = limits.MESSAGE


def _read_time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise wrong(f"expected text, found {kind_of(value)}")
    try:
        return parse_time(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def _write_time(value: datetime) -> str:
    """To the microsecond, so that the line is found again by its time."""
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z")


@contract("hint", limits.HINT)
class Hint(Contract):
    """One line of the evidence, what it shows, and what to do about it."""

    component: str = string(limits.NAME)
    file: str = string(limits.PATH)
    """Of the evidence, such as logs/orders.log."""
    line: str = string(_TEXT)
    title: str = string(_TEXT)
    """For people."""
    advice: str = string(_TEXT)
    """For people."""
    code: str = string(limits.CODE, default="")
    """What the line shows. Open: a newer operator may write others."""
    data: Optional[dict[str, str]] = mapping(_DATA, _TEXT, default=None)
    """What it is about, such as the name of a table."""
    at: Optional[datetime] = field(_read_time, default=None, write=_write_time)
    """When the line was written."""
    cause: bool = flag(default=False)
    """It is probably what the others follow from."""


def parse_hints(data: Union[bytes, str]) -> tuple[Hint, ...]:
    """The hints of a run; those that are none are left out.

    Raises:
        ProtocolError: the document is no list, or too large.
    """
    found = load(data, "hints", _BOUNDS)
    if not isinstance(found, list):
        raise ProtocolError("hints", "", f"expected a list, found {kind_of(found)}")
    hints = []
    for entry in found[:COUNT]:
        try:
            hints.append(Hint.parse(entry))
        except ProtocolError:
            continue
    return tuple(hints)


def hints_to_json(hints: Sequence[Hint]) -> list[dict[str, Any]]:
    """The document that ``parse_hints()`` reads."""
    return [hint.to_json() for hint in hints]
