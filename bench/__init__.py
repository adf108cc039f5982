"""The figures that the design promises, measured side by side on one cluster: `python -m bench`, or `make bench`."""
