"""Bundles: trees of files that runs are started with, addressed by their digest."""
