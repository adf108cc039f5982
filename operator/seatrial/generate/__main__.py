"""Writes all files that are made from the models, or with --check lists those that are out of date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from seatrial.api.names import GROUP, PLURAL
from seatrial.generate import crd, editor, reference

REPOSITORY = Path(__file__).resolve().parents[3]
FILES: dict[str, Callable[[], str]] = {
    f"crds/{GROUP}_{PLURAL}.yaml": crd.text,
    f"charts/seatrial/files/{GROUP}_{PLURAL}.yaml": crd.text,
    "docs/integrationrun.schema.json": editor.text,
    "docs/reference.md": reference.document,
}


def main() -> int:
    """Writes or checks the files."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file is out of date")
    check, stale = parser.parse_args().check, False
    for name, made in FILES.items():
        path, wanted = REPOSITORY / name, made()
        if path.exists() and path.read_text() == wanted:
            continue
        if not check:
            path.write_text(wanted)
            continue
        stale = True
        sys.stderr.write(f"{name} differs from the models: run `make generate`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
