"""What a bundle costs: the quickstart's run with 5 MB in 500 files over all its images and without, in pairs.

python -m bench.code [--rounds 7] [--files 500] [--bytes 5000000]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
from pathlib import Path
from statistics import median

import yaml

from bench.calm import wait_until_calm
from bench.counters import counting
from bench.measure import NAMESPACE_OF_RUNS, QUICKSTART, Bench, Failure, Run, command
from seatrial.kube.client import Cluster

SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
MOUNT_PATH = "/app"
"""Where the quickstart's images have their code."""
FILES_A_FOLDER = 25
PAIR = tuple[Run, Run]
"""Without and with the bundle."""


def write_tree(folder: Path, files: int, size: int) -> None:
    """Files of random lower-case text, about as compressible as code, together so many bytes."""
    letters = random.Random(1)
    for number in range(files):
        file = folder / f"package_{number // FILES_A_FOLDER}" / f"module_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        words = " ".join(
            "".join(letters.choices("etaoinshrdlu", k=letters.randint(2, 9))) for _ in range(size // files // 6)
        )
        file.write_text(words.ljust(size // files)[: size // files])


def write_manifest(target: Path, name: str, digest: str) -> Path:
    """The quickstart under this name, with the bundle if there is a digest."""
    run = yaml.safe_load(QUICKSTART.read_text())
    run["metadata"]["name"] = name
    if digest:
        run["spec"]["code"] = {"digest": digest, "mountPath": MOUNT_PATH}
    target.write_text(yaml.safe_dump(run))
    return target


async def measure(rounds: int, files: int, size: int, patience: float) -> list[PAIR]:
    """All pairs, one after the other."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        write_tree(tree, files, size)
        async with await Cluster.connect(agent="seatrial-bench") as cluster, counting(cluster) as counters:
            bench = Bench(cluster, counters)
            await bench.prepare()
            try:
                said = await command(SEATRIAL, "--namespace", NAMESPACE_OF_RUNS, "bundle", str(tree), "--upload")
                digest = re.findall(r"sha256:[0-9a-f]{64}", said)[-1]
                plain = write_manifest(Path(folder) / "plain.yaml", "plain", "")
                code = write_manifest(Path(folder) / "code.yaml", "code", digest)
                for number in range(1, rounds + 1):
                    await wait_until_calm(patience, bench.disturbed)
                    without = await bench.run(plain, "plain")
                    await wait_until_calm(patience, bench.disturbed)
                    pairs.append((without, await bench.run(code, "code")))
                    print(f"{number}/{rounds}: first test {pairs[-1][0].first_test:.2f} s, with the bundle "
                          f"{pairs[-1][1].first_test:.2f} s", file=sys.stderr)  # fmt: skip
            finally:
                await bench.clean()
    return pairs


def main() -> int:
    """The entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.code", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--bytes", type=int, default=5_000_000)
    parser.add_argument("--patience", type=float, default=30, help="seconds that each run waits for a machine at rest")
    options = parser.parse_args()
    try:
        pairs = asyncio.run(measure(options.rounds, options.files, options.bytes, options.patience))
    except Failure as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    without, with_code = (median(run.first_test for run in runs) for runs in zip(*pairs, strict=True))
    more = median(code.first_test - plain.first_test for plain, code in pairs)
    print(f"apply to first test: {without:.2f} s; with {options.bytes / 1e6:.0f} MB in {options.files} files "
          f"{with_code:.2f} s; {more:+.2f} s in a pair (medians of {len(pairs)})")  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
