"""Signs of masks: where in some data a mask can be at all, read several times faster than by looking at each byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Span = tuple[int, int]
"""Where something begins and ends."""

_BLOCK = 4096
"""Bytes that are looked through at once; a multiple of each step."""
_WORD = 4
"""Bytes that are compared at once."""
_STEPS = (8, 4)
"""Bytes from one word that is read to the next: the larger, the faster, and the longer the masks that it can't miss."""
_FEW = 8
"""Masks too short for a step that are looked for one by one."""
_MOST_SHORT = 500
_MOST_HEADS = 4_000
"""Beyond either, the signs would take longer than the search itself."""
_MOST_CANDIDATES = 20
"""Heads that a block is searched for; with more, a mask is taken to be in it."""


class Signs:
    """Tells the regions in which masks can be.

    Of the data, a word is read every few bytes. A mask that is long enough has such a word within its head, its first
    bytes, wherever it begins. Where a head's word is read, the head itself is looked for. Shorter masks are looked for
    one by one.

    Args:
        masks: none of them empty.
    """

    def __init__(self, masks: Sequence[bytes]) -> None:
        self._longest = max(map(len, masks), default=0)
        self._step = _STEPS[0]
        self._short = [mask for mask in masks if len(mask) < self._head]
        if len(self._short) > _FEW:
            self._step = _STEPS[1]
            self._short = [mask for mask in masks if len(mask) < self._head]
        heads = sorted({mask[: self._head] for mask in masks if len(mask) >= self._head})
        self._everywhere = len(self._short) > _MOST_SHORT or len(heads) > _MOST_HEADS
        self._heads: dict[int, list[bytes]] = {}
        """By each word that can be read of them."""
        if not self._everywhere:
            self._add(heads)
        self._words = frozenset(self._heads)

    @property
    def _head(self) -> int:
        """Bytes in which a word is read wherever they begin."""
        return self._step - 1 + _WORD

    def _add(self, heads: Sequence[bytes]) -> None:
        width = 4 * _WORD
        data = b"".join(head.ljust(width, b"\0") for head in heads) + bytes(width)
        for offset in range(self._step):
            words = memoryview(data[offset : offset + width * len(heads)]).cast("I")[:: width // _WORD].tolist()
            for word, head in zip(words, heads):  # noqa: B905 - Python 3.9 has no strict
                self._heads.setdefault(word, []).append(head)

    def regions(self, data: bytes) -> Iterator[Span]:
        """The parts of the data outside of which no mask is, nor a part of one; in order, apart from each other."""
        if self._everywhere or not self._longest:
            yield 0, len(data) if self._longest else 0
            return
        begin = end = 0
        beyond = self._head + self._longest
        for position in range(0, len(data), _BLOCK):
            if self._found(data, position):
                if position - beyond > end:
                    yield begin, end
                    begin = position - beyond
                end = min(position + _BLOCK + beyond, len(data))
        yield begin, end

    def _found(self, data: bytes, position: int) -> bool:
        """Whether a mask may begin in this block, or a few bytes before it."""
        end = min(position + _BLOCK, len(data) // _WORD * _WORD)
        if self._words and end > position:
            read = memoryview(data)[position:end].cast("I")[:: self._step // _WORD].tolist()
            known = self._words.intersection(read)
            if known and self._holds_head(data, position, known):
                return True
        beyond = position + _BLOCK + self._head
        return any(data.find(mask, position, beyond) >= 0 for mask in self._short)

    def _holds_head(self, data: bytes, position: int, words: frozenset[int]) -> bool:
        candidates = {head for word in words for head in self._heads[word]}
        begin, end = max(position - self._step, 0), position + _BLOCK + self._head
        return len(candidates) > _MOST_CANDIDATES or any(data.find(head, begin, end) >= 0 for head in candidates)
