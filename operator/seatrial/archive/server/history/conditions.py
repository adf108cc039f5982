"""Conditions on runs that several questions share."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    and_,
    exists,
    false,
    not_,
    or_,
    true,
)

from seatrial.archive.model.questions import RunFilter
from seatrial.archive.server.history.schema import components, labels, runs

GONE = "Deleted"
"""Phase of a run that was deleted before it had a verdict."""


PASSED = ("passed", "xpassed")


NOT_DELETED = runs.c.deleted.is_(False)


ACTIVE = and_(runs.c.verdict.is_(None), runs.c.phase != GONE)


def matching(filter: RunFilter) -> list[ColumnElement[bool]]:
    """What a run must be for this filter."""
    wanted: list[ColumnElement[bool]] = [NOT_DELETED, in_namespaces(filter.namespaces, filter.namespace_uids)]
    wanted += [
        runs.c[name] == value
        for name in ("namespace", "name", "verdict", "reason")
        if (value := getattr(filter, name)) is not None
    ]
    wanted += [
        exists().where(labels.c.uid == runs.c.uid, labels.c.key == key, labels.c.value == value)
        for key, value in filter.labels
    ]
    if filter.since is not None:
        wanted.append(runs.c.created_at >= filter.since)
    if filter.until is not None:
        wanted.append(runs.c.created_at < filter.until)
    if filter.active is not None:
        wanted.append(ACTIVE if filter.active else not_(ACTIVE))
    if filter.text:
        text = filter.text
        wanted.append(or_(*(c.icontains(text, autoescape=True) for c in (runs.c.name, runs.c.message))))
    if filter.image:
        image = filter.image
        named = or_(*(c.contains(image, autoescape=True) for c in (components.c.image, components.c.image_id)))
        wanted.append(exists().where(components.c.uid == runs.c.uid, named))
    return wanted


def in_namespaces(namespaces: frozenset[str] | None, uids: frozenset[str] | None = None) -> ColumnElement[bool]:
    """Only runs of these namespaces (None: of all), and of these namespace uids: not of a predecessor."""
    if namespaces is None and uids is None:
        return true()
    if namespaces is not None and not namespaces:
        return false()
    named = true() if namespaces is None else runs.c.namespace.in_(sorted(namespaces))
    return named if uids is None else and_(named, runs.c.namespace_uid.in_(["", *sorted(uids)]))
