"""What a page is asked for, as its address has it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import ClassVar

from seatrial.archive.model.errors import InvalidError
from seatrial.archive.model.questions import RunFilter, TestFilter, TestOrder
from seatrial.archive.server.pages.addresses import date_parameter, query, time_parameter
from seatrial.archive.server.pages.words import OUTCOMES, VERDICTS

ORDERS: Mapping[TestOrder, str] = {"bad-first": "failed first", "duration": "slowest first", "id": "by id"}
_LABEL = re.compile(r"[^=\s]+=\S*")


@dataclass(frozen=True)
class RunQuestion:
    """The filters of the list of runs, as the address has them."""

    namespace: str = ""
    verdict: str = ""
    reason: str = ""
    text: str = ""
    labels: tuple[str, ...] = ()
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str], labels: Iterable[str]) -> RunQuestion:
        """The question in these parameters.

        Raises:
            InvalidError: a label is not `key=value`, or a verdict is none.
        """
        asked = cls(
            labels=tuple(text for label in labels if (text := label.strip())),
            **{
                name: parameters.get(name, "").strip()
                for name in ("namespace", "verdict", "reason", "text", "since", "until")
            },
        )
        for label in asked.labels:
            if not _LABEL.fullmatch(label):
                raise InvalidError(f"label={label[:60]!r} is not a label", "write key=value, for example branch=main")
        if asked.verdict not in ("", "running", *VERDICTS):
            raise InvalidError(
                f"verdict={asked.verdict[:60]!r} is not a verdict", f"use running or {', '.join(VERDICTS)}"
            )
        return asked

    def filter(self, namespaces: frozenset[str] | None, uids: frozenset[str] | None, now: datetime) -> RunFilter:
        """The history's filter for it.

        Raises:
            InvalidError: a time can't be understood.
        """
        pairs = tuple((key, value) for key, _, value in (label.partition("=") for label in self.labels))
        return RunFilter(
            namespaces=namespaces,
            namespace_uids=uids,
            namespace=self.namespace or None,
            verdict=self.verdict if self.verdict in VERDICTS else None,
            active=True if self.verdict == "running" else None,
            reason=self.reason or None,
            text=self.text or None,
            labels=pairs,
            since=time_parameter(self.since, now, "since"),
            until=date_parameter(self.until, "until"),
        )

    def address(self, **changes: object) -> str:
        """The address of the list with these filters, some of them changed."""
        mine = {
            "namespace": self.namespace,
            "verdict": self.verdict,
            "reason": self.reason,
            "text": self.text,
            "label": self.labels,
            "since": self.since,
            "until": self.until,
        }
        return query(**(mine | changes))

    @property
    def any(self) -> bool:
        """Whether anything is filtered."""
        return self != RunQuestion()


@dataclass(frozen=True)
class TestsQuestion:
    """The filters of the list of a run's tests, as the address has them."""

    __test__: ClassVar = False

    attempt: int | None = None
    shard: int | None = None
    outcome: str = ""
    text: str = ""
    order: TestOrder = "bad-first"

    @classmethod
    def of(cls, parameters: Mapping[str, str], attempt: int | None) -> TestsQuestion:
        """The question in these parameters.

        Raises:
            InvalidError: an order, an outcome or a shard is none.
        """
        given = parameters.get("order") or "bad-first"
        order = next((order for order in ORDERS if order == given), None)
        if order is None:
            raise InvalidError(f"order={given[:60]!r} is not an order", f"use {', '.join(ORDERS)}")
        outcome = parameters.get("outcome", "")
        if outcome not in ("", *OUTCOMES):
            raise InvalidError(f"outcome={outcome[:60]!r} is not an outcome", f"use one of {', '.join(OUTCOMES)}")
        return cls(attempt, number_parameter(parameters, "shard"), outcome, parameters.get("text", ""), order)

    def filter(self) -> TestFilter:
        """The history's filter for it."""
        return TestFilter(self.outcome or None, self.text or None, self.attempt, self.shard)

    def address(self, **changes: object) -> str:
        """The query of the list with these filters, some of them changed."""
        return query(**(asdict(self) | changes))

    @property
    def any(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.text or self.outcome or self.shard is not None)


@dataclass(frozen=True)
class LogsQuestion:
    """The filters of a run's logs, as the address has them."""

    attempt: int | None = None
    since: str = ""
    text: str = ""
    component: tuple[str, ...] = ()

    def address(self, **changes: object) -> str:
        """The query of the logs with these filters, some of them changed."""
        return query(**(asdict(self) | changes))


def number_parameter(parameters: Mapping[str, str], name: str) -> int | None:
    """The number in this parameter of an address; None without it.

    Raises:
        InvalidError: it is no number.
    """
    text = parameters.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidError(f"{name}={text[:60]!r} is not a number", "use 0 or more")
    return int(text)
