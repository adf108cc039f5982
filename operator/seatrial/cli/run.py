"""`seatrial run` and `seatrial wait`."""

from __future__ import annotations

import asyncio
import getpass
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from seatrial.api.names import API_VERSION
from seatrial.archive.model.report import instant
from seatrial.cli import documents, problems, report, starter
from seatrial.cli.connect import Session, Target
from seatrial.cli.documents import Bundle
from seatrial.cli.errors import CliError, Exit, exit_of
from seatrial.cli.follow import Follower, RunDeletedError, WaitedTooLongError
from seatrial.cli.names import again
from seatrial.cli.output import Out
from seatrial.cli.progress import seconds
from seatrial.cli.runs import find, wait_until_gone
from seatrial.cli.view import LiveView, PlainView
from seatrial.kube.errors import AlreadyExistsError, ClusterError, ForbiddenError, InvalidError, NotFoundError
from seatrial.kube.kinds import RUN, Object


@dataclass(frozen=True)
class Waiting:
    """How to wait for the verdict."""

    follow: bool = False
    limit: float | None = None
    """Seconds."""


@dataclass(frozen=True)
class Ask:
    """What `seatrial run` was asked."""

    file: str
    assignments: Sequence[str] = ()
    name: str | None = None
    replace: bool = False
    waiting: Waiting | None = None


async def start(session: Session, target: Target, out: Out, ask: Ask) -> Exit:
    """Creates the run, and waits for its verdict if asked to."""
    bundle = documents.parse(documents.read(ask.file), ask.file)
    run = bundle.run
    for assignment in ask.assignments:
        run = documents.set_value(run, assignment)
    run = starter.stamped(run, starter.origin(os.environ, _user(), platform.node() or "localhost"))
    bundle = documents.placed(replace(bundle, run=run), ask.name, target.namespace, session.cluster.default_namespace)
    created, began = await _create(session, target, out, bundle, ask.replace)
    metadata = created["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    out.line("run ", (name, "bold"), f" created in namespace {namespace}")
    if ask.waiting is None:
        out.hint([
            ("watch it", again(target, session, "wait", name, namespace=namespace)),
            ("its results", again(target, session, "results", name, namespace=namespace)),
        ])  # fmt: skip
        return Exit.PASSED
    return await _until_verdict(session, target, out, created, ask.waiting, age=time.monotonic() - began)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid-{os.getuid()}"


async def wait(session: Session, target: Target, out: Out, name: str, waiting: Waiting) -> Exit:
    """Waits for the verdict of a run that is there."""
    run = await find(session, name)
    if (run.get("status") or {}).get("verdict"):
        return _report(out, run, lambda command, *words: again(target, session, command, name, *words))
    created = instant(run["metadata"].get("creationTimestamp"))
    age = max(0.0, datetime.now(UTC).timestamp() - created) if created is not None else 0.0
    return await _until_verdict(session, target, out, run, waiting, age=age)


async def _until_verdict(
    session: Session, target: Target, out: Out, run: Object, waiting: Waiting, *, age: float
) -> Exit:
    name, namespace = run["metadata"]["name"], run["metadata"]["namespace"]

    def call(command: str, *words: str) -> str:
        return again(target, session, command, name, *words, namespace=namespace)

    view = (
        LiveView(out, f"{name} in {namespace}", follow=waiting.follow)
        if out.live
        else PlainView(out, follow=waiting.follow)
    )
    try:
        ended = await Follower(session, run, view, age=age).until_verdict(waiting.limit)
    except WaitedTooLongError:
        raise CliError(
            f"no verdict after {seconds(waiting.limit)}; the run goes on",
            details=_what_next(call),
            code=Exit.WAITED_TOO_LONG,
        ) from None
    except RunDeletedError:
        raise CliError(f"run {name} was deleted before it had a verdict", code=Exit.CANCELLED) from None
    except asyncio.CancelledError:
        out.errors.print()
        out.error(CliError("stopped waiting; the run goes on", details=_what_next(call)))
        raise
    out.console.print()
    return _report(out, ended, call, verdict_last=True)


def _report(out: Out, run: Object, call: Callable[..., str], *, verdict_last: bool = False) -> Exit:
    report.show(out, run, call("results", "-o", "DIR"), verdict_last=verdict_last)
    code = exit_of(run["status"]["verdict"], run["status"].get("reason") or "")
    if verdict_last and code is not Exit.PASSED:
        out.hint([("results and evidence:", call("results"))])
    return code


def _what_next(call: Callable[[str], str]) -> list[str]:
    return [f"watch it:   {call('wait')}", f"cancel it:  {call('cancel')}"]


# --- creating ---------------------------------------------------------------------------------------------------------


async def _create(
    session: Session, target: Target, out: Out, bundle: Bundle, may_replace: bool
) -> tuple[Object, float]:
    """Applies what else is in the file, then creates the run; nothing is changed for a run that would be refused.

    Returns:
        The run, and when it was asked for (monotonic seconds).

    Raises:
        CliError: it was refused; says every problem.
    """
    cluster = session.cluster
    namespaces = [other for other in bundle.others if other["kind"] == "Namespace"]
    others = [other for other in bundle.others if other["kind"] != "Namespace"]
    for other in namespaces:
        await _apply(session, out, other, bundle)
    try:
        if others:
            await cluster.create(bundle.run, strict=True, dry_run=True)
    except AlreadyExistsError:
        if not may_replace:
            raise await _exists(session, target, bundle) from None
    except InvalidError as error:
        raise await _refused(session, bundle, error) from error
    except (NotFoundError, ForbiddenError) as error:
        raise _no_place(bundle, error) from error
    for other in others:
        await _apply(session, out, other, bundle)
    for last_try in (False, True):
        began = time.monotonic()
        try:
            return await cluster.create(bundle.run, strict=True), began
        except AlreadyExistsError:
            if not may_replace or last_try:
                raise await _exists(session, target, bundle) from None
            await _remove(session, out, bundle)
        except InvalidError as error:
            raise await _refused(session, bundle, error) from error
        except (NotFoundError, ForbiddenError) as error:
            raise _no_place(bundle, error) from error
    raise AssertionError("unreachable")


async def _apply(session: Session, out: Out, other: Object, bundle: Bundle) -> None:
    metadata = dict(other.get("metadata") or {})
    called = f"{other['kind']} {metadata.get('name', '')}".strip()
    if not metadata.get("name"):
        raise CliError(f"{bundle.source}: a {called} has no metadata.name, so it can't be applied")
    try:
        kind = await session.cluster.discover(other)
        if kind.namespaced:
            metadata.setdefault("namespace", bundle.run["metadata"]["namespace"])
        await session.cluster.apply({**other, "metadata": metadata}, strict=True)
    except (InvalidError, NotFoundError) as error:
        raise CliError(f"{bundle.source}: {called} was refused: {error.message}") from error
    out.line((f"{called} applied", "dim"))


async def _remove(session: Session, out: Out, bundle: Bundle) -> None:
    name, namespace = bundle.run["metadata"]["name"], bundle.run["metadata"]["namespace"]
    try:
        old = await session.cluster.get(RUN, name, namespace)
        out.line((f"deleting the run {name} that is there, with its environment", "dim"))
        await session.cluster.delete(RUN, name, namespace, uid=old["metadata"]["uid"])
    except NotFoundError:
        return
    await wait_until_gone(session.cluster, name, namespace, old["metadata"]["uid"])


async def _exists(session: Session, target: Target, bundle: Bundle) -> CliError:
    name, namespace = bundle.run["metadata"]["name"], bundle.run["metadata"]["namespace"]
    state = ""
    try:
        found = await session.cluster.get(RUN, name, namespace)
        status = found.get("status") or {}
        state = f" ({status.get('verdict') or status.get('phase') or 'not taken up yet'})"
        if found["metadata"].get("deletionTimestamp"):
            return CliError(
                f"the run {name} in namespace {namespace} is just being deleted",
                hint="add --replace to wait for that, or --name OTHER",
            )
    except ClusterError:
        pass  # only the detail is missing
    delete = again(target, session, "delete", name, namespace=namespace)
    return CliError(
        f"a run {name} is already there in namespace {namespace}{state}",
        details=[
            "to run it again in its place:  add --replace",
            "to keep both:                  add --name OTHER, or use metadata.generateName in the file",
            f"to delete it:                  {delete}",
        ],
    )


def _no_place(bundle: Bundle, error: ClusterError) -> CliError:
    namespace = bundle.run["metadata"]["namespace"]
    if isinstance(error, ForbiddenError):
        return CliError(
            f"you may not create runs in namespace {namespace}: {error.message}",
            hint="ask for the role `edit` or `seatrial-edit` there",
        )
    if "namespaces" in error.message:
        return CliError(f"there is no namespace {namespace}", hint=f"kubectl create namespace {namespace}")
    return CliError(
        "this cluster knows no IntegrationRuns: Seatrial is not installed in it",
        hint="install the chart: helm install seatrial charts/seatrial --namespace seatrial-system --create-namespace",
    )


async def _refused(session: Session, bundle: Bundle, error: InvalidError) -> CliError:
    """All that is wrong with the run: unknown fields come alone, so what else is wrong is asked for without them."""
    unknown = problems.unknown_fields(error.message)
    causes = error.causes
    if unknown:
        try:
            await session.cluster.create(problems.without(bundle.run, unknown), strict=True, dry_run=True)
        except InvalidError as rest:
            causes = rest.causes
        except ClusterError:
            pass  # what is known is told
    found = problems.together(unknown, problems.invalid_fields(causes))
    if not found:
        hint = "" if bundle.run["apiVersion"] == API_VERSION else f"write apiVersion: {API_VERSION}"
        return CliError(f"{bundle.source}: the run was refused: {error.message}", hint=hint)
    lines = [problem.line(bundle.source, bundle.lines) for problem in problems.by_place(found, bundle.lines)]
    if any(field == "<nil>" for field, _ in causes):
        lines.append("more may be found once these are put right")
    count = "one problem" if len(found) == 1 else f"{len(found)} problems"
    return CliError(f"{bundle.source} was refused, {count}:", details=lines)
