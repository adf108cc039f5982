"""The decoder: what it reads, what it refuses, and which field it names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from seatrial_protocol import limits
from seatrial_protocol.decode import (
    Contract,
    ProtocolError,
    contract,
    flag,
    integer,
    items,
    load,
    mapping,
    moment,
    number,
    one_of,
    part,
    string,
    strings,
)
from seatrial_protocol.limits import Bounds

SMALL = Bounds(size=1000, depth=4, entries=1000)


@contract("inner", SMALL)
class Inner(Contract):
    """A part."""

    name: str = string(5)


@contract("sample", SMALL)
class Sample(Contract):
    """A field of each kind."""

    first_name: str = string(5)
    kind: str = one_of(("a", "b"), default="a")
    count: int = integer(high=10, default=0)
    rate: float = number(high=1, default=0.5)
    at: float | None = moment(default=None)
    on: bool = flag(default=False)
    inner: Inner | None = part(Inner, default=None, omit=True)
    inners: tuple[Inner, ...] = items(Inner, 2, default=())
    words: tuple[str, ...] = strings(2, 5, default=(), omit=True)
    labels: dict[str, str] = mapping(1, 10, default=None)


def test_what_is_written_is_read_again() -> None:
    whole = Sample("Ann", "b", 3, 0.25, 1.5, True, Inner("x"), (Inner("y"),), ("w",), {"k": "v"})
    assert Sample.parse(json.dumps(whole.to_json())) == whole
    assert whole.to_json()["firstName"] == "Ann"


def test_a_default_stands_for_null_and_for_nothing_and_may_be_left_out() -> None:
    least = Sample.parse(b'{"firstName": "Ann", "count": null, "later": {"unknown": [1]}}')
    assert least == Sample("Ann")
    assert least.to_json() == {
        "firstName": "Ann", "kind": "a", "count": 0, "rate": 0.5, "at": None, "on": False, "inners": [], "labels": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "path", "problem"),
    [
        ({"firstName": None}, "firstName", "missing"),
        ({"firstName": 5}, "firstName", "expected text, found a number"),
        ({"firstName": "too long"}, "firstName", "longer than 5 characters"),
        ({"kind": "c"}, "kind", "'c' is none of a, b"),
        ({"kind": []}, "kind", "expected text, found a list"),
        ({"count": True}, "count", "expected a whole number, found true or false"),
        ({"count": 1.5}, "count", "expected a whole number, found a number"),
        ({"count": 11}, "count", "not from 0 to 10"),
        ({"rate": "1"}, "rate", "expected a number, found text"),
        ({"rate": 1e400}, "rate", "not from 0 to 1"),
        ({"at": "soon"}, "at", "expected a number, found text"),
        ({"at": 1e300}, "at", "not from -6.21356e+10 to 2.53402e+11"),
        ({"on": 1}, "on", "expected true or false, found a number"),
        ({"inner": []}, "inner", "expected an object, found a list"),
        ({"inner": {"name": {}}}, "inner.name", "expected text, found an object"),
        ({"inners": {}}, "inners", "expected a list, found an object"),
        ({"inners": [{"name": "x"}, "x"]}, "inners[1]", "expected an object, found text"),
        ({"inners": [{"name": "x"}, {"name": 1}]}, "inners[1].name", "expected text, found a number"),
        ({"inners": [{"name": "x"}] * 3}, "inners", "more than 2 entries"),
        ({"words": ["x", None]}, "words[1]", "expected text, found null"),
        ({"words": ["too long"]}, "words[0]", "longer than 5 characters"),
        ({"labels": ["x"]}, "labels", "expected an object, found a list"),
        ({"labels": {"k": 1}}, "labels.k", "expected text, found a number"),
        ({"labels": {"k": "vvvvvvvvvvvv"}}, "labels.k", "longer than 10 characters"),
        ({"labels": {"k": "v", "l": "w"}}, "labels", "more than 1 entries"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], path: str, problem: str) -> None:
    document = json.dumps({"firstName": "Ann", **fields}).replace("Infinity", "1e400")
    with pytest.raises(ProtocolError) as raised:
        Sample.parse(document)
    assert (raised.value.document, raised.value.path, raised.value.problem) == ("sample", path, problem)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "no JSON: Expecting value"),
        (b"{", "no JSON: Expecting property name"),
        (b'{"firstName": NaN}', "no JSON: NaN is not JSON"),
        (b'{"firstName": ' + b"9" * 100 + b"}", "no JSON: a number of more than 40 characters"),
        (b'{"firstName": ' + b"9" * 100 + b".5}", "no JSON: a number of more than 40 characters"),
        (b'"' + b"x" * 1000 + b'"', "larger than 1000 bytes"),
        (b"[" * 500, "nested deeper than 4 levels"),
        (b'{"a":' * 150, "nested deeper than 4 levels"),
        (b"[" + b"1," * 400 + b"1]", "expected an object, found a list"),  # small enough to be decoded
        (b"[]", "expected an object, found a list"),
    ],
)
def test_what_is_no_document_is_reported(document: bytes, problem: str) -> None:
    with pytest.raises(ProtocolError, match="sample: ") as raised:
        Sample.parse(document)
    assert raised.value.problem.startswith(problem)
    assert raised.value.path == ""


@pytest.mark.parametrize(
    "quoted", [b'"[[[[[[[[,,,,"', b'"\\"[[[[[[[["', b'"\\\\","\\\\\\"[[[[[["', '"ä[[[[[[[["'.encode()]
)
def test_what_is_inside_text_is_neither_depth_nor_entry(quoted: bytes) -> None:
    large = Bounds(size=100_000, depth=2, entries=10)
    padded = b"[" + quoted + b"," + b'"' + b"," * 5000 + b'"]'
    assert load(padded, "x", large) == json.loads(padded)


def test_depth_behind_an_escaped_quote_is_seen() -> None:
    with pytest.raises(ProtocolError, match="nested deeper"):
        load(b'["\\\\",' + b"[" * 50 + b"]" * 51, "x", Bounds(size=1000, depth=10, entries=1000))


def test_a_document_of_few_bytes_and_many_entries_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(ProtocolError, match="more than 10000 entries"):
        load(b"[" + b"[]," * 300_000 + b"[]]", "event", limits.EVENT)
    with pytest.raises(ProtocolError, match="more than 10000 entries"):
        load(b'{"":"",' * 100_000, "event", limits.EVENT)
