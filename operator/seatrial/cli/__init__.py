"""The `seatrial` command: starts runs, follows them, fetches what they left.

`main` declares the commands and imports nothing heavy; each command's own module is imported when it is called.
"""
