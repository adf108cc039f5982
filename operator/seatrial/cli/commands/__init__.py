"""The commands as Typer sees them, one module a group. What a command does is in `seatrial.cli`, imported when it is called."""
