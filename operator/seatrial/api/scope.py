"""Which environment something belongs to: what is below a run takes a Scope, never the run for its name."""

from __future__ import annotations

from dataclasses import dataclass

from seatrial.api.names import environment_namespace


@dataclass(frozen=True)
class RunRef:
    """Which IntegrationRun: a successor with the same name has another `uid`."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Scope:
    """One attempt of a run and its environment. Names, labels, credentials and tokens derive from it."""

    run: RunRef
    attempt: int
    """Counted from 1."""

    @property
    def id(self) -> str:
        """Unique for each environment, and fit to be a label's value: `<uid of the run>.<attempt>`."""
        return f"{self.run.uid}.{self.attempt}"

    @property
    def namespace(self) -> str:
        """The environment's namespace."""
        return environment_namespace(self.run.name, self.run.uid, self.attempt)
