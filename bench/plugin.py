"""What the plugin costs: CPU time of a suite of small tests with it and without it, in pairs. Needs no cluster.

python -m bench.plugin [--rounds 7] [--tests 5000]
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from statistics import median

RUNNER = Path(__file__).resolve().parents[1] / "runner"
BOUND = 1.02
TESTS_PER_FILE = 100
TEST = "def test_small_{0}():\n    assert {0} + 1 == {1}\n\n\n"


@dataclass(frozen=True)
class Pair:
    """CPU seconds, of user and system, of the same suite."""

    plain: float
    plugin: float

    @property
    def ratio(self) -> float:
        return self.plugin / self.plain


def write_suite(folder: Path, tests: int) -> None:
    folder.mkdir()
    for first in range(0, tests, TESTS_PER_FILE):
        numbers = range(first, min(first + TESTS_PER_FILE, tests))
        (folder / f"test_{first}.py").write_text("".join(TEST.format(n, n + 1) for n in numbers))


def copy_plugin(folder: Path) -> None:
    """The plugin as the runner's image has it: compiled."""
    shutil.copytree(RUNNER, folder, ignore=shutil.ignore_patterns("__pycache__", "launch"))
    compileall.compile_dir(folder, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def cpu_seconds(folder: Path, *, plugin: bool) -> float:
    """Run the suite once."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    environment.pop("PYTHONPATH", None)
    if plugin:
        events = folder / "events.jsonl"
        events.unlink(missing_ok=True)
        environment |= {"PYTHONPATH": str(folder / "runner"), "SEATRIAL_EVENTS": str(events)}
        arguments += ["-p", "seatrial_runner.plugin"]
    output = os.open(folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    pid = os.posix_spawn(sys.executable, [*arguments, str(folder / "suite")], environment, file_actions=actions)
    os.close(output)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise SystemExit((folder / "output.log").read_text()[-2000:])
    return usage.ru_utime + usage.ru_stime


def measure(rounds: int, tests: int) -> list[Pair]:
    """Pairs, the first one of each in turns, so that what slows the machine for a while hits both alike."""
    pairs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_suite(folder / "suite", tests)
        copy_plugin(folder / "runner")
        cpu_seconds(folder, plugin=False)  # reads the files
        for number in range(rounds):
            order = (False, True) if number % 2 else (True, False)
            found = {plugin: cpu_seconds(folder, plugin=plugin) for plugin in order}
            pairs.append(pair := Pair(found[False], found[True]))
            sys.stderr.write(f"{number + 1}/{rounds}: {pair.plain:.2f} s, {pair.plugin:.2f} s: {pair.ratio:.3f}\n")
    return pairs


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tests", type=int, default=5000)
    options = parser.parse_args()
    pairs = measure(options.rounds, options.tests)
    ratio = median(pair.ratio for pair in pairs)
    print(
        f"plugin: {ratio:.3f} x plain pytest (bound {BOUND}), {options.tests} tests, {options.rounds} pairs, "
        f"{1e6 * median(pair.plugin - pair.plain for pair in pairs) / options.tests:.0f} us a test"
    )
    return 0 if ratio <= BOUND else 1


if __name__ == "__main__":
    raise SystemExit(main())
