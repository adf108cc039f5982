"""The uids of the namespaces that runs are in: read once for a namespace, as long as a run of it is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class NamespaceUids:
    """Remembers uids of namespaces. While a run is there, its namespace is the one that it was made in."""

    def __init__(self, read: Callable[[str], Awaitable[str]]) -> None:
        """`read` gives the uid that a namespace has now; empty: it can't be known."""
        self._read = read
        self._of_runs: dict[str, tuple[str, str]] = {}
        """Name and uid of the namespace, by the run's uid."""

    async def of(self, run_uid: str, namespace: str) -> str:
        """The uid of the namespace of a run that is there; empty: it can't be known now."""
        known = self._of_runs.get(run_uid) or next((ns for ns in self._of_runs.values() if ns[0] == namespace), None)
        if known is None:
            known = (namespace, await self._read(namespace))
        if known[1]:
            self._of_runs[run_uid] = known
        return known[1]

    def last(self, run_uid: str) -> str:
        """The uid of the namespace of a run that is gone, which is forgotten; empty: it was never known."""
        return self._of_runs.pop(run_uid, ("", ""))[1]
