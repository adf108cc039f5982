"""What Seatrial puts next to the user's tests: a pytest plugin and the collector of its results. Standard library only."""

__version__ = "0.1.0"
