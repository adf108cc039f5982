"""The archive: keeps results and evidence. `model` is shared, `client` is for the operator and the command, `server` serves."""
