"""The commands as Typer sees them, one module a group; what a command does is imported when it is called."""
