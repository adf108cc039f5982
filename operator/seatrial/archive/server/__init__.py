"""The archive itself. Only its entry point imports it."""
