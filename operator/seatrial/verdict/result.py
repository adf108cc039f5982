"""From a shard's result, or its absence, to a diagnosis."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from seatrial.api import labels
from seatrial.api.labels import Role
from seatrial.api.run import IntegrationRun
from seatrial.api.scalars import format_duration
from seatrial.api.status import Reason, Verdict
from seatrial.facts.attempt import AttemptFacts, ShardFacts, Termination
from seatrial.facts.result import Result
from seatrial.verdict import service_network
from seatrial.verdict.diagnosis import REFUSED_PODS, Diagnosis, errored, failed, how_it_ended, log_command
from seatrial.verdict.excerpt import last_line
from seatrial.verdict.launcher import CHECK_ARCHIVE, never_started
from seatrial.verdict.pods import disrupted, in_order, service_ended, why_missing, without_node
from seatrial_protocol.exit_record import Unready
from seatrial_protocol.summary import Counts, Outcome, Summary
from seatrial_protocol.termination import Code
from seatrial_protocol.text import shorten


def archive_unavailable(shard: ShardFacts) -> bool:
    """Whether the collector has ended because it did not reach the archive."""
    end = shard.collector.terminated if shard.collector else None
    return end is not None and end.code == Code.ARCHIVE_UNAVAILABLE


def _words_of(end: Termination) -> str:
    """What went wrong for the collector: what it left, or the last line of its log."""
    return end.message if end.code else last_line(end.message)


def without_result(run: IntegrationRun, facts: AttemptFacts, *, patient: bool = False) -> Diagnosis | None:
    """The tests' pod has ended, or is gone, and the archive has no result of it; None while one can still come.

    Args:
        run: the run.
        facts: the attempt's pods.
        patient: the archive can't be asked, but is given more time: the collector may well have delivered.
    """
    shard = facts.shard
    end = shard.collector.terminated if shard.collector else None
    if shard.pod is not None and end is None:
        return None
    if shard.tests is not None and shard.tests.running_since is not None:  # a sidecar that ends too early is restarted
        return None
    if patient and (end is None or end.exit_code == 0):
        return None
    tests_end = shard.tests.terminated if shard.tests else None
    if tests_end is not None and (found := never_started(run, "tests", tests_end.code, tests_end.message)):
        return found
    words = _words_of(end) if end else ""
    if end is not None and end.code == Code.ARCHIVE_QUOTA_EXCEEDED:
        return errored(Reason.ARCHIVE_QUOTA_EXCEEDED, f"the results could not be stored: {words}")
    if shard.archive_error or archive_unavailable(shard):
        return errored(
            Reason.ARCHIVE_UNAVAILABLE,
            f"the results could not be stored: {shard.archive_error or words}; {CHECK_ARCHIVE} and start the run again",
        )
    if shard.pod is None and shard.gates_open is None:
        return errored(Reason.ENVIRONMENT_LOST, "the tests' pod was deleted before the first test; start the run again")
    if end is None:
        return errored(Reason.RESULTS_MISSING, "the tests' pod is gone and left no result; start the run again")
    how = how_it_ended(end, quote=False) + (f": {words}" if words else "")
    return errored(Reason.RESULTS_MISSING, f"the collector left no result in the archive ({how}); start the run again")


def _among(parts: Iterable[Unready], names: Iterable[str]) -> list[Unready]:
    wanted = set(names)
    return [part for part in parts if part.name in wanted]


def _errors_of(parts: Iterable[Unready]) -> str:
    return "; ".join(f"{part.name} ({part.error})" for part in parts)


def _counted(tests: Counts) -> str:
    errors = "error" if tests.errors == 1 else "errors"
    words = ((tests.failed, "failed"), (tests.errors, errors), (tests.passed, "passed"),
             (tests.skipped, "skipped"))  # fmt: skip
    return ", ".join(f"{count} {word}" for count, word in words if count) or "no test ran"


def _not_ready(run: IntegrationRun, facts: AttemptFacts, parts: Sequence[Unready]) -> Diagnosis:
    limit = format_duration(run.spec.timeouts.environment)
    missing = {part.name for part in parts}
    if found := without_node(pod for pod in facts.pods if pod.component in missing):
        return found
    received = facts.shard.result.received_at if facts.shard.result else None
    if found := service_network.of_parts(parts, facts.pods, received):
        return found
    services, apps = _among(parts, run.spec.services), _among(parts, run.spec.apps)
    for pod in in_order(facts.pods):  # a part that ended knows more than whoever waited for it
        if found := why_missing(run, pod) if pod.component in missing else None:
            return found
    present = {pod.component for pod in facts.pods}
    for app in apps:
        if app.name not in present:
            return errored(Reason.ADMISSION_DENIED, f"the pod of app {app.name} was never created: {REFUSED_PODS}")
    if services:
        return errored(
            Reason.SERVICE_NOT_READY,
            f"not ready within {limit}: {_errors_of(services)}; see {log_command(run, services[0].name)}, "
            "or raise timeouts.environment",
        )
    if labels.MIGRATIONS in missing:
        return errored(
            Reason.MIGRATION_FAILED,
            f"the migrations did not finish within {limit}; see {log_command(run, labels.MIGRATIONS)}, "
            "or raise timeouts.environment",
        )
    named = apps or parts
    log = log_command(run, named[0].name if named else labels.TESTS)
    return errored(
        Reason.APP_NOT_READY,
        f"not ready within {limit}: {_errors_of(named)}; check `ready` and {log}, or raise timeouts.environment",
    )


def _lost_service(run: IntegrationRun, facts: AttemptFacts, lost: Iterable[Unready]) -> Diagnosis | None:
    for pod in in_order(facts.pods):  # the pod knows more than a refused connection, if its status is here already
        if pod.role == Role.SERVICE and (found := disrupted(pod) or service_ended(run, pod, tests_began=True)):
            return found
    services = _among(lost, run.spec.services)
    if not services:
        return None
    return errored(Reason.SERVICE_LOST, f"lost while the tests ran: {_errors_of(services)}; start the run again")


def awaits_terminations(facts: AttemptFacts) -> bool:
    """Whether the tests have lost a service or an app, and no pod shows yet how: the kubelet needs a second."""
    summary = facts.shard.result.summary if facts.shard.result else None
    if summary is None or summary.outcome == Outcome.PASSED:
        return False
    lost = {part.name for part in summary.lost}
    pods = [pod for pod in facts.pods if pod.component in lost]
    ended = [pod for pod in pods if pod.deleting or pod.reason or any(c.terminations for c in pod.containers)]
    return bool(pods) and not ended


def _among_tests(end: Termination, summary: Summary) -> bool:
    """Whether it ended after the first test began; the kubelet reports whole seconds."""
    return end.finished_at is None or end.finished_at.timestamp() + 1 > (summary.first_test_at or 0)


def _disturbed(facts: AttemptFacts, summary: Summary) -> Diagnosis | None:
    """What took an app, or memory, from tests of which some then failed."""
    if summary.oom_killed:
        return errored(
            Reason.OUT_OF_MEMORY,
            "a process of the tests used more memory than their limit and was killed, and tests failed "
            f"({_counted(summary.tests)}); raise spec.tests.resources.limits.memory",
        )
    for pod in facts.pods:
        if pod.role != Role.APP:
            continue
        if found := disrupted(pod):
            return found
        for end in (end for container in pod.containers for end in container.terminations):
            if end.reason == "OOMKilled" and _among_tests(end, summary):
                return errored(
                    Reason.OUT_OF_MEMORY,
                    f"app {pod.component} used more memory than its limit and was killed while the tests ran, and "
                    f"tests failed; raise spec.apps.{pod.component}.resources.limits.memory",
                )
    return None


def _ended_meanwhile(run: IntegrationRun, facts: AttemptFacts, summary: Summary) -> dict[str, str]:
    """Apps that ended while the tests ran, and how, for the message."""
    found: dict[str, str] = {}
    for pod in in_order(p for p in facts.pods if p.role == Role.APP):
        ends = [end for container in pod.containers for end in container.terminations if end.exit_code]
        if any(_among_tests(end, summary) for end in ends):
            log = log_command(run, pod.component)
            found[pod.component] = f"; app {pod.component} ended meanwhile ({how_it_ended(ends[0])}): {log}"
    return found


_FULL_SHARED_MEMORY = "most often /dev/shm is full then: give it a size by spec.tests.sharedMemory"


def _died(run: IntegrationRun, facts: AttemptFacts, summary: Summary, during: str) -> Diagnosis:
    pod, container = facts.shard.pod, facts.shard.tests
    end = container.terminated if container else None
    if summary.oom_killed or (end and end.reason == "OOMKilled"):
        return errored(
            Reason.OUT_OF_MEMORY,
            f"the tests used more memory than their limit{during}; raise spec.tests.resources.limits.memory",
        )
    if pod is not None and (found := disrupted(pod)):
        return found
    if pod is not None and pod.deleting:
        return errored(
            Reason.ENVIRONMENT_LOST, f"the tests' pod was deleted while they ran{during}; start the run again"
        )
    words = summary.error
    if not words:
        how = how_it_ended(end, quote=False) if end else f"exit {summary.exit_code}"
        words = f"pytest ended in the middle ({how}){during}"
    what = {
        Outcome.INTERRUPTED: "see output.log for what stopped it",
        Outcome.INTERNAL_ERROR: "an error inside pytest or a plugin: its traceback is in output.log",
    }.get(
        summary.outcome,
        _FULL_SHARED_MEMORY
        if summary.signal == "SIGBUS"
        else "a test, or code under it, ends the process (os._exit, a kill, a crash in native code)",
    )
    return errored(
        Reason.TEST_PROCESS_DIED, f"{words}; {what}; `seatrial results {run.metadata.name} -o DIR` downloads the log"
    )


def _usage(tail: str) -> Diagnosis:
    """What pytest did not understand; it also ends so when it can't import a conftest.py (pytest's own words: it has
    one exit status for both).
    """
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    if raised := [line for line in lines if line.startswith("E  ")]:
        loaded = (re.search(r"while loading conftest '([^']+)'", line) for line in lines)
        where = next((match[1] for match in loaded if match), "conftest.py")
        why = raised[-1].removeprefix("E").strip()
        return failed(Reason.COLLECTION_ERROR, f"pytest could not load {where}: {why}")
    wanted = [line for line in lines if line.lower().startswith("error") or " error: " in line]
    why = shorten((wanted or lines or ["see output.log"])[-1], 300)
    return errored(
        Reason.USAGE_ERROR,
        f"pytest refused its arguments: {why}; check paths, markers, keywords and args in spec.tests",
    )


def _tests_failed(run: IntegrationRun, facts: AttemptFacts, summary: Summary) -> Diagnosis:
    ended = _ended_meanwhile(run, facts, summary)
    apps = [part for part in _among(summary.lost, run.spec.apps) if part.name not in ended]
    more = (
        _demanded(summary)
        + _left_out(summary)
        + "".join(ended.values())
        + (f"; no longer answering: {_errors_of(apps)}" if apps else "")
    )
    first = f"; first: {summary.failures[0].id}: {summary.failures[0].message}" if summary.failures else ""
    return failed(Reason.TESTS_FAILED, f"{_counted(summary.tests)}{more}{first}")


def _demanded(summary: Summary) -> str:
    """What the project demands beyond its tests, and did not get."""
    sentences = {
        "max-warnings": "; too many warnings: {was:g}, at most {limit:g} are allowed (--max-warnings)",
        "coverage": "; too little coverage: {was:.4g} %, at least {limit:g} % is demanded (fail_under)",
    }
    known = [demand for demand in summary.demands if demand.code in sentences]
    if known:
        return "".join(sentences[demand.code].format(was=demand.was, limit=demand.limit) for demand in known)
    return f"; {summary.error}" if summary.error and not summary.tests.bad else ""


def _left_out(summary: Summary) -> str:
    """Tests that never ran because the session stopped before."""
    if summary.stopped is None or not summary.never_ran:
        return ""
    return f"; {summary.never_ran} of {summary.tests.total} never ran ({summary.stopped})"


def _collection_failed(summary: Summary) -> Diagnosis:
    errors = summary.collection_errors
    first = f"{errors[0].id}: {errors[0].message}" if errors else last_line(summary.output_tail)
    others = f"; {_counted(summary.tests)}" if summary.tests.passed or summary.tests.skipped else ""
    return failed(Reason.COLLECTION_ERROR, f"pytest could not collect the tests: {first}{others}")


def _no_tests(run: IntegrationRun, summary: Summary) -> Diagnosis:
    tests = run.spec.tests
    chosen = [
        f"{name}={value!r}"
        for name, value in (("paths", list(tests.paths)), ("markers", tests.markers), ("keywords", tests.keywords))
        if value
    ]
    why = _why_no_tests(summary)
    return errored(
        Reason.NO_TESTS_COLLECTED,
        f"pytest found no test to run with {', '.join(chosen) or 'the given image'}: {why or 'check spec.tests'}",
    )


def _all_skipped(summary: Summary) -> bool:
    tests = summary.tests
    return summary.complete and summary.lost_worker is None and 0 < tests.total == tests.skipped


def _nothing_tested(run: IntegrationRun, summary: Summary) -> Diagnosis:
    count = summary.tests.skipped
    what = f"{count} skipped, and no other test" + (f": {_skipped_files(summary)}" if summary.skipped_files else "")
    if run.spec.tests.allow_all_skipped:
        return Diagnosis(Verdict.PASSED, Reason.ALL_TESTS_SKIPPED, what)
    return errored(
        Reason.ALL_TESTS_SKIPPED,
        f"{what}; nothing was tested: give the tests what they look for, or set spec.tests.allowAllSkipped",
    )


def _skipped_files(summary: Summary) -> str:
    files = "; ".join(f"{file.id}: {file.message}" for file in summary.skipped_files)
    return files + (", ..." if summary.skipped_file_count > len(summary.skipped_files) else "")


def _why_no_tests(summary: Summary) -> str:
    """The cause, as far as the session knows it."""
    search = summary.search
    if summary.lost_worker:
        return f"no worker of pytest-xdist could run tests: {summary.lost_worker}"
    if summary.skipped_file_count:
        return f"the files skip themselves ({_skipped_files(summary)})"
    if search is None:
        return ""
    if summary.deselected:
        given = " ".join(
            f"{option} {value!r}" for option, value in (("-m", search.markers), ("-k", search.keywords)) if value
        )
        own = f"; the project's addopts: {search.addopts}" if search.addopts else ""
        return f"all {summary.deselected} tests were deselected{f' by {given}' if given else ''}{own}"
    if search.matching:
        return f"no test is in {', '.join(search.matching)}"
    if search.others:
        patterns = " or ".join(search.python_files)
        return f"no file's name matches python_files ({patterns}); there are {', '.join(search.others)}"
    return ""


def _ran_out_of_time(run: IntegrationRun, summary: Summary, during: str) -> Diagnosis:
    limit = format_duration(run.spec.timeouts.tests)
    if summary.finished_with is not None:
        threads = ", ".join(summary.threads)
        named = f"the thread {threads} is no daemon" if threads else "probably a thread that is no daemon"
        return errored(
            Reason.TEST_TIMEOUT,
            f"the tests ended ({_counted(summary.tests)}), but pytest's process did not within timeouts.tests={limit}: "
            f"{named} and keeps it alive; have the suite end it",
        )
    return errored(
        Reason.TEST_TIMEOUT,
        f"the tests took longer than timeouts.tests={limit}{during}; "
        "set tests.perTestTimeout to fail a test that hangs, or raise timeouts.tests",
    )


def _is_passed(summary: Summary) -> bool:
    return summary.complete and not summary.tests.bad and summary.exit_code == 0


def from_result(run: IntegrationRun, facts: AttemptFacts, result: Result) -> Diagnosis:
    """The verdict that a shard's complete result stands for."""
    summary = result.summary
    if summary is None:
        return errored(
            Reason.RESULTS_MISSING,
            f"the result in the archive can't be read ({result.problem}): something else than the collector wrote it, "
            "or the runner's image and the operator are of different versions; start the run again",
        )
    if summary.outcome != Outcome.PASSED and (found := _lost_service(run, facts, summary.lost)):
        return found
    if summary.outcome == Outcome.FAILED and (found := _disturbed(facts, summary)):
        return found
    return _from_outcome(run, facts, summary)


def _from_outcome(run: IntegrationRun, facts: AttemptFacts, summary: Summary) -> Diagnosis:
    during = f" during {summary.running}" if summary.running else ""
    match summary.outcome:
        case Outcome.PASSED | Outcome.NO_TESTS if _all_skipped(summary):
            return _nothing_tested(run, summary)
        case Outcome.PASSED if _is_passed(summary):
            return Diagnosis(Verdict.PASSED, Reason.TESTS_PASSED, _counted(summary.tests))
        case Outcome.FAILED:
            return _tests_failed(run, facts, summary)
        case Outcome.COLLECTION_ERROR:
            return _collection_failed(summary)
        case Outcome.NO_TESTS:
            return _no_tests(run, summary)
        case Outcome.USAGE_ERROR:
            return _usage(summary.output_tail)
        case Outcome.NOT_STARTED if found := never_started(run, "tests", summary.code, summary.error or ""):
            return found
        case Outcome.NO_PYTEST:
            return errored(
                Reason.IMAGE_WITHOUT_PYTEST,
                f"image {run.spec.tests.image or 'for tests'} can't run pytest "
                f"({summary.error or last_line(summary.output_tail)}); it needs Python 3.9 and pytest 7, or newer",
            )
        case Outcome.TIMEOUT:
            return _ran_out_of_time(run, summary, during)
        case Outcome.INCONSISTENT:
            return errored(
                Reason.RESULTS_INCONSISTENT,
                f"the tests' results contradict themselves: {summary.error}; a test, or code under it, writes below "
                "/results, which is Seatrial's own: have it write elsewhere",
            )
        case Outcome.GATE_TIMEOUT:
            return _not_ready(run, facts, summary.not_ready)
    return _died(run, facts, summary, during)
