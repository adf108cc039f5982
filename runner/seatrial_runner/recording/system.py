"""The parts of Python that suites replace, as they were when the plugin was loaded: before any conftest.py.

They are attributes of a class. freezegun and pyfakefs look for references in the modules of the process and replace
those, too; so no module of ours has ``os`` functions or clocks as names of its own.
"""

from __future__ import annotations

import _thread
import faulthandler
import os
import signal
import threading
import time
from typing import Final


class System:
    """Never replaced. Clocks are read with ``clock_gettime``: freezegun leaves it alone, and time-machine, which
    changes it in C, changes only what ``CLOCK_REALTIME`` gives.
    """

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    write = staticmethod(os.write)
    fstat = staticmethod(os.fstat)
    dup = staticmethod(os.dup)
    getpid = staticmethod(os.getpid)
    getitimer = staticmethod(signal.getitimer)
    setitimer = staticmethod(signal.setitimer)
    getsignal = staticmethod(signal.getsignal)
    signal = staticmethod(signal.signal)
    dump_traceback = staticmethod(faulthandler.dump_traceback)
    get_ident = staticmethod(_thread.get_ident)
    threads = staticmethod(threading.enumerate)
    clock_gettime = staticmethod(time.clock_gettime)


MONOTONIC: Final = time.CLOCK_MONOTONIC
MAIN_THREAD: Final = threading.main_thread().ident
WALL_OFFSET: Final = System.clock_gettime(time.CLOCK_REALTIME) - System.clock_gettime(MONOTONIC)
"""Seconds from the monotonic clock to unix time, read once: a test can't turn it later."""


def elapsed() -> float:
    """Seconds of a clock that only goes forward."""
    return System.clock_gettime(MONOTONIC)


def now() -> float:
    """Unix seconds, whatever the suite does to its clocks."""
    return WALL_OFFSET + System.clock_gettime(MONOTONIC)
