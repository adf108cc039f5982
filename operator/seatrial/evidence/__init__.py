"""What is kept of a run besides its results: the logs and states of its environment, and its record. Gathered before anything is deleted."""
