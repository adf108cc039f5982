"""`python -m seatrial.archive`: serves, set up by environment variables (`settings`); `verify` checks what it holds."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys

from seatrial.archive.model.errors import InvalidError, UnavailableError
from seatrial.archive.model.keys import check_uid
from seatrial.archive.server.history.database import database_url
from seatrial.archive.server.history.history import History
from seatrial.archive.server.serve import serve, storage_of
from seatrial.archive.server.sets.store import Store
from seatrial.archive.server.settings import Settings
from seatrial.archive.server.verify import State, all_runs, as_line, check
from seatrial.logs import log_as_json


def main() -> int:
    """Runs the archive until it is asked to end; 1 if it can't start, or if what is verified is damaged."""
    parser = argparse.ArgumentParser(prog="python -m seatrial.archive")
    commands = parser.add_subparsers(dest="command")
    verifying = commands.add_parser("verify", help="read every file again, also while the archive runs")
    verifying.add_argument("--run", metavar="UID", help="only of this run")
    given = parser.parse_args()
    log_as_json(sys.stdout, quiet=("uvicorn", "alembic"))
    try:
        settings = Settings.from_environment(os.environ)
        if given.command == "verify":
            return verify(settings, given.run)
        asyncio.run(serve(settings))
    except (ValueError, OSError, RuntimeError, InvalidError, UnavailableError) as error:
        logging.getLogger(__package__).critical("the archive can't run: %s", error)
        return 1
    return 0


def verify(settings: Settings, uid: str | None) -> int:
    """Prints what is not whole, then how many sets are; 1 if any is damaged."""
    store = Store(settings.folder, storage_of(settings), settings.max_file_bytes)
    history = History(database_url(settings.database, settings.folder))
    counts = dict.fromkeys(State, 0)
    for checked in check(store, history, [check_uid(uid)] if uid else all_runs(store, history)):
        counts[checked.state] += 1
        if checked.state is not State.WHOLE:
            sys.stdout.write(as_line(checked).decode())
    history.close()
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    return 1 if counts[State.DAMAGED] else 0


if __name__ == "__main__":
    sys.exit(main())
