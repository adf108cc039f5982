"""For all tests: an assertion in a helper module tells as much as one in a test."""

import pytest

pytest.register_assert_rewrite("tests.api", "tests.cluster", "tests.e2e", "tests.pages", "tests.unit")
