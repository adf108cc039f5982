"""Values of a YAML file, each with its place. Scalars stay text: `22:22`, `1.10` and `yes` mean what they look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import yaml

from seatrial.cli.init.places import Place, ReadError

DEPTH = 40
"""Maps and lists inside each other."""
VALUES = 50_000
"""Values of one file, each alias counted with all that it stands for."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = ("", "~", "null", "Null", "NULL")
_BOOLEANS = ("true", "True", "TRUE", "false", "False", "FALSE")


@dataclass(frozen=True)
class Origin:
    """A variable that a text was made with: its name, and where its value is from."""

    name: str
    place: Place


@dataclass(frozen=True)
class Value:
    """A text, nothing, a map or a list."""

    data: str | Mapping[str, Value] | Sequence[Value] | None
    place: Place
    tag: str = ""
    """`!reset` or `!override`, which change how files are merged."""
    origins: tuple[Origin, ...] = ()

    @property
    def is_map(self) -> bool:
        """Whether it is a map."""
        return isinstance(self.data, Mapping)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.data, Sequence) and not isinstance(self.data, str)

    def text(self) -> str:
        """The text; empty for nothing.

        Raises:
            ReadError: it is a map or a list.
        """
        if self.data is None or isinstance(self.data, str):
            return self.data or ""
        raise ReadError(self.place, "a plain value is expected here")

    def map(self) -> Mapping[str, Value]:
        """The map; empty for nothing.

        Raises:
            ReadError: it is something else.
        """
        if self.data is None:
            return {}
        if isinstance(self.data, Mapping):
            return self.data
        raise ReadError(self.place, "a map is expected here")

    def list(self) -> Sequence[Value]:
        """The list; empty for nothing.

        Raises:
            ReadError: it is something else.
        """
        if self.data is None:
            return ()
        if self.is_list:
            return cast(Sequence[Value], self.data)
        raise ReadError(self.place, "a list is expected here")

    def as_list(self) -> Sequence[Value]:
        """The list; a single text counts as a list of one."""
        return (self,) if isinstance(self.data, str) else self.list()

    def with_data(self, data: str | Mapping[str, Value] | Sequence[Value] | None) -> Value:
        """The same place with other data."""
        return replace(self, data=data)


def parse(text: str, file: str) -> Value:
    """The value of a YAML file.

    Raises:
        ReadError: it is not YAML, too deep or too large, has a key twice, or an alias stands inside its own anchor.
    """
    try:
        _check_depth(text, file)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ReadError(Place(file, mark.line + 1 if mark else 0), f"not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ReadError(file, f"not valid YAML: {error}") from error
    return _Reader(file).value(node, ()) if node is not None else Value(None, Place(file, 1))


def _check_depth(text: str, file: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH:
                raise ReadError(
                    Place(file, event.start_mark.line + 1 if event.start_mark else 0),
                    f"more than {DEPTH} levels inside each other",
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Reader:
    """Reads nodes of one file, within its limit of values."""

    def __init__(self, file: str) -> None:
        self.file, self.left = file, VALUES

    def value(self, node: yaml.Node, inside: tuple[int, ...]) -> Value:
        place = self._place(node)
        self.left -= 1
        if self.left < 0:
            raise ReadError(place, f"more than {VALUES:,} values, aliases counted with what they stand for")
        if id(node) in inside:
            raise ReadError(place, "an alias stands inside of what its anchor names")
        if len(inside) > DEPTH:
            raise ReadError(place, f"more than {DEPTH} levels inside each other")
        inside = (*inside, id(node))
        tag = node.tag if node.tag in ("!reset", "!override") else ""
        if isinstance(node, yaml.ScalarNode):
            return Value(_scalar(node), place, tag)
        if isinstance(node, yaml.SequenceNode):
            return Value(tuple(self.value(child, inside) for child in node.value), place, tag)
        if isinstance(node, yaml.MappingNode):
            return Value(self._map(node, inside), place, tag)
        raise ReadError(place, "unknown kind of value")

    def _map(self, node: yaml.MappingNode, inside: tuple[int, ...]) -> dict[str, Value]:
        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ReadError(self._place(key), "a key must be plain text")
            if key.value == "<<" and not key.style:
                value = self.value(child, inside)
                for each in value.list() if value.is_list else (value,):
                    merged = {**each.map(), **merged}
                continue
            if key.value in own:
                raise ReadError(self._place(key), f"the key {key.value!r} is here twice")
            value = self.value(child, inside)
            own[key.value] = replace(value, place=self._place(key))
        return {**{k: v for k, v in merged.items() if k not in own}, **own}

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)


def _scalar(node: yaml.ScalarNode) -> str | None:
    text = str(node.value)
    if not node.style and not node.tag.startswith("!"):
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return text.lower()
    return text
