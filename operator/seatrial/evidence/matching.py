"""Finds in the log of a container what it shows. Pure.

A log is searched for a few words of each rule, and only the lines around them are looked at closely, since logs are
long and rules are many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from seatrial.api.labels import Role
from seatrial.api.times import parse_time
from seatrial.evidence import connections
from seatrial.evidence.codes import Code
from seatrial.evidence.findings import Context, Finding, cut
from seatrial.evidence.rules import OF_LOGINS, Rule, rules_for
from seatrial.verdict.excerpt import last_line_index

_SEARCHED = 2000
"""Characters of a line that are looked at."""
_END = 80
"""Lines at the end of a log among which the last one that says why is looked for."""
_OCCURRENCES = 50
"""Of a word that are looked at in one log."""
_WAITS = "seatrial: waiting for "
"""The launcher names what does not answer yet: nothing is wrong with that."""
_SET_UP_DONE = "seatrial-postgres: set-up is done"
"""Our Postgres image says so when users can log in; until then only a gate tries to."""
_TRUNCATED = "# truncated"
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*Z ?")
_FRAME = re.compile(r'\s+File "[^"]+", line \d+')
"""In a traceback of Python: the next line is source."""
_STATEMENT = re.compile(r"\s+(?:raise|throw|return|assert)\b")
_OWN_TEXT = re.compile(r"\s|>|E\s+(?:AssertionError\b|assert\b|[-+?] )|(?:FAILED|ERROR) \S+ - AssertionError\b")
"""Lines of pytest that show a test's source, or texts that it compares."""

_FIELDS = (
    (re.compile(r"PG[A-Z]+|POSTGRES_URL|DATABASE_URL"), "services.postgres"),
    (re.compile(r"S3_BUCKET"), "services.minio.buckets"),
    (re.compile(r"S3_\w+|AWS_\w+"), "services.minio"),
    (re.compile(r"TEMPORAL_\w+"), "services.temporal"),
    (re.compile(r"REDIS_URL"), "services.redis"),
)
"""The variables that a part of the manifest sets."""


@dataclass(frozen=True)
class _Log:
    component: str
    path: str
    text: str
    lower: str
    """The same in lower case, character by character."""
    tests: bool
    """Of pytest."""

    def finding(self, code: Code, line: str, **data: str) -> Finding:
        at, content = _split(line)
        return Finding(code, self.component, self.path, cut(content), at, data)

    def lines(self, signs: Iterable[str], start: int = 0) -> Iterator[str]:
        """The lines that hold one of the signs, in their order, but for those that quote source or our own parts."""
        places = set()
        for sign in signs:
            place = self.lower.find(sign, start)
            for _ in range(_OCCURRENCES):
                if place < 0:
                    break
                end = self.text.find("\n", place)
                end = len(self.text) if end < 0 else end
                places.add((self.text.rfind("\n", 0, place) + 1, end))
                place = self.lower.find(sign, end)
        for begin, end in sorted(places):
            line = self.text[begin:end]
            before = self.text[self.text.rfind("\n", 0, max(0, begin - 1)) + 1 : max(0, begin - 1)]
            if _WAITS not in line and not self._is_source(_split(line)[1], _split(before)[1]):
                yield line

    def _is_source(self, line: str, before: str) -> bool:
        if _STATEMENT.match(line) or _FRAME.match(before):
            return True
        return self.tests and _OWN_TEXT.match(line) is not None


def of_log(component: str, path: str, content: bytes, context: Context) -> list[Finding]:
    """What the log of a container shows: of each failure and each thing that it is about the first line."""
    text = content.decode("utf-8", "replace")
    lower = text.lower()
    if len(lower) != len(text):  # a few letters have no lower case of the same length; places must agree
        lower = text = lower
    role = context.roles.get(component, "")
    log = _Log(component, path, text, lower, role == Role.TESTS)
    logins = _first_login(text) if component in context.postgres else 0
    found: dict[tuple[Code, str], Finding] = {}
    for rule in rules_for(role):
        start = logins if rule.code in OF_LOGINS else 0
        found |= _of_rule(rule, log, start, context)
    for line in log.lines(connections.REFUSED_SIGNS):
        content_of = _split(line)[1][:_SEARCHED]
        if connections.REFUSED.search(content_of):
            code, data = connections.refusal(content_of, context)
            refused = log.finding(code, line, **data)
            found.setdefault(refused.subject, refused)
    if listens := _listens(log, context):
        found[listens.subject] = listens
    if not found and component in context.broken and (last := _last(text)):
        return [log.finding(Code.LAST_LINE, last)]
    return list(found.values())


def _of_rule(rule: Rule, log: _Log, start: int, context: Context) -> dict[tuple[Code, str], Finding]:
    found: dict[tuple[Code, str], Finding] = {}
    indented: set[tuple[Code, str]] = set()
    for line in log.lines(rule.signs, start):
        content = _split(line)[1][:_SEARCHED]
        matches = list(rule.pattern.finditer(content))
        if not matches:
            continue
        what = next((value for match in matches for value in match.groupdict().values() if value), "")
        code, data = _about(rule.code, what, context)
        finding = log.finding(code, line, **data)
        if finding.subject not in found or (finding.subject in indented and not content[:1].isspace()):
            found[finding.subject] = finding  # a line that stands for itself is better than one of many
            indented.discard(finding.subject)
            if content[:1].isspace():
                indented.add(finding.subject)
    if len(found) > 1:
        found.pop((rule.code, ""), None)  # another line names what it is about
    return found


def _about(code: Code, what: str, context: Context) -> tuple[Code, dict[str, str]]:
    """The code and data of a line, by what it names."""
    if code is Code.VARIABLE_MISSING:
        field = next((field for names, field in _FIELDS if names.fullmatch(what)), "")
        if field:
            return Code.VARIABLE_OF_SERVICE_MISSING, {"what": what, "field": field}
    if code is Code.FRONTEND_REFUSED and (local := connections.localhost_port(what)):
        return connections.refusal_of_localhost(local, context)
    return code, {"what": what} if what else {}


def _first_login(text: str) -> int:
    """Where in the log of a Postgres the lines begin that logins of components can have caused."""
    if text.startswith(_TRUNCATED):  # its beginning is gone
        return 0
    place = text.find(_SET_UP_DONE)
    return place if place >= 0 else len(text)


def _listens(log: _Log, context: Context) -> Finding | None:
    """That a program listens, by its own words, where nobody looks for it."""
    expected = {port for port, name in context.ports.items() if name == log.component}
    found: Finding | None = None
    for line in log.lines(connections.LISTENING_SIGNS) if expected else ():
        if place := connections.listening(_split(line)[1][:_SEARCHED]):
            host, port = place
            if port in expected and not connections.is_loopback(host):
                return None
            if port in expected:
                found = log.finding(Code.LISTENS_ON_LOOPBACK, line, host=host)
            else:
                data = {"port": str(port), "expected": str(min(expected))}
                found = log.finding(Code.LISTENS_ON_OTHER_PORT, line, **data)
    return found


def _last(text: str) -> str:
    """The line at the end that says why."""
    lines = [line for line in text.splitlines() if line[:1] != "#"][-_END:]
    place = last_line_index([_split(line)[1] for line in lines])
    return lines[place] if place >= 0 else ""


def _split(line: str) -> tuple[datetime | None, str]:
    """The time before a line, and the line."""
    stamp = _STAMP.match(line)
    if stamp is None:
        return None, line
    try:
        return parse_time(stamp[1] + "Z"), line[stamp.end() :]
    except ValueError:
        return None, line
