"""Which logs are read, what they are called in the archive, and how much of each is kept. Pure.

Kubernetes offers two bounds: `tailLines`, the end of a log, and `limitBytes`, which cuts what follows it at its end. So
the lines are asked for generously and the last bytes of the answer are kept; only when the lines are so long that even
the answer was cut before its end, so few of them are asked for that they can't be cut (the runtime splits lines at
16 KiB).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.api import labels

KEPT_BYTES = 2 * 1024 * 1024
"""Of the log of one container."""
LINES = 20_000
"""Asked for at first."""
LONGEST_BYTES = 8 * 1024 * 1024
"""Of the answer to that."""
LONG_LINES = 100
"""Asked for when the lines are too long for that."""


@dataclass(frozen=True)
class Log:
    """The log of one container, of the process that runs or ended last, or of the one before it."""

    pod: str
    container: str
    component: str
    previous: bool
    path: str
    """Its name in the archive."""


def label(pod: Mapping[str, Any], name: str) -> str:
    """A label of a pod; empty if it has none of this name."""
    return str((pod["metadata"].get("labels") or {}).get(name) or "")


def in_order(pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Pods in the order in which they come up: services, migrations, apps, tests."""

    def place(pod: Mapping[str, Any]) -> tuple[int, str, str]:
        number = labels.role_rank(label(pod, labels.ROLE))
        return number, label(pod, labels.COMPONENT), str(pod["metadata"].get("creationTimestamp") or "")

    return sorted(pods, key=place)


def logs_of(pods: Iterable[Mapping[str, Any]]) -> tuple[Log, ...]:
    """The logs that there are of these Pod objects: of every container that was ever started."""
    found: list[Log] = []
    seen: set[str] = set()
    for pod in in_order(pods):
        name, component = pod["metadata"]["name"], label(pod, labels.COMPONENT)
        replica = [name.rsplit("-", 1)[-1]] if component in seen else []
        seen.add(component)
        status = pod.get("status") or {}
        for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            state = container.get("state") or {}
            own = [] if container["name"] == component else [container["name"]]
            words = [component or name, *replica, *own]
            if "running" in state or "terminated" in state:
                found.append(Log(name, container["name"], component, False, f"logs/{'.'.join(words)}.log"))
            if "terminated" in (container.get("lastState") or {}):
                path = f"logs/{'.'.join((*words, 'previous'))}.log"
                found.append(Log(name, container["name"], component, True, path))
    return tuple(found)


def kept(answer: bytes, lines_asked: int) -> bytes:
    """What is kept of an answer: its end, from the beginning of a line.

    A first line says so when the rest is missing.
    """
    cut = lines_asked < LINES  # the first answer was
    if len(answer) > KEPT_BYTES:
        cut = True
        answer = answer[-KEPT_BYTES:]
        answer = answer[answer.find(b"\n") + 1 :]
    if not cut and answer.count(b"\n") < lines_asked:
        return answer
    return (
        b"# truncated: the log is longer; this is its end, at most %d lines and %d bytes\n" % (LINES, KEPT_BYTES)
        + answer
    )
