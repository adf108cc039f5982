"""What crosses the border of a process or a pod, typed: one module a contract. Standard library only, Python 3.9.

What a pod wrote is hostile input. ``parse()`` of each contract reads it once, bounded in size, depth and time, and
raises ``ProtocolError``, which names the field and what is wrong with it. Unknown fields are ignored: a newer writer
may add some. ``to_json()`` gives what the contract's writers write.
"""

__version__ = "0.1.0"
