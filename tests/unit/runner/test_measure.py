"""Coverage as the plugin measures it, in real pytest processes."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.unit.runner.recorded import Recorded
from tests.unit.runner.support import Event

pytest_plugins = ["pytester"]

APP = """
def sign(number):
    if number > 0:
        return "+"
    if number < 0:
        return "-"
    return "0"
"""
TESTS = """
    import app

    def test_plus(): assert app.sign(1) == "+"
    def test_minus(): assert app.sign(-1) == "-"
"""
CONFTEST = "import app\n"


class Measured(Recorded):
    """A small suite and what its coverage says."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(pytester, monkeypatch)
        self.folder = pytester.path / "results" / "coverage"
        for name in ("COVERAGE_RCFILE", "PYTEST_XDIST_WORKER"):
            monkeypatch.delenv(name, raising=False)
        self.env(SEATRIAL_COVERAGE=str(self.folder))
        pytester.makepyfile(app=APP, conftest=CONFTEST)

    def hits(self, name: str = "app.py") -> dict[int, int]:
        root = ElementTree.parse(self.folder / "coverage.xml").getroot()
        return {
            int(line.attrib["number"]): int(line.attrib["hits"])
            for each in root.iter("class")
            if each.attrib["filename"] == name
            for line in each.iter("line")
        }

    @property
    def measured(self) -> set[str]:
        root = ElementTree.parse(self.folder / "coverage.xml").getroot()
        return {each.attrib["filename"] for each in root.iter("class")}

    @property
    def notes(self) -> list[str]:
        return [event["message"] for event in self.of("plugin-error")]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Measured:
    return Measured(pytester, monkeypatch)


def whole(suite: Measured) -> Event:
    """What is reported if all went well; the session's end comes after it."""
    assert suite.notes == []
    assert [event["event"] for event in suite.events[-2:]] == ["coverage", "finish"]
    assert (suite.folder / "html" / "index.html").stat().st_size > 0
    assert (suite.folder / "data").read_bytes().startswith(b"SQLite format 3")
    assert sorted(path.name for path in suite.folder.iterdir()) == ["coverage.xml", "data", "html"]
    return suite.one("coverage")


def all_but_zero(suite: Measured) -> None:
    assert {line for line, hits in suite.hits().items() if not hits} == {6}
    assert 1 in suite.hits()  # also what conftest.py imports


@pytest.mark.parametrize("args", [(), ("-p", "xdist.plugin", "-n", "2")], ids=["one-process", "xdist"])
def test_lines_of_all_processes_are_reported(suite: Measured, args: tuple[str, ...]) -> None:
    suite.run(TESTS, *args).assert_outcomes(passed=2)
    totals = whole(suite)
    all_but_zero(suite)
    assert suite.measured == {"app.py", "conftest.py", "test_it.py"}  # nothing of Seatrial's own
    assert totals["lines"] - totals["covered"] == 1


def test_failing_tests_are_measured_and_stay_failed(suite: Measured) -> None:
    assert suite.run(TESTS + "\n    def test_bad(): assert app.sign(0) == 1\n").ret == 1
    assert suite.one("finish")["exitStatus"] == 1
    whole(suite)
    assert all(suite.hits().values())


def test_the_suite_s_own_settings_count(suite: Measured) -> None:
    suite.pytester.makefile(".toml", pyproject="[tool.coverage.run]\nbranch = true\nomit = ['test_*', 'conftest.py']\n"
                            "[tool.coverage.report]\nfail_under = 100\n")  # fmt: skip
    assert suite.run(TESTS).ret == 0
    whole(suite)
    assert suite.measured == {"app.py"}
    assert 'branches-valid="4"' in (suite.folder / "coverage.xml").read_text()


def test_a_suite_that_goes_elsewhere(suite: Measured, tmp_path: Path) -> None:
    suite.pytester.makefile(".toml", pyproject="[tool.coverage.run]\nrelative_files = true\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    suite.run(TESTS + f"\n    def test_goes(): import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n")
    whole(suite)
    all_but_zero(suite)


def test_warnings_as_errors_change_nothing(suite: Measured) -> None:
    suite.pytester.makeini("[pytest]\nfilterwarnings = error\n")
    (suite.pytester.path / ".coveragerc").write_text("[run]\nsource_pkgs = app,absent\n")
    assert suite.run(TESTS).ret == 0
    assert suite.one("coverage")["lines"] == 6
    assert any("absent was never imported" in note for note in suite.notes)


BROKEN = {
    "settings": (".coveragerc", "[run\nbranch = yes\n", "coverage could not be measured: ConfigError: "),
    "absent": ("coverage.py", "raise ModuleNotFoundError(\"No module named 'coverage'\", name='coverage')\n",
               "no coverage was measured: install the package coverage in the image of the tests"),
    "shadowed": ("coverage.py", "", "coverage could not be measured: ImportError: cannot import name 'Coverage'"),
    "nothing": (".coveragerc", "[run]\nomit = *\n", "coverage could not be reported: No"),
}  # fmt: skip


@pytest.mark.parametrize("args", [(), ("-p", "xdist.plugin", "-n", "2")], ids=["one-process", "xdist"])
@pytest.mark.parametrize("case", BROKEN)
def test_what_goes_wrong_is_reported_and_changes_no_outcome(suite: Measured, case: str, args: tuple[str, ...]) -> None:
    name, content, expected = BROKEN[case]
    (suite.pytester.path / name).write_text(content)
    result = suite.run(TESTS, *args)
    result.assert_outcomes(passed=2)
    assert (result.ret, suite.one("finish")["exitStatus"]) == (0, 0)
    assert suite.of("coverage") == []
    (note,) = suite.notes
    assert note.startswith(expected)


def test_a_folder_that_can_not_be_written(suite: Measured) -> None:
    suite.folder.parent.write_text("a file")
    assert suite.run(TESTS).ret == 0
    (note,) = suite.notes
    assert "NotADirectoryError" in note or "FileExistsError" in note


def test_a_crashed_worker_is_reported(suite: Measured) -> None:
    suite.run(TESTS + "\n    def test_dies(): import os; os._exit(3)\n", "-p", "xdist.plugin", "-n", "1")
    assert suite.one("coverage")["lines"] > 0
    (note,) = suite.notes
    assert note == "what ran in worker gw0 is missing in the coverage: it crashed"


def test_pytest_cov_is_left_alone(suite: Measured) -> None:
    suite.pytester.makepyfile(
        standin="""
        def pytest_addoption(parser):
            parser.addoption("--cov", action="append", default=[], dest="cov_source")
        """
    )
    assert suite.run(TESTS, "-p", "standin", "--cov=app").ret == 0
    (note,) = suite.notes
    assert note.startswith("pytest-cov measures (--cov)")
    assert not suite.folder.exists()


def test_nothing_is_measured_unless_asked_for(suite: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEATRIAL_COVERAGE")
    suite.run(TESTS + "\n    def test_none():\n        import sys; assert 'coverage' not in sys.modules\n")
    assert suite.outcomes["test_none"] == "passed"
    assert suite.of("coverage") == suite.notes == []
