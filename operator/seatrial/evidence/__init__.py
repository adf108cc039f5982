"""What is kept of a run besides its results: logs, states and Events of its environment, hints, and its record."""
