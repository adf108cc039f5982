"""What runs next to the user's tests: a pytest plugin and the collector of results. Standard library only."""

__version__ = "0.1.0"
