"""Command line of the bench: measures in rounds, prints one table, writes bench/results.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import report, simulate
from bench.calm import wait_until_calm
from bench.counters import counting
from bench.measure import HERE, Bench, Failure
from seatrial.kube.client import Cluster
from seatrial.kube.errors import ClusterError

RESULTS = HERE / "results.json"


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


async def one_round(bench: Bench, patience: float) -> report.Repetition:
    """Everything once; before each measurement so many seconds are given to the machine to come to rest."""
    busy = [await wait_until_calm(patience, bench.disturbed)]
    floor = await bench.floor()
    busy.append(await wait_until_calm(patience, bench.disturbed))
    quickstart = await bench.quickstart()
    busy.append(await wait_until_calm(patience, bench.disturbed))
    script = await bench.script()
    busy.append(await wait_until_calm(patience, bench.disturbed))
    job = await bench.job()
    return report.Repetition(floor, script, job, quickstart, max(busy))


async def measure(repeat: int, patience: float) -> tuple[list[report.Repetition], float]:
    """All rounds, and the operator's memory after them; a signal ends it as a failure does, with nothing left over."""
    task = asyncio.current_task()
    assert task is not None
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, task.cancel)
    async with await Cluster.connect(agent="seatrial-bench") as cluster, counting(cluster) as counters:
        bench = Bench(cluster, counters)
        await bench.prepare()
        rounds = []
        try:
            for number in range(1, repeat + 1):
                rounds.append(found := await one_round(bench, patience))
                say(
                    f"{number}/{repeat}: first test {found.floor.first_test:.2f} s by hand, "
                    f"{found.quickstart.first_test:.2f} s as a run; "
                    f"verdict after {found.quickstart.verdict:.2f} s, gone after {found.quickstart.clean_up:.2f} s; "
                    f"whole job {found.script:.2f} s by hand, {found.job.whole:.2f} s as a run "
                    f"({100 * found.busy:.0f} % busy before)"
                )
            return rounds, await counters.memory()
        finally:
            await bench.clean()


def write(rounds: list[report.Repetition], memory: float, path: Path) -> int:
    """Prints the table and writes the file; 1 if a bound is not kept."""
    found = report.figures(rounds, memory)
    print(report.table(found))
    print()
    print(report.timeline_table([r.floor.timeline for r in rounds], [r.quickstart.timeline for r in rounds]))
    for line in report.disagreements(rounds):
        say(f"warning: {line}")
    if not any(r.quickstart.counts for r in rounds):
        say("warning: other runs were there all the time, so requests could not be counted")
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
    }
    path.write_text(json.dumps(report.results(found, rounds, about), indent=1) + "\n")
    say(f"written: {path}")
    return int(any(figure.ok is False for figure in found))


def main() -> int:
    """The entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="rounds (default 7)")
    parser.add_argument(
        "--patience", type=float, default=30, metavar="SECONDS",
        help="how long each measurement waits for a machine at rest and for others' runs to end (default 30)",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, default=RESULTS, help="the file for the figures")
    parser.add_argument(
        "--simulate", type=int, metavar="N",
        help="no cluster: the operator's memory with N runs at once, against an API in this process",
    )  # fmt: skip
    options = parser.parse_args()
    try:
        if options.simulate:
            return asyncio.run(simulate.main(options.simulate))
        return write(*asyncio.run(measure(options.repeat, options.patience)), options.output)
    except (Failure, ClusterError, TimeoutError) as error:
        say(f"bench: {error}")
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("bench: interrupted; what it made is removed")
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
