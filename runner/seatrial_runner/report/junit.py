"""JUnit XML, as GitHub's actions, GitLab and Jenkins read it.

It follows the schema of Jenkins' xUnit plugin (junit-10.xsd), and adds to each test what that schema doesn't know but
many readers do: ``file`` and ``line`` (GitHub's annotations, GitLab's links) and ``properties`` (Jenkins' JUnit
plugin).
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import datetime, timezone
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

from seatrial_protocol.events import BAD_OUTCOMES
from seatrial_protocol.text import without_colours
from seatrial_runner.report.cases import Case, Failure

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal(text: str) -> str:
    """The text without colours, and with each character that XML can't hold written as ``#x1B``."""
    return _ILLEGAL.sub(lambda match: f"#x{ord(match.group()):02X}", without_colours(text))


def _text(text: str) -> str:
    return escape(legal(text), {"\r": "&#13;"})


def _attributes(**values: object) -> str:
    return "".join(f" {name}={quoteattr(legal(str(value)))}" for name, value in values.items() if value is not None)


class JUnit:
    """Writes the report case by case; memory doesn't grow with the number of tests.

    Args:
        path: where the report shall be. ``path + ".cases"`` is used on the way.
        strict: for readers that refuse what the schema doesn't know: tests have no ``file``, ``line`` and properties,
            and the catalogue ids, which are held until then, are properties of the suite.
    """

    def __init__(self, path: str, *, strict: bool = False) -> None:
        self._path = path
        self._strict = strict
        self._catalogue: dict[str, str] = {}
        self._cases: BinaryIO = open(path + ".cases", "w+b")  # noqa: SIM115 - closed by close()
        self._count = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
        self._seconds = 0.0

    def add(self, case: Case) -> None:
        """Append a test."""
        self._count["tests"] += 1
        if case.outcome == "failed":
            self._count["failures"] += 1
        elif case.outcome in BAD_OUTCOMES:
            self._count["errors"] += 1
        elif case.outcome in ("skipped", "xfailed"):
            self._count["skipped"] += 1
        self._seconds += case.seconds
        if self._strict and case.catalogue_id is not None:
            self._catalogue[f"catalogueId {case.id}"] = case.catalogue_id
        self._cases.write(_testcase(case, self._strict).encode("utf-8"))

    def close(self, name: str, started: float, properties: dict[str, str]) -> None:
        """Write the file.

        Args:
            name: of the run.
            started: unix seconds.
            properties: what else readers may want to know of the run.
        """
        counts = {**self._count, "time": f"{self._seconds:.3f}"}
        of_all = {
            what: count for what, count in counts.items() if what != "skipped"
        }  # the schema has it of suites alone
        stamp = datetime.fromtimestamp(started, timezone.utc).isoformat(timespec="milliseconds")
        with open(self._path, "wb") as report:
            report.write(
                '<?xml version="1.0" encoding="utf-8"?>\n'
                f"<testsuites{_attributes(name=name, **of_all)}>\n"
                f"<testsuite{_attributes(name='pytest', **counts, timestamp=stamp)}>\n"
                f"{_properties({**properties, **self._catalogue})}".encode()
            )
            self._cases.seek(0)
            shutil.copyfileobj(self._cases, report, 1024 * 1024)
            report.write(b"</testsuite>\n</testsuites>\n")
        self._cases.close()
        os.unlink(self._cases.name)


def _properties(values: dict[str, str]) -> str:
    lines = "".join(f"<property{_attributes(name=name, value=value)}/>" for name, value in values.items())
    return f"<properties>{lines}</properties>\n" if lines else ""


def _testcase(case: Case, strict: bool) -> str:
    parents, name = case.names
    if case.is_file:
        parents, name = [], case.id
    elif parents:
        parents[0] = re.sub(r"\.py$", "", parents[0]).replace("/", ".")
    head = _attributes(classname=".".join(parents), name=name, time=f"{case.seconds:.3f}")
    body = _result(case)
    if not strict:
        head += _attributes(file=case.file, line=case.line)
        properties = {} if case.catalogue_id is None else {"catalogueId": case.catalogue_id}
        if case.reruns:
            properties["reruns"] = str(case.reruns)
        body = _properties(properties) + body
    return f"<testcase{head}>{body}</testcase>\n" if body else f"<testcase{head}/>\n"


def _result(case: Case) -> str:
    if case.outcome in BAD_OUTCOMES:
        tag = "failure" if case.outcome == "failed" else "error"
        kind = f"pytest.{case.outcome}"
        final = case.final
        parts = [f"<{tag}{_attributes(type=kind, message=case.message)}>", _text(_details(final)), f"</{tag}>"]
        parts += _reruns("rerunFailure", case)
        if final:
            last = final[-1]  # pytest gives each phase also what the ones before it printed
            log = f"--- log ---\n{last.log}" if last.log else ""
            parts += _output("system-out", "\n".join(filter(None, (last.stdout, log))))
            parts += _output("system-err", last.stderr)
        return "".join(parts)
    if case.outcome in ("skipped", "xfailed"):
        return f"<skipped{_attributes(type=f'pytest.{case.outcome}', message=case.message)}/>"
    return "".join(_reruns("flakyFailure", case))


def _reruns(element: str, case: Case) -> list[str]:
    """The failures after which the test was run again, as Maven Surefire writes them."""
    return [
        f"<{element}{_attributes(type='pytest.failed', message=failure.message)}>"
        f"<stackTrace>{_text(failure.text)}</stackTrace></{element}>"
        for failure in case.failures
        if failure.rerun
    ]


def _details(failures: list[Failure]) -> str:
    if len(failures) == 1:
        return failures[0].text or failures[0].message
    return "\n\n".join(f"--- {failure.title} ---\n{failure.text or failure.message}" for failure in failures)


def _output(element: str, text: str) -> list[str]:
    return [f"<{element}>{_text(text)}</{element}>"] if text else []
