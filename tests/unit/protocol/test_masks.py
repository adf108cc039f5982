"""The one search for all masks: it finds what a search for each would find, in linear time."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import pytest

from seatrial_protocol import limits, masks, signs
from seatrial_protocol.decode import ProtocolError
from seatrial_protocol.masks import Finder


def covered(data: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    result = bytearray(data)
    for begin, end in spans:
        result[begin:end] = b"*" * (end - begin)
    return bytes(result)


def one_by_one(texts: Iterable[bytes], data: bytes) -> bytes:
    """The same, found in the plainest way."""
    places = [(at, at + len(text)) for text in texts for at in range(len(data)) if data.startswith(text, at)]
    return covered(data, places)


@pytest.mark.parametrize("seed", range(300))
def test_all_that_is_there_is_found(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few letters, so that masks overlap, touch and lie in each other; small blocks, so that they cross them."""
    chance = random.Random(seed)
    monkeypatch.setattr(signs, "_BLOCK", chance.choice([8, 16, 4096]))
    monkeypatch.setattr(signs, "_FEW", chance.choice([0, 8]))
    monkeypatch.setattr(signs, "_MOST_SHORT", chance.choice([0, 500, 500]))
    monkeypatch.setattr(signs, "_MOST_CANDIDATES", chance.choice([0, 20]))
    longest = chance.choice([6, 30])
    texts = [bytes(chance.choices(b"abc", k=chance.randint(1, longest))) for _ in range(chance.randint(0, 8))]
    parts = [bytes(chance.choices(b"abcd", k=chance.randint(0, 40))) for _ in range(4)]
    data = b"".join(part + text[chance.randint(0, 1) :] for part in parts for text in chance.choices(texts or [b""]))
    assert covered(data, Finder(texts).spans(data)) == one_by_one(texts, data)


def test_the_longest_wins_and_what_overlaps_is_one() -> None:
    finder = Finder([b"secret", b"secret-of-mine", b"mine-and-yours"])
    assert finder.masked(b"a secret, a secret-of-mine-and-yours, none") == b"a ***, a ***, none"


def test_a_list_comes_back_as_it_was() -> None:
    texts = ("a\u00e9\n", '"', "\ud800x")
    assert masks.parse(masks.to_json(texts)) == texts


@pytest.mark.parametrize(
    "data",
    ["nonsense", "{}", "[1]", '["a", ["b"]]', "[" + '"a",' * limits.MASKS.entries + '"a"]',
     json.dumps(["x" * limits.MASKS.size])],
    ids=["no JSON", "no list", "no text", "nested", "too many", "too large"],
)  # fmt: skip
def test_what_is_no_list_of_masks_is_refused(data: str) -> None:
    with pytest.raises(ProtocolError):
        masks.parse(data)


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of the modules run: work that is counted, not timed."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in (masks.__file__, signs.__file__):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"
CHANCE = random.Random(9)
FAMILIES = {
    "random": [bytes(CHANCE.choices(LETTERS, k=256)) for _ in range(160)],
    "one long beginning": [b"x" * 250 + bytes(CHANCE.choices(LETTERS, k=6)) for _ in range(160)],
    "in each other": [b"a" * size for size in range(6, 280)],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_building_takes_work_in_proportion_to_the_masks(family: str) -> None:
    texts = FAMILIES[family]
    assert lines_run(lambda: Finder(texts)) < 2 * sum(map(len, texts))


@pytest.mark.parametrize("most", [0, 500], ids=["no filter", "filter"])
@pytest.mark.parametrize("family", FAMILIES)
def test_searching_takes_work_in_proportion_to_the_data(
    family: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the data are: clean, full of masks, full of what is almost a mask. More masks add nothing.

    The first time, the search also finds out where the states it comes to fall back to.
    """
    monkeypatch.setattr(signs, "_MOST_SHORT", most)
    monkeypatch.setattr(signs, "_MOST_HEADS", most)
    texts = FAMILIES[family]
    finder = Finder(texts)
    for data in (
        bytes(CHANCE.choices(LETTERS + b"\n ", k=20_000)),
        b"".join(texts)[:20_000],
        b"".join(text[:-1] + b"!" for text in texts)[:20_000],
        b"xa" * 10_000,
        b"a" * 20_000,
    ):
        for most_lines in (40, 16):
            assert lines_run(lambda data=data: finder.spans(data)) < most_lines * len(data)  # type: ignore[misc]
