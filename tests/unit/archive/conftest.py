from tests.unit.archive.support import key_file, serve, server, settings, spawn

__all__ = ["key_file", "serve", "server", "settings", "spawn"]
