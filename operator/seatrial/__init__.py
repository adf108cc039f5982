"""Seatrial: whole systems tested on Kubernetes, one fresh environment a run."""

__version__ = "0.1.0"
