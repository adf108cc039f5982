"""Bundles: a tree of files as one archive, addressed by its digest."""
