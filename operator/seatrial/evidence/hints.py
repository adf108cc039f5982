"""Chooses among findings what people are shown, the one that explains most first. Pure.

By codes and data alone: the sentences are made last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from seatrial.api.labels import Role, role_rank
from seatrial.evidence.codes import LISTENS, OF_ONE_COMPONENT, REFUSALS, Code, Severity
from seatrial.evidence.findings import Context, Finding
from seatrial.evidence.objects import STATES
from seatrial.evidence.sentences import sentence_of
from seatrial_protocol.hints import Hint

MOST = 10
"""Hints that are kept of a run."""
_LATEST = datetime.max.replace(tzinfo=UTC)


def hints_of(found: Iterable[Finding], context: Context) -> list[Hint]:
    """What is shown of these findings; the first is the probable cause."""
    return [_hint(finding, context, cause=place == 0) for place, finding in enumerate(ranked(found, context))]


def ranked(found: Iterable[Finding], context: Context) -> list[Finding]:
    """The findings that say something of their own, the one that explains most first.

    First what a service was killed for, then what is wrong in a component that ended, then in another; a symptom (a
    refused connection) comes after what may have led to it, and within all this what came first.
    """
    findings = list(found)
    best: dict[tuple[tuple[Code, str], str], Finding] = {}
    for finding in sorted(_with_meaning(findings), key=lambda finding: _place(finding, context)):
        owner = finding.component if finding.code in OF_ONE_COMPONENT else ""
        best.setdefault((finding.subject, owner), finding)
    kept = list(best.values())
    if any(finding.code in REFUSALS and finding.code is not Code.REFUSED_SOMEWHERE for finding in kept):
        kept = [finding for finding in kept if finding.code is not Code.REFUSED_SOMEWHERE]  # another names who
    return kept[:MOST]


def _place(finding: Finding, context: Context) -> tuple[Any, ...]:
    role = context.roles.get(finding.component, Role.TESTS)
    severity = finding.severity
    if severity is Severity.CAUSE and role == Role.TESTS:
        severity = Severity.FAULT  # what happens to the tests may follow from what happened to others
    of_a_client = role == Role.SERVICE and severity is not Severity.CAUSE  # a database logs its clients' errors
    return (
        severity,
        finding.component not in context.broken,
        of_a_client,
        role == Role.TESTS,
        finding.at or _LATEST,
        role_rank(role),
        finding.subject,
    )


def _with_meaning(found: Sequence[Finding]) -> list[Finding]:
    """Without what others say better."""
    with_log = {finding.component for finding in found if finding.file.startswith("logs/")}
    killed = {f.component for f in found if f.severity is Severity.CAUSE and f.file == STATES}
    refused = {f.data.get("name") for f in found if f.code in (Code.REFUSED, Code.REFUSED_ENDED)}

    def has_meaning(finding: Finding) -> bool:
        if finding.file == STATES and finding.severity is not Severity.CAUSE:
            return finding.component not in with_log  # its log says more than its state
        if finding.code in (Code.LAST_LINE, Code.MEMORY_USED_UP):
            return finding.component not in killed
        return finding.code not in LISTENS or finding.component in refused

    return [finding for finding in found if has_meaning(finding)]


def _hint(finding: Finding, context: Context, *, cause: bool) -> Hint:
    title, advice = sentence_of(finding, context.name)
    return Hint(
        component=finding.component,
        file=finding.file,
        line=finding.line,
        title=title,
        advice=advice,
        code=finding.code,
        data=dict(finding.data),
        at=finding.at,
        cause=cause,
    )
