"""The archive: a small server that keeps the results of runs after their environments are gone."""
