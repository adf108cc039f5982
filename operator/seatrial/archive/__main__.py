"""`python -m seatrial.archive`: the archive, set up by environment variables (see `settings`)."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from .model import Unavailable
from .server import log_as_json, serve
from .settings import Settings


def main() -> int:
    """Runs the archive until it is told to end; 1 if it can't start."""
    log_as_json()
    try:
        asyncio.run(serve(Settings.from_environment(os.environ)))
    except (ValueError, OSError, RuntimeError, Unavailable) as error:
        logging.getLogger(__package__).critical("the archive can't run: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
