"""Masks: the texts that the operator lists as secret, as a JSON list, and one search that finds all of them at once.

Both sides of a pod's border use it: the collector for what it uploads, the operator for what it reads. The time it
takes is linear in the data, and does not depend on how many masks there are or how they overlap (Aho and Corasick,
1975). Where no sign of a mask is, which is nearly everywhere, the search does not look.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from typing import Union

from seatrial_protocol import limits
from seatrial_protocol.decode import ProtocolError, load
from seatrial_protocol.signs import Signs, Span

MASK = b"***"
"""What takes the place of a secret."""
_UNKNOWN = 0xFFFF_FFFF
"""In place of a length: nobody has been at this state yet."""


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
    The masks in order, one after the other, are the tree: most states have a single edge, to the state after them. Ten
    bytes a state, and what a state falls back to is found out when the data first lead there.
    """

    def __init__(self, masks: Iterable[bytes] = ()) -> None:
        ordered = sorted(set(masks) - {b""})
        self.longest = max(map(len, ordered), default=0)
        """Bytes of the longest mask."""
        self._signs = Signs(ordered)
        self._only = array("h")
        """The byte that leads from a state to the one after it; -1: none does."""
        self._others: dict[int, int] = {}
        """Further edges: state * 256 + byte to state."""
        self._parents: dict[int, int] = {}
        """Where these edges come from."""
        self._lengths: dict[int, int] = {}
        """Of the mask that ends at a state."""
        self._add(ordered)
        self._ending = array("I", [_UNKNOWN]) * len(self._only)
        """The length of the longest mask that ends at a state; 0: none does."""
        self._ending[0] = 0
        self._shorter = array("I", [0]) * len(self._only)
        """The state to fall back to."""
        self._first = [self._next(0, byte) for byte in range(256)]

    def _add(self, ordered: Sequence[bytes]) -> None:
        """Grows the tree. In this order each mask shares its beginning with the one before, if with any."""
        path: list[tuple[int, int]] = []  # of the mask before: from which byte on it has states, and their place
        previous = b""
        for mask in ordered:
            shared, start = _shared(previous, mask), len(self._only)
            while path and path[-1][0] >= shared:
                path.pop()
            if previous:
                parent = path[-1][1] + shared if path else 0
                self._others[parent << 8 | mask[shared]] = start + shared + 1
                self._parents[start + shared + 1] = parent
            path.append((shared, start))
            self._only.extend(mask)
            self._only.append(-1)
            self._lengths[start + len(mask)] = len(mask)
            previous = mask
        if not ordered:
            self._only.append(-1)

    def _next(self, state: int, byte: int) -> int:
        """Where a byte leads; 0: nowhere."""
        return state + 1 if self._only[state] == byte else self._others.get(state << 8 | byte, 0)

    def _link(self, to: int) -> int:
        """Finds where a state falls back to, before it those on which that depends; the length that ends there."""
        waiting = [to]
        while waiting:
            state = waiting[-1]
            parent = self._parents.get(state, state - 1)
            if self._ending[parent] == _UNKNOWN:
                waiting.append(parent)
                continue
            shorter = self._shorter[state] or self._fall_back(parent, state)
            self._shorter[state] = shorter
            if self._ending[shorter] == _UNKNOWN:
                waiting.append(shorter)
                continue
            self._ending[state] = self._lengths.get(state) or self._ending[shorter]
            waiting.pop()
        return self._ending[to]

    def _fall_back(self, parent: int, state: int) -> int:
        """The longest beginning of a mask with which this state's beginning ends."""
        if not parent:
            return 0
        byte = self._only[state - 1]  # a mask stands there in whole, also what it shares with the one before
        shorter = self._shorter[parent]
        found = self._next(shorter, byte)
        while shorter and not found:
            shorter = self._shorter[shorter]
            found = self._next(shorter, byte)
        return found

    def spans(self, data: bytes) -> list[Span]:
        """Where masks are, in order; masks that overlap are one span."""
        found: list[Span] = []
        for start, end in self._signs.regions(data):
            self._search(data, start, end, found)
        return found

    def masked(self, data: bytes) -> bytes:
        """The data with `***` in the place of each span."""
        spans = self.spans(data)
        return replaced(data, spans) if spans else data

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
            if ending[state] and (ending[state] != _UNKNOWN or self._link(state)):
                begin = position - ending[state]
                while found and found[-1][1] > begin:
                    begin = min(begin, found.pop()[0])
                found.append((begin, position))


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes at the beginning of both are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def replaced(data: bytes, spans: Iterable[Span]) -> bytes:
    """The data with `***` in the place of each span."""
    kept, position = [], 0
    for begin, end in spans:
        kept += [data[position:begin], MASK]
        position = end
    return b"".join((*kept, data[position:]))
