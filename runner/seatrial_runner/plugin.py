"""The pytest plugin, loaded in the user's image with ``-p seatrial_runner.plugin``.

This file is written so that any Python can read it: an image that is too old gets a sentence, not a syntax error.
"""

import sys

import pytest

PYTHON = ".".join(str(number) for number in sys.version_info[:3])

if sys.version_info < (3, 9):
    raise pytest.UsageError("Seatrial needs Python 3.9 or newer in the image of the tests; this one has " + PYTHON)
if int(pytest.__version__.split(".")[0]) < 7:
    raise pytest.UsageError(
        "Seatrial needs pytest 7 or newer in the image of the tests; this one has " + pytest.__version__
    )

from seatrial_runner import workers  # noqa: E402
from seatrial_runner.recording.hooks import (  # noqa: E402
    pytest_configure,
    pytest_load_initial_conftests,
    pytest_unconfigure,
)

workers.prepare_this_process()

__all__ = ["pytest_configure", "pytest_load_initial_conftests", "pytest_unconfigure"]
