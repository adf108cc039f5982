"""Finds in states of pods and in Events what they show. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seatrial.api.times import parse_time
from seatrial.evidence.codes import Code
from seatrial.evidence.findings import Context, Finding, cut, ended_badly
from seatrial.facts.attempt import Pod, Termination
from seatrial.verdict.diagnosis import KILLED
from seatrial.verdict.excerpt import last_line

STATES = "pods.json"
EVENTS = "events.json"
_NOT_STARTED = ("StartError", "ContainerCannotRun")


def of_pods(pods: Iterable[Pod]) -> Iterator[Finding]:
    """What the states of containers show."""
    for pod in pods:
        if pod.reason == "Evicted" or pod.disruption:
            line = f"{pod.name}: {pod.reason or pod.disruption}" + (f": {pod.message.strip()}" if pod.message else "")
            yield Finding(Code.EVICTED, pod.component, STATES, cut(line))
        for container in pod.containers:
            for end in (container.previous, container.terminated):
                if end is not None and end.reason == "OOMKilled":
                    line = f"{container.name}: OOMKilled, exit status {end.exit_code}"
                    yield Finding(Code.OOM_KILLED, pod.component, STATES, line, end.finished_at)
                elif end is not None and ended_badly(pod, end):
                    line = f"{container.name}: {end.reason or 'ended'}, exit status {end.exit_code}"
                    line += f": {last}" if (last := last_line(end.message)) else ""
                    yield Finding(_how(end), pod.component, STATES, cut(line), end.finished_at)


def _how(end: Termination) -> Code:
    if end.reason in _NOT_STARTED:
        return Code.PROCESS_NOT_STARTED
    return Code.PROCESS_KILLED if end.exit_code == KILLED else Code.PROCESS_ENDED


def of_events(events: Iterable[Mapping[str, Any]], context: Context) -> Iterator[Finding]:
    """What Events show that no pod can: why a pod is missing."""
    for event in events:
        about = event.get("involvedObject") or {}
        name, kind = str(about.get("name") or ""), about.get("kind")
        component = name.rpartition("-")[0] if kind == "ReplicaSet" else name
        if event.get("reason") == "FailedCreate" and kind in ("Job", "ReplicaSet") and component in context.roles:
            line = cut(str(event.get("message") or ""))
            yield Finding(Code.POD_NOT_CREATED, component, EVENTS, line, parse_time(event.get("lastTimestamp")))
