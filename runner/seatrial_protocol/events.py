"""``events.jsonl`` (the plugin) and ``gates.jsonl`` (the launcher): what happens in a shard, one JSON object a line.

Each has ``t``, its time in seconds since 1970, and ``event``, its kind. The collector passes them on live, shortened;
two kinds are made on that way: ``dropped`` by the collector, ``progress`` by the archive.
"""

from __future__ import annotations

from typing import Any, ClassVar, Optional, Union

from seatrial_protocol import limits
from seatrial_protocol.decode import (
    Contract,
    ProtocolError,
    contract,
    flag,
    integer,
    integers,
    items,
    kind_of,
    load,
    moment,
    number,
    one_of,
    string,
    strings,
)
from seatrial_protocol.exit_record import Unready

COUNT_OF = {
    "passed": "passed",
    "failed": "failed",
    "error": "errors",
    "skipped": "skipped",
    "xfailed": "xfailed",
    "xpassed": "xpassed",
}
"""The count that a test with this outcome raises."""
TEST_OUTCOMES = tuple(COUNT_OF)
"""Of one test that ended, in pytest's words."""
BAD_OUTCOMES = ("failed", "error", "collection-error", "unfinished")
"""Of tests and files in reports: something went wrong."""
_STATUS = 2**31


@contract("event")
class Event(Contract):
    """One line."""

    KIND: ClassVar[str] = ""
    t: float = moment()

    def to_json(self) -> dict[str, Any]:
        """The JSON object that ``parse_event()`` reads."""
        written = super().to_json()
        return {"t": written.pop("t"), "event": self.KIND, **written}


@contract("session event")
class Session(Event):
    """pytest begins."""

    KIND: ClassVar[str] = "session"
    pytest: str = string(limits.LABEL, default="")
    """Its version."""
    python: str = string(limits.LABEL, default="")
    platform: str = string(limits.LABEL, default="")


@contract("collection error")
class CollectionError(Contract):
    """A file that could not be collected."""

    id: str = string(limits.ID)
    message: str = string(limits.MESSAGE, default="")
    text: str = string(limits.TEXT, default="", omit=True)


@contract("skipped file")
class SkippedFile(Contract):
    """A file that skips itself as a whole."""

    id: str = string(limits.ID)
    message: str = string(limits.MESSAGE, default="")


@contract("collected event")
class Collected(Event):
    """The tests are known. May come again when more is known."""

    KIND: ClassVar[str] = "collected"
    count: int = integer()
    deselected: int = integer(default=0)
    errors: tuple[CollectionError, ...] = items(CollectionError, limits.COLLECTION_ERRORS, default=())
    """The first ones."""
    error_count: int = integer(default=0)
    skips: tuple[SkippedFile, ...] = items(SkippedFile, limits.COLLECTION_ERRORS, default=(), omit=True)
    """The first ones."""
    skip_count: int = integer(default=0, omit=True)


@contract("start event")
class Start(Event):
    """A test begins."""

    KIND: ClassVar[str] = "start"
    id: str = string(limits.ID)


@contract("phase event")
class Phase(Event):
    """Set-up, call or teardown of a test ended."""

    KIND: ClassVar[str] = "phase"
    id: str = string(limits.ID)
    when: str = string(limits.CODE)
    outcome: str = one_of(("passed", "failed", "skipped"))
    seconds: float = number(low=-limits.SECONDS, default=0.0)
    """Negative if the clock was turned back."""
    message: str = string(limits.MESSAGE, default="", omit=True)
    text: str = string(limits.TEXT, default="", omit=True)
    """The traceback."""
    stdout: str = string(limits.TEXT, default="", omit=True)
    stderr: str = string(limits.TEXT, default="", omit=True)
    log: str = string(limits.TEXT, default="", omit=True)
    wasxfail: Optional[str] = string(limits.TEXT, default=None, omit=True)
    """Why the test was expected to fail."""
    subtest: str = string(limits.MESSAGE, default="", omit=True)
    timed_out: bool = flag(default=False, omit=True)
    rerun: bool = flag(default=False, omit=True)
    """It failed, and the test is run again."""


@contract("end event")
class End(Event):
    """A test ended."""

    KIND: ClassVar[str] = "end"
    id: str = string(limits.ID)
    outcome: str = one_of(TEST_OUTCOMES)
    seconds: float = number(low=-limits.SECONDS, default=0.0)
    catalogue_id: Optional[str] = string(limits.LABEL, default=None)
    file: Optional[str] = string(limits.PATH, default=None)
    line: Optional[int] = integer(low=-_STATUS, high=_STATUS, default=None)
    markers: tuple[str, ...] = strings(limits.MARKERS, limits.LABEL, default=())
    reruns: int = integer(default=0, omit=True)
    timed_out: bool = flag(default=False, omit=True)


@contract("interrupted event")
class Interrupted(Event):
    """Ctrl-C, ``pytest.exit()``, a plugin's stop."""

    KIND: ClassVar[str] = "interrupted"
    kind: str = string(limits.LABEL, default="")
    """The exception's name."""
    message: str = string(limits.MESSAGE, default="")


@contract("conftest-error event")
class ConftestError(Event):
    """A conftest.py can't be loaded, so there is no session."""

    KIND: ClassVar[str] = "conftest-error"
    path: str = string(limits.PATH, default="")
    message: str = string(limits.MESSAGE, default="")


@contract("internal-error event")
class InternalError(Event):
    """pytest itself failed."""

    KIND: ClassVar[str] = "internal-error"
    message: str = string(limits.MESSAGE, default="")
    text: str = string(limits.TEXT, default="", omit=True)


@contract("coverage event")
class Coverage(Event):
    """What was measured."""

    KIND: ClassVar[str] = "coverage"
    lines: int = integer(high=limits.BYTES)
    """Of code, that could have run."""
    covered: int = integer(high=limits.BYTES)


@contract("plugin-error event")
class PluginError(Event):
    """Something could not be recorded or measured."""

    KIND: ClassVar[str] = "plugin-error"
    message: str = string(limits.MESSAGE, default="")


@contract("worker-lost event")
class WorkerLost(Event):
    """A worker of pytest-xdist did not start, or crashed."""

    KIND: ClassVar[str] = "worker-lost"
    worker: str = string(limits.LABEL, default="")
    message: str = string(limits.MESSAGE, default="")
    text: str = string(limits.TEXT, default="", omit=True)


@contract("no-tests event")
class NoTests(Event):
    """Nothing was collected: what was looked for, and names of files that are there."""

    KIND: ClassVar[str] = "no-tests"
    python_files: tuple[str, ...] = strings(limits.NAMES, limits.LABEL, default=())
    markers: str = string(limits.LABEL, default="")
    keywords: str = string(limits.LABEL, default="")
    addopts: str = string(limits.LABEL, default="")
    matching: tuple[str, ...] = strings(limits.NAMES, limits.PATH, default=())
    """Files whose names match ``python_files``."""
    others: tuple[str, ...] = strings(limits.NAMES, limits.PATH, default=())


@contract("demand")
class Demand(Contract):
    """What a project demands of a session beyond its tests, and this one did not give."""

    code: str = string(limits.CODE)
    """``max-warnings``, ``coverage``."""
    limit: float = number(high=limits.COUNT)
    was: float = number(high=limits.COUNT)


@contract("finish event")
class Finish(Event):
    """pytest finished its session. Nothing comes after it."""

    KIND: ClassVar[str] = "finish"
    exit_status: int = integer(low=-_STATUS, high=_STATUS)
    counts: Optional[dict[str, int]] = integers(limits.NAMES, limits.LABEL, default=None, omit=True)
    """Of pytest's last line, by its categories."""
    stopped: Optional[str] = string(limits.MESSAGE, default=None, omit=True)
    """Why tests were left out."""
    demands: tuple[Demand, ...] = items(Demand, limits.NAMES, default=(), omit=True)
    threads: tuple[str, ...] = strings(limits.NAMES, limits.LABEL, default=(), omit=True)
    """Names of those that keep the process from its end."""


@contract("waiting event")
class Waiting(Event):
    """A gate waits for a part."""

    KIND: ClassVar[str] = "waiting"
    name: str = string(limits.LABEL)


@contract("ready event")
class Ready(Event):
    """A part answered."""

    KIND: ClassVar[str] = "ready"
    name: str = string(limits.LABEL)
    seconds: Optional[float] = number(default=None, omit=True)
    """Since the launcher's start."""


@contract("open event")
class Open(Event):
    """All parts answered."""

    KIND: ClassVar[str] = "open"
    seconds: Optional[float] = number(default=None, omit=True)


@contract("timeout event")
class GateTimeout(Event):
    """Some parts did not answer in time."""

    KIND: ClassVar[str] = "timeout"
    not_ready: tuple[Unready, ...] = items(Unready, limits.PARTS, default=())


@contract("bundle event")
class Bundle(Event):
    """The bundle is unpacked."""

    KIND: ClassVar[str] = "bundle"
    seconds: Optional[float] = number(default=None, omit=True)
    """Since the launcher's start."""
    files: int = integer(default=0)
    size: int = integer(default=0)
    """Of all files, bytes."""
    lock_files: tuple[str, ...] = strings(limits.NAMES, limits.PATH, default=(), omit=True)
    """Paths of the bundle's lock files that differ from the image's."""


@contract("dropped event")
class Dropped(Event):
    """The collector could not pass on so many events."""

    KIND: ClassVar[str] = "dropped"
    count: int = integer()


@contract("progress event")
class Progress(Event):
    """How many tests of a shard ended so far, and how many there are."""

    KIND: ClassVar[str] = "progress"
    passed: int = integer(default=0)
    failed: int = integer(default=0)
    errors: int = integer(default=0)
    skipped: int = integer(default=0)
    xfailed: int = integer(default=0)
    xpassed: int = integer(default=0)
    total: int = integer(default=0)


@contract("event")
class Other(Event):
    """A kind that only a newer writer knows."""

    kind: str = string(limits.CODE, name="event")

    def to_json(self) -> dict[str, Any]:
        """Only its time and kind."""
        return {"t": self.t, "event": self.kind}


GATE_EVENTS = (Waiting, Ready, Open, GateTimeout, Bundle)
KINDS: dict[str, type[Event]] = {
    kind.KIND: kind
    for kind in (
        Session, Collected, Start, Phase, End, Interrupted, ConftestError, InternalError, Coverage, PluginError,
        WorkerLost, NoTests, Finish,
        *GATE_EVENTS, Dropped, Progress,
    )
}  # fmt: skip


def parse_event(data: Union[bytes, str, dict[str, Any]]) -> Event:
    """The event in one line, or in the object that was decoded from it.

    Raises:
        ProtocolError: it is none, or not as its kind should be.
    """
    value = load(data, "event", limits.EVENT) if isinstance(data, (bytes, str)) else data
    if not isinstance(value, dict):
        raise ProtocolError("event", "", f"expected an object, found {kind_of(value)}")
    kind = value.get("event")
    if kind is None:
        raise ProtocolError("event", "event", "missing")
    if not isinstance(kind, str):
        raise ProtocolError("event", "event", f"expected text, found {kind_of(kind)}")
    return KINDS.get(kind, Other).parse(value)
