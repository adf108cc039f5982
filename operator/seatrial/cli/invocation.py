"""How the command is called, and command lines to print for the next step."""

from __future__ import annotations

import shlex
import sys
from pathlib import PurePath

from seatrial.cli.connect import Session, Target


def program() -> str:
    """`seatrial`, or `kubectl seatrial` where it runs as a plugin of kubectl."""
    return "kubectl seatrial" if PurePath(sys.argv[0]).name.startswith("kubectl-") else "seatrial"


def command_line(target: Target, session: Session, command: str, *words: str, namespace: str | None = None) -> str:
    """A command line that does this about the same cluster and namespace."""
    place = namespace or session.namespace
    options = ["--namespace", place] if place != session.cluster.default_namespace else []
    options += ["--context", target.context] if target.context else []
    options += ["--kubeconfig", target.kubeconfig] if target.kubeconfig else []
    return f"{program()} {shlex.join([command, *words, *options])}"
