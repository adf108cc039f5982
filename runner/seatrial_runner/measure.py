"""Which lines ran in pytest's processes, measured by the ``coverage`` package of the image that the tests run in.

Asked for by ``SEATRIAL_COVERAGE``, the folder for ``data`` (coverage's own), ``coverage.xml`` (Cobertura) and
``html/``: the reports are made here, because only here the sources are. The suite's own settings of coverage count.
What goes wrong becomes a note, and never changes how the user's session ends. A suite that has pytest-cov at work is
left to it.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Optional

import pytest

if TYPE_CHECKING:
    from coverage import Coverage

FOLDER = "SEATRIAL_COVERAGE"
OWNER = "SEATRIAL_EVENTS_OWNER"
"""Environment variable: the process that is recorded. A pytest started by a test inherits it; it is not measured."""
NOTES = 5
_OURS = os.path.dirname(os.path.abspath(__file__))
_OUTPUT = "seatrialCoverage"
"""In what a worker of pytest-xdist sends at its end: its notes."""

MEASUREMENT: pytest.StashKey[Measurement] = pytest.StashKey()


class Measurement:
    """Measures this process and, in the one that the user started, reports on all. It is a plugin of pytest."""

    def __init__(self, folder: str) -> None:
        self.notes: list[str] = []
        self._folder = folder
        self._began_in = os.getcwd()
        self._coverage: Optional[Coverage] = None

    def begin(self) -> None:
        """Measure from now on."""
        with self._noting("be measured"):
            try:
                from coverage import Coverage
            except ModuleNotFoundError as error:
                if error.name != "coverage":
                    raise
                self.note("no coverage was measured: install the package coverage in the image of the tests")
                return
            os.makedirs(self._folder, exist_ok=True)
            measuring = Coverage(data_file=self._data, data_suffix=True)
            measuring.set_option("run:omit", [*_strings(measuring.get_option("run:omit")), f"{_OURS}/*"])
            measuring.start()
            self._coverage = measuring

    def note(self, text: str) -> None:
        """Keep what people should know; the first few."""
        if len(self.notes) < NOTES and text not in self.notes:
            self.notes.append(text)

    def end(self) -> None:
        """Measure no more, and write what was measured in this process."""
        measuring, self._coverage = self._coverage, None
        if measuring is not None:
            with self._noting("be written"):
                measuring.stop()
                measuring.save()

    def report(self) -> Optional[dict[str, int]]:
        """Combine what all processes wrote and make the reports. Gives the numbers ``lines`` and ``covered``."""
        if self._coverage is None:
            return None
        self.end()
        with self._noting("be reported"), _working_in(self._began_in):
            from xml.etree import ElementTree

            from coverage import Coverage

            whole = Coverage(data_file=self._data)
            whole.combine(strict=True)
            whole.save()
            path = os.path.join(self._folder, "coverage.xml")
            whole.xml_report(outfile=path, ignore_errors=True)
            whole.html_report(directory=os.path.join(self._folder, "html"), ignore_errors=True)
            for _, root in ElementTree.iterparse(path, ("start",)):  # noqa: S314 - just written here
                return {"lines": int(root.attrib["lines-valid"]), "covered": int(root.attrib["lines-covered"])}
        return None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker of pytest-xdist reports its end to the controller after this."""
        output: Optional[dict[str, Any]] = getattr(session.config, "workeroutput", None)
        if output is not None:
            self.end()
            output[_OUTPUT] = self.notes

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker of pytest-xdist has ended."""
        if error is not None:
            self.note(f"what ran in worker {node.gateway.id} is missing in the coverage: it crashed")
        for text in (getattr(node, "workeroutput", None) or {}).get(_OUTPUT, ()):
            self.note(text)

    @property
    def _data(self) -> str:
        return os.path.join(self._folder, "data")

    @contextlib.contextmanager
    def _noting(self, doing: str) -> Iterator[None]:
        """What coverage raises or warns of becomes a note."""
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                yield
            for warning in warned:
                text = str(warning.message)
                # one process among others may well have nothing to report
                if warning.category.__name__ == "CoverageWarning" and "(no-data-collected)" not in text:
                    self.note(f"coverage: {text}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the user's tests go on
            self.note(f"coverage could not {doing}: {type(error).__name__}: {error}")


@contextlib.contextmanager
def _working_in(folder: str) -> Iterator[None]:
    """Settings and sources are looked for from where pytest began; a test may have gone elsewhere."""
    try:
        now = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # it may not be there any more
        os.chdir(folder)
        yield
        return
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(now)
        os.close(now)


def _strings(option: object) -> list[str]:
    return [str(each) for each in option] if isinstance(option, (list, tuple)) else []


def begin(config: pytest.Config, options: Optional[object] = None) -> Optional[Measurement]:
    """Begin to measure if that is asked for and was not begun yet; gives what measures in this process."""
    if MEASUREMENT in config.stash:
        return config.stash[MEASUREMENT]
    folder = os.environ.get(FOLDER, "")
    worker = hasattr(config, "workerinput") or "PYTEST_XDIST_WORKER" in os.environ
    me = str(os.getpid())
    if not folder or not (worker or os.environ.get(OWNER, me) == me):
        return None
    options = options or config.option
    measurement = Measurement(folder)
    if getattr(options, "cov_source", None) and not getattr(options, "no_cov", False):
        measurement.note(
            "pytest-cov measures (--cov), so nothing else does: its reports are where its options put them"
        )
    else:
        measurement.begin()
    config.stash[MEASUREMENT] = measurement
    return measurement
