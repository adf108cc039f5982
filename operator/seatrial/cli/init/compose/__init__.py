"""Reads Compose files (the Compose specification) with the place of each value. See docs/decisions."""
