"""Contracts as frozen dataclasses whose fields say how they are read, and bounded JSON.

    @contract("exit record", limits.EXIT_RECORD)
    class ExitRecord(Contract):
        ended_at: float = moment()
        error: Optional[str] = string(limits.MESSAGE, default=None)

reads and writes ``{"endedAt": 1.5, "error": null}``. A field without a default must be there; with one, ``null`` and
nothing mean the default.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, ClassVar, NamedTuple, Optional, TypeVar, Union

from seatrial_protocol import limits
from seatrial_protocol.limits import Bounds

if TYPE_CHECKING:
    from typing_extensions import Self, dataclass_transform
else:

    def dataclass_transform(**_options: object) -> Callable[[Any], Any]:
        """For type checkers alone."""
        return lambda decorated: decorated


T = TypeVar("T")
Json = Union[bytes, str, dict[str, Any]]
"""A document: its text, or the object that was decoded from it within bounds."""

_SCAN_FROM = 4096
_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class ProtocolError(ValueError):
    """A document is not what its contract says."""

    def __init__(self, document: str, path: str, problem: str) -> None:
        super().__init__(f"{document}: {path}: {problem}" if path else f"{document}: {problem}")
        self.document = document
        self.path = path
        """The field, for example ``lost[0].name``; empty: the document itself."""
        self.problem = problem


class _WrongError(Exception):
    """What is wrong with a value. Its path grows from the inside out."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path

    def inside(self, name: str) -> _WrongError:
        """The same, seen from the object or array that the value is in."""
        joined = self.path if self.path.startswith("[") or not self.path else f".{self.path}"
        return _WrongError(self.problem, name + joined)


def load(data: Union[bytes, str], document: str, bounds: Bounds) -> Any:
    """The JSON value in this text; invalid UTF-8 is read as U+FFFD. Time and memory are linear in the size.

    Raises:
        ProtocolError: it is too large, too deep, has too many entries, or is no JSON. NaN and Infinity are none.
    """
    size = len(data)
    if size > bounds.size:
        raise ProtocolError(document, "", f"larger than {bounds.size} bytes")
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if size >= _SCAN_FROM or raw.count(b"[") + raw.count(b"{") > bounds.depth:
        problem = _too_much(raw, bounds)
        if problem:
            raise ProtocolError(document, "", problem)
    try:
        return _DECODER.decode(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(document, "", f"no JSON: {str(error)[:200]}") from None


def _too_much(raw: bytes, bounds: Bounds) -> str:
    """What the document has too much of, found without decoding it."""
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if raw.count(b'"') > 4 * bounds.entries:
        return f"more than {bounds.entries} entries"
    structure = b"".join(raw.split(b'"')[::2])
    if structure.count(b",") + structure.count(b"[") + structure.count(b"{") > bounds.entries:
        return f"more than {bounds.entries} entries"
    depth = 0
    for bracket in structure.translate(None, _BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > bounds.depth:
            return f"nested deeper than {bounds.depth} levels"
    return ""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > limits.DIGITS:
        raise ValueError(f"a number of more than {limits.DIGITS} characters")
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > limits.DIGITS:
        raise ValueError(f"a number of more than {limits.DIGITS} characters")
    return float(digits)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_integer, parse_float=_float)


def dump(value: object) -> bytes:
    """Compact JSON in UTF-8; what UTF-8 can't hold (lone surrogates) becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


_REQUIRED: Any = dataclasses.MISSING


class _Spec(NamedTuple):
    """How a field is read and written."""

    read: Callable[[Any], Any]
    write: Optional[Callable[[Any], Any]]
    name: str
    omit: bool


def field(
    read: Callable[[Any], T],
    *,
    default: Any = _REQUIRED,
    name: str = "",
    omit: bool = False,
    write: Optional[Callable[[Any], Any]] = None,
) -> Any:
    """A field that is read by a function.

    Args:
        read: from a JSON value to the field's; raises what ``wrong()`` gives.
        default: of a field that may be missing or null.
        name: in JSON; else the attribute's in camel case.
        omit: left out when it is written with its default.
        write: from the field's value to JSON; else it is written as it is.
    """
    return dataclasses.field(default=default, metadata={"spec": _Spec(read, write, name, omit)})


def wrong(problem: str) -> Exception:
    """To be raised by a reader: what is wrong with its value."""
    return _WrongError(problem)


def kind_of(value: object) -> str:
    """What kind of JSON value this is, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    kinds = ((str, "text"), ((int, float), "a number"), (dict, "an object"), (list, "a list"))
    return next(name for kind, name in kinds if isinstance(value, kind))


def string(limit: int, *, default: Any = _REQUIRED, name: str = "", omit: bool = False) -> Any:
    """A text of at most so many characters."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong(f"expected text, found {kind_of(value)}")
        if len(value) > limit:
            raise wrong(f"longer than {limit} characters")
        return value

    return field(read, default=default, name=name, omit=omit)


def one_of(allowed: Sequence[str], *, default: Any = _REQUIRED, name: str = "", omit: bool = False) -> Any:
    """One of a few texts."""
    known = frozenset(allowed)

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong(f"expected text, found {kind_of(value)}")
        if value not in known:
            raise wrong(f"{value[: limits.CODE]!r} is none of {', '.join(allowed)}")
        return value

    return field(read, default=default, name=name, omit=omit)


def integer(
    *, low: int = 0, high: int = limits.COUNT, default: Any = _REQUIRED, name: str = "", omit: bool = False
) -> Any:
    """A whole number in a range."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise wrong(f"expected a whole number, found {kind_of(value)}")
        if not low <= value <= high:
            raise wrong(f"not from {low} to {high}")
        return value

    return field(read, default=default, name=name, omit=omit)


def number(
    *, low: float = 0.0, high: float = limits.SECONDS, default: Any = _REQUIRED, name: str = "", omit: bool = False
) -> Any:
    """A finite number in a range."""

    def read(value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise wrong(f"expected a number, found {kind_of(value)}")
        if not low <= value <= high or not math.isfinite(value):
            raise wrong(f"not from {low:g} to {high:g}")
        return float(value)

    return field(read, default=default, name=name, omit=omit)


def moment(*, default: Any = _REQUIRED, name: str = "", omit: bool = False) -> Any:
    """A time in seconds since 1970, in the years 1 to 9999: a suite may turn its clock."""
    return number(low=-62_135_596_800, high=253_402_300_799, default=default, name=name, omit=omit)


def flag(*, default: Any = _REQUIRED, name: str = "", omit: bool = False) -> Any:
    """True or false."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise wrong(f"expected true or false, found {kind_of(value)}")
        return value

    return field(read, default=default, name=name, omit=omit)


def items(of: type[Contract], count: int, *, default: Any = _REQUIRED, name: str = "", omit: bool = False) -> Any:
    """A list of at most so many objects of one contract; a tuple in Python."""

    def read(value: Any) -> tuple[Any, ...]:
        return tuple(_each(value, count, of.read))

    def write(value: Any) -> list[Any]:
        return [entry.to_json() for entry in value]

    return field(read, default=default, name=name, omit=omit, write=write)


def strings(count: int, limit: int, *, default: Any = _REQUIRED, name: str = "", omit: bool = False) -> Any:
    """A list of at most so many texts; a tuple in Python."""

    def read_one(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong(f"expected text, found {kind_of(value)}")
        if len(value) > limit:
            raise wrong(f"longer than {limit} characters")
        return value

    def read(value: Any) -> tuple[str, ...]:
        return tuple(_each(value, count, read_one))

    return field(read, default=default, name=name, omit=omit, write=list)


def part(of: type[Contract], *, default: Any = _REQUIRED, name: str = "", omit: bool = False) -> Any:
    """An object of another contract."""

    def write(value: Any) -> Any:
        return value.to_json()

    return field(of.read, default=default, name=name, omit=omit, write=write)


def anything(*, default: Any = _REQUIRED, name: str = "") -> Any:
    """An object of any content, within the document's bounds."""

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise wrong(f"expected an object, found {kind_of(value)}")
        return value

    return field(read, default=default, name=name)


def integers(count: int, limit: int, *, default: Any = _REQUIRED, name: str = "", omit: bool = False) -> Any:
    """An object of at most so many whole numbers, their names at most so many characters long."""

    def read(value: Any) -> dict[str, int]:
        if not isinstance(value, dict):
            raise wrong(f"expected an object, found {kind_of(value)}")
        if len(value) > count:
            raise wrong(f"more than {count} entries")
        for key, entry in value.items():
            if len(key) > limit:
                raise _WrongError(f"longer than {limit} characters", key[: limits.CODE])
            if not isinstance(entry, int) or isinstance(entry, bool):
                raise _WrongError(f"expected a whole number, found {kind_of(entry)}", key[: limits.CODE])
            if not 0 <= entry <= limits.COUNT:
                raise _WrongError(f"not from 0 to {limits.COUNT}", key[: limits.CODE])
        return value

    return field(read, default=default, name=name, omit=omit)


def mapping(count: int, limit: int, *, default: Any = _REQUIRED, name: str = "") -> Any:
    """An object of at most so many texts."""

    def read(value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise wrong(f"expected an object, found {kind_of(value)}")
        if len(value) > count:
            raise wrong(f"more than {count} entries")
        for key, entry in value.items():
            if not isinstance(entry, str):
                raise _WrongError(f"expected text, found {kind_of(entry)}", key[: limits.CODE])
            if len(key) + len(entry) > limit:
                raise _WrongError(f"longer than {limit} characters", key[: limits.CODE])
        return value

    return field(read, default=default, name=name)


def _each(value: Any, count: int, read: Callable[[Any], T]) -> list[T]:
    if not isinstance(value, list):
        raise wrong(f"expected a list, found {kind_of(value)}")
    if len(value) > count:
        raise wrong(f"more than {count} entries")
    found = []
    for index, entry in enumerate(value):
        try:
            found.append(read(entry))
        except _WrongError as error:
            raise error.inside(f"[{index}]") from None
    return found


class Contract:
    """What every contract can do; ``@contract`` makes a class one."""

    DOCUMENT: ClassVar[str] = ""
    BOUNDS: ClassVar[Bounds] = limits.EVENT
    _FIELDS: ClassVar[tuple[tuple[str, str, _Spec, Any], ...]] = ()

    @classmethod
    def parse(cls, data: Json) -> Self:
        """The document in this text, or in the object that was decoded from it.

        Raises:
            ProtocolError: it is not what the contract says.
        """
        value = load(data, cls.DOCUMENT, cls.BOUNDS) if isinstance(data, (bytes, str)) else data
        try:
            return cls.read(value)
        except _WrongError as error:
            raise ProtocolError(cls.DOCUMENT, error.path, error.problem) from None

    @classmethod
    def read(cls, value: Any) -> Self:
        """From a JSON value; for the readers of contracts that this one is part of, which catch what it raises."""
        if not isinstance(value, dict):
            raise wrong(f"expected an object, found {kind_of(value)}")
        found: dict[str, Any] = {}
        for attribute, name, spec, default in cls._FIELDS:
            entry = value.get(name)
            if entry is not None:
                try:
                    found[attribute] = spec.read(entry)
                except _WrongError as error:
                    raise error.inside(name) from None
            elif default is _REQUIRED:
                raise _WrongError("missing", name)
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        """The JSON object that ``parse()`` reads."""
        written: dict[str, Any] = {}
        for attribute, name, spec, default in self._FIELDS:
            value = getattr(self, attribute)
            if spec.omit and value == default:
                continue
            written[name] = value if spec.write is None or value is None else spec.write(value)
        return written


@dataclass_transform(
    frozen_default=True,
    field_specifiers=(
        string,
        one_of,
        integer,
        integers,
        number,
        moment,
        flag,
        items,
        strings,
        part,
        anything,
        mapping,
        field,
    ),
)
def contract(document: str, bounds: Bounds = limits.EVENT) -> Callable[[type[T]], type[T]]:
    """Makes a class a frozen dataclass and a contract.

    Args:
        document: what is read, for messages.
        bounds: of the whole document.
    """

    def make(cls: type[T]) -> type[T]:
        made: Any = dataclasses.dataclass(frozen=True)(cls)
        made.DOCUMENT, made.BOUNDS = document, bounds
        fields = []
        for each in dataclasses.fields(made):
            spec = each.metadata["spec"]
            fields.append((each.name, spec.name or _camel(each.name), spec, each.default))
        made._FIELDS = tuple(fields)
        return made  # type: ignore[no-any-return]

    return make


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
