"""The archive: `model` is shared, `client` is for operator and command, `server` keeps results and evidence."""
