"""Command line of the bench: measures in rounds, prints one table, writes bench/results.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench import report, simulate
from bench.counters import counting
from bench.measure import HERE, Bench, Failure
from seatrial.cluster import Cluster, ClusterError

RESULTS = HERE / "results.json"


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


async def measure(repeat: int) -> tuple[list[report.Repetition], float]:
    """All rounds, and the operator's memory after them."""
    async with await Cluster.connect(agent="seatrial-bench") as cluster, counting(cluster) as counters:
        bench = Bench(cluster, counters)
        if others := await bench.others():
            say(f"warning: other runs are under way and will disturb: {', '.join(others)}")
        await bench.prepare()
        rounds = []
        try:
            for number in range(1, repeat + 1):
                load = os.getloadavg()[0]
                floor = await bench.floor()
                quickstart = await bench.quickstart()
                script = await bench.script()
                job = await bench.job()
                rounds.append(report.Repetition(floor, script, job, quickstart, load))
                say(
                    f"{number}/{repeat}: first test {floor.first_test:.2f} s by hand, {quickstart.first_test:.2f} s as a run; "
                    f"verdict after {quickstart.verdict:.2f} s, gone after {quickstart.reclaim:.2f} s; whole job "
                    f"{script:.2f} s by hand, {job.whole:.2f} s as a run (load {load:.1f})"
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
        "load": [round(r.load, 1) for r in rounds],
    }
    path.write_text(json.dumps(report.results(found, rounds, about), indent=1) + "\n")
    say(f"written: {path}")
    return int(any(figure.ok is False for figure in found))


def main() -> int:
    """The entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="rounds (default 7)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the file for the figures")
    parser.add_argument(
        "--simulate", type=int, metavar="N",
        help="no cluster: the operator's memory with N runs at once, against an API in this process",
    )  # fmt: skip
    options = parser.parse_args()
    try:
        if options.simulate:
            return asyncio.run(simulate.main(options.simulate))
        return write(*asyncio.run(measure(options.repeat)), options.output)
    except (Failure, ClusterError, TimeoutError) as error:
        say(f"bench: {error}")
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
