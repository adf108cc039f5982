"""Creates a run and what else is in its file; a refusal names every problem."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from seatrial.api.names import API_VERSION
from seatrial.cli import problems
from seatrial.cli.connect import Session, Target
from seatrial.cli.errors import CliError
from seatrial.cli.invocation import command_line
from seatrial.cli.output import Out
from seatrial.cli.run import Run
from seatrial.cli.run_file import RunFile
from seatrial.cli.runs import wait_until_gone
from seatrial.kube.errors import AlreadyExistsError, ClusterError, ForbiddenError, InvalidError, NotFoundError
from seatrial.kube.kinds import RUN, Object


async def create_run(
    session: Session,
    target: Target,
    out: Out,
    file: RunFile,
    may_replace: bool,
    upload: Callable[[], Awaitable[None]] | None = None,
) -> tuple[Run, float]:
    """Applies what else is in the file, then creates the run; nothing is changed for a run that would be refused.

    Args:
        session: cluster and archive.
        target: where the command works.
        out: shows what is done.
        file: the run, with its name and namespace, and what else is applied.
        may_replace: whether to delete a run of this name first.
        upload: brings the run's code into the archive.

    Returns:
        The run, and when it was asked for (monotonic seconds).

    Raises:
        CliError: it was refused; says every problem.
    """
    cluster = session.cluster
    namespaces = [other for other in file.others if other["kind"] == "Namespace"]
    others = [other for other in file.others if other["kind"] != "Namespace"]
    for other in namespaces:
        await _apply(session, out, other, file)
    try:
        if others or upload:
            await cluster.create(file.run, strict=True, dry_run=True)
    except AlreadyExistsError:
        if not may_replace:
            raise await _exists(session, target, file) from None
    except InvalidError as error:
        raise await _refused(session, file, error) from error
    except (NotFoundError, ForbiddenError) as error:
        raise _no_place(file, error) from error
    if upload:
        await upload()
    for other in others:
        await _apply(session, out, other, file)
    for last_try in (False, True):
        began = time.monotonic()
        try:
            return Run.of(await cluster.create(file.run, strict=True)), began
        except AlreadyExistsError:
            if not may_replace or last_try:
                raise await _exists(session, target, file) from None
            await _remove(session, out, file)
        except InvalidError as error:
            raise await _refused(session, file, error) from error
        except (NotFoundError, ForbiddenError) as error:
            raise _no_place(file, error) from error
    raise AssertionError("unreachable")


async def _apply(session: Session, out: Out, other: Object, file: RunFile) -> None:
    metadata = dict(other.get("metadata") or {})
    called = f"{other['kind']} {metadata.get('name', '')}".strip()
    if not metadata.get("name"):
        raise CliError(f"{file.source}: a {called} has no metadata.name, so it can't be applied")
    try:
        kind = await session.cluster.discover(other)
        if kind.namespaced:
            metadata.setdefault("namespace", file.run["metadata"]["namespace"])
        await session.cluster.apply({**other, "metadata": metadata}, strict=True)
    except (InvalidError, NotFoundError) as error:
        raise CliError(f"{file.source}: {called} was refused: {error.message}") from error
    out.line((f"{called} applied", "dim"))


async def _remove(session: Session, out: Out, file: RunFile) -> None:
    name, namespace = file.run["metadata"]["name"], file.run["metadata"]["namespace"]
    try:
        old = await session.cluster.get(RUN, name, namespace)
        out.line((f"deleting the existing run {name} and its environment", "dim"))
        await session.cluster.delete(RUN, name, namespace, uid=old["metadata"]["uid"])
    except NotFoundError:
        return
    await wait_until_gone(session.cluster, name, namespace, old["metadata"]["uid"])


async def _exists(session: Session, target: Target, file: RunFile) -> CliError:
    name, namespace = file.run["metadata"]["name"], file.run["metadata"]["namespace"]
    state = ""
    try:
        found = Run.of(await session.cluster.get(RUN, name, namespace))
        state = f" ({found.state or 'not accepted yet'})"
        if found.metadata.deletion_timestamp:
            return CliError(
                f"the run {name} in namespace {namespace} is being deleted",
                hint="add --replace to wait for that, or --name OTHER",
            )
    except ClusterError:
        pass  # only the detail is missing
    delete = command_line(target, session, "delete", name, namespace=namespace)
    return CliError(
        f"a run {name} is already there in namespace {namespace}{state}",
        details=[
            "to run it again in its place:  add --replace",
            "to keep both:                  add --name OTHER, or use metadata.generateName in the file",
            f"to delete it:                  {delete}",
        ],
    )


def _no_place(file: RunFile, error: ClusterError) -> CliError:
    namespace = file.run["metadata"]["namespace"]
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


async def _refused(session: Session, file: RunFile, error: InvalidError) -> CliError:
    """All that is wrong with the run: unknown fields come alone, so what else is wrong is asked for without them."""
    unknown = problems.unknown_fields(error.message)
    causes = error.causes
    if unknown:
        try:
            await session.cluster.create(problems.without(file.run, unknown), strict=True, dry_run=True)
        except InvalidError as rest:
            causes = rest.causes
        except ClusterError:
            pass  # without the other problems
    found = problems.together(unknown, problems.invalid_fields(causes))
    if not found:
        hint = "" if file.run["apiVersion"] == API_VERSION else f"write apiVersion: {API_VERSION}"
        return CliError(f"{file.source}: the run was refused: {error.message}", hint=hint)
    lines = [problem.line(file.source, file.lines) for problem in problems.by_place(found, file.lines)]
    if any(field == "<nil>" for field, _ in causes):
        lines.append("fix these; there may be more")
    count = "one problem" if len(found) == 1 else f"{len(found)} problems"
    return CliError(f"{file.source} was refused, {count}:", details=lines)
