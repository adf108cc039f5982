"""Masks: the texts that the operator lists as secret, as a JSON list, and one search that finds all of them at once.

Both sides of a pod's border use it: the collector for what it uploads, the operator for what it reads. The time it
takes is linear in the data, and does not depend on how many masks there are or how they overlap (Aho and Corasick,
1975).
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Union

from seatrial_protocol import limits
from seatrial_protocol.decode import ProtocolError, load

MASK = b"***"
"""What takes the place of a secret."""
Span = tuple[int, int]
"""Where something begins and ends."""

_BLOCK = 4096
"""Bytes that are looked through at once for a sign of a mask."""
_MOST_SIGNS = 500
"""Beyond, looking for each sign takes longer than the search itself."""


def parse(data: Union[bytes, str]) -> tuple[str, ...]:
    """The masks that a list holds.

    Raises:
        ProtocolError: it is no list of texts, or beyond `limits.MASKS`.
    """
    found = load(data, "list of masks", limits.MASKS)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ProtocolError("list of masks", "", "not a list of texts")
    return tuple(found)


def to_json(masks: Sequence[str]) -> str:
    """What `parse` reads."""
    return json.dumps(list(masks), separators=(",", ":"))


class Finder:
    """Finds masks in bytes.

    A tree of all masks, byte by byte. A state is a place in it: the longest beginning of any mask with which the data
    end at this point. Where the next byte does not continue it, the state falls back to the next shorter beginning.
    States with a single edge, which most are, keep it in an array: ten bytes a state.
    """

    def __init__(self, masks: Iterable[bytes] = ()) -> None:
        ordered = sorted(set(masks) - {b""})
        self.longest = max(map(len, ordered), default=0)
        """Bytes of the longest mask."""
        self._only = array("h", [-1])
        """The byte that leads from a state to the one after it; -1: none does."""
        self._others: dict[int, int] = {}
        """Further edges: state * 256 + byte to state."""
        self._ending = array("I", [0])
        """The length of the longest mask that ends at a state; 0: none does."""
        self._shorter = array("I", [0])
        """The state to fall back to."""
        self._add(ordered)
        self._link()
        self._first = [self._next(0, byte) for byte in range(256)]
        self._signs = [mask for mask in ordered if self._holds_no_other(mask)]

    def _add(self, ordered: Sequence[bytes]) -> None:
        """Grows the tree. In this order each mask shares its beginning with the one before, if with any."""
        path, previous = [0], b""
        for mask in ordered:
            shared = 0
            while shared < len(previous) and mask[shared] == previous[shared]:
                shared += 1
            del path[shared + 1 :]
            for byte in mask[shared:]:
                new = len(self._only)
                if path[-1] == new - 1:
                    self._only[-1] = byte
                else:
                    self._others[path[-1] << 8 | byte] = new
                self._only.append(-1)
                self._ending.append(0)
                path.append(new)
            self._ending[path[-1]] = len(mask)
            previous = mask

    def _link(self) -> None:
        """Finds where each state falls back to, level by level: it is on a level above."""
        edges: dict[int, list[tuple[int, int]]] = {}
        for edge, target in self._others.items():
            edges.setdefault(edge >> 8, []).append((edge & 0xFF, target))
        self._shorter = array("I", bytes(self._shorter.itemsize * len(self._only)))
        level = [0]
        while level:
            below = []
            for state in level:
                onward = edges.get(state, [])
                if self._only[state] >= 0:
                    onward = [*onward, (self._only[state], state + 1)]
                for byte, target in onward:
                    below.append(target)
                    fallback = self._shorter[state]
                    shorter = self._next(fallback, byte) if state else 0
                    while fallback and not shorter:
                        fallback = self._shorter[fallback]
                        shorter = self._next(fallback, byte)
                    self._shorter[target] = shorter
                    self._ending[target] = self._ending[target] or self._ending[shorter]
            level = below

    def _next(self, state: int, byte: int) -> int:
        """Where a byte leads; 0: nowhere."""
        return state + 1 if self._only[state] == byte else self._others.get(state << 8 | byte, 0)

    def _holds_no_other(self, mask: bytes) -> bool:
        """Whether no other mask is within this one: where none of these is, no mask is."""
        state = 0
        for byte in mask[:-1]:
            state = self._next(state, byte)
            if self._ending[state]:
                return False
        return not self._ending[self._shorter[self._next(state, mask[-1])]]

    def spans(self, data: bytes) -> list[Span]:
        """Where masks are, in order; masks that overlap are one span."""
        found: list[Span] = []
        for start, end in self._regions(data):
            self._search(data, start, end, found)
        return found

    def masked(self, data: bytes) -> bytes:
        """The data with `***` in the place of each span."""
        spans = self.spans(data)
        return replaced(data, spans) if spans else data

    def _regions(self, data: bytes) -> Iterator[Span]:
        """The parts of the data in which masks can be: those around signs."""
        if not self._signs or len(self._signs) > _MOST_SIGNS:
            yield 0, len(data) if self._signs else 0
            return
        beyond = max(map(len, self._signs)) - 1
        begin = end = 0
        for position in range(0, len(data), _BLOCK):
            block = data[position : position + _BLOCK + beyond]
            if any(sign in block for sign in self._signs):
                if position - self.longest > end:
                    yield begin, end
                    begin = position - self.longest
                end = min(position + _BLOCK + beyond + self.longest, len(data))
        yield begin, end

    def _search(self, data: bytes, start: int, end: int, found: list[Span]) -> None:
        only, others, ending, shorter, first = self._only, self._others, self._ending, self._shorter, self._first
        state = 0
        for position, byte in enumerate(data[start:end], start + 1):
            if not state:
                state = first[byte]
            elif only[state] == byte:
                state += 1
            else:
                following = others.get(state << 8 | byte, 0)
                while not following:
                    state = shorter[state]
                    if not state:
                        following = first[byte]
                        break
                    following = state + 1 if only[state] == byte else others.get(state << 8 | byte, 0)
                state = following
            if ending[state]:
                begin = position - ending[state]
                while found and found[-1][1] > begin:
                    begin = min(begin, found.pop()[0])
                found.append((begin, position))


def replaced(data: bytes, spans: Iterable[Span]) -> bytes:
    """The data with `***` in the place of each span."""
    kept, position = [], 0
    for begin, end in spans:
        kept += [data[position:begin], MASK]
        position = end
    return b"".join((*kept, data[position:]))
