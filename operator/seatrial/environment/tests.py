"""The tests: an Indexed Job whose pod runs pytest in the user's image, with the collector beside it."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping

from seatrial.api import labels
from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scalars import format_duration
from seatrial.api.scope import Scope
from seatrial.api.system import Tests as TestsSpec
from seatrial.environment import (
    code,
    credentials,
    env,
    file_sources,
    forwards,
    gates,
    objects,
    pod,
    resources,
    security,
    shared,
    workdir,
)
from seatrial.environment.backing import Backing
from seatrial.environment.expansion import literal
from seatrial.environment.pod import Mount
from seatrial.settings import Settings

SHARDS = 1
COLLECTOR_GRACE_SECONDS = 15
"""For the reports, beside the time that the collector waits for the archive: ending the pod must not cut it short."""
RESULTS = "/results"
SOURCE_CONFIG_MAP = "tests-source"
SOURCE = "/seatrial-source"
TOKENS = "/var/run/seatrial/upload"
_PYTHON_PATH = f"{security.TOOLS_PATH}/python"


def artifact_globs(tests: TestsSpec) -> tuple[str, ...]:
    """The globs, each below a folder: `logs` alone means all that is in it."""
    globs = (posixpath.normpath(glob) for glob in tests.artifacts)
    return tuple(glob if "/" in glob else f"{glob}/**" for glob in globs)


def _pytest_args(spec: IntegrationRunSpec) -> list[str]:
    tests = spec.tests
    args = ["-m", "pytest", "-p", "seatrial_runner.plugin", "-o", "cache_dir=/tmp/pytest-cache"]
    if tests.markers:
        args += ["-m", literal(tests.markers)]
    if tests.keywords:
        args += ["-k", literal(tests.keywords)]
    if tests.max_fail:
        args.append(f"--maxfail={tests.max_fail}")
    paths = tests.paths or (
        (workdir.SOURCE_TARGET,) if tests.source and workdir.path(spec) != workdir.SOURCE_TARGET else ()
    )
    return [*args, *tests.args, *(literal(path) for path in paths)]


def _tests_container(
    scope: Scope,
    spec: IntegrationRunSpec,
    settings: Settings,
    backings: Mapping[str, Backing],
    image: str,
    overlay: code.Overlay,
) -> pod.Container:
    tests = spec.tests
    flags = ["--python", "--run-timeout", format_duration(spec.timeouts.tests)]
    flags += ["--record", f"{RESULTS}/exit.json", "--key", f"{RESULTS}/launcher.key"]
    flags += ["--output", f"{RESULTS}/output.log", "--gates", f"{RESULTS}/gates.jsonl"]
    flags += ["--prepend-env", f"PYTHONPATH={_PYTHON_PATH}"]
    mounts = [pod.TMP, pod.tools(settings), Mount("results", RESULTS)]
    if tests.source:
        flags += ["--copy", f"{SOURCE}:{workdir.SOURCE_TARGET}"]
        source = file_sources.volume(tests.source, SOURCE_CONFIG_MAP)
        mounts += [Mount("source", SOURCE, source, read_only=True), workdir.TESTS]
    flags += overlay.flags
    mounts += overlay.mounts
    flags += forwards.launcher_flags(forwards.of(spec, backings))
    working_dir, chdir = code.entered(workdir.path(spec), spec.code)
    if tests.shared_memory is not None:
        source = {"emptyDir": {"medium": "Memory", "sizeLimit": tests.shared_memory}}
        mounts.append(Mount("shared-memory", "/dev/shm", source))  # noqa: S108 - the path inside the container
    extra = [{"name": "SEATRIAL_EVENTS", "value": f"{RESULTS}/events.jsonl"}]
    if per_worker := [dict(backing.per_worker) for backing in backings.values() if backing.per_worker]:
        own = {"launch": security.LAUNCH, "services": per_worker}
        extra.append({"name": "SEATRIAL_PER_WORKER", "value": literal(json.dumps(own))})
    if tests.coverage:
        extra.append({"name": "SEATRIAL_COVERAGE", "value": f"{RESULTS}/coverage"})
    if tests.per_test_timeout is not None:
        extra.append({"name": "SEATRIAL_TEST_TIMEOUT", "value": f"{tests.per_test_timeout.total_seconds():g}"})
    return pod.Container(
        name=labels.TESTS,
        image=image,
        resources=resources.resources(resources.TESTS, tests.resources),
        command=gates.launch(
            gates.of_services(backings) + gates.of_migrations(spec.migrations) + gates.of_apps(spec.apps),
            spec.timeouts.environment,
            [*flags, *chdir],
            _pytest_args(spec),
        ),
        working_dir=working_dir,
        env=[
            *env.container(scope, spec, backings, tests.env, shard=True, shared_volume=True, extra=extra),
            *overlay.env,
        ],
        mounts=(*mounts, *pod.USERS, *shared.mounts(spec.shared_volume)),
    )


def _collector(scope: Scope, tests: TestsSpec, settings: Settings, artifacts: workdir.Collected) -> pod.Container:
    variables = {
        "SEATRIAL_RUN": scope.run.name,
        "SEATRIAL_RUN_NAMESPACE": scope.run.namespace,
        "SEATRIAL_RUN_UID": scope.run.uid,
        "SEATRIAL_ATTEMPT": str(scope.attempt),
        "SEATRIAL_ARCHIVE_URL": settings.archive_upload_url,
        "SEATRIAL_ARCHIVE_PATIENCE": str(settings.archive_patience_seconds),
        "SEATRIAL_TOKEN_DIR": TOKENS,
        "SEATRIAL_ARTIFACTS_LIMIT": str(int(resources.quantity(settings.budget.artifacts))),
        "SEATRIAL_ARTIFACTS": literal(json.dumps(artifact_globs(tests))),
        **({"SEATRIAL_ARTIFACTS_BELOW": literal(artifacts.below)} if artifacts.below else {}),
    }
    return pod.Container(
        name=labels.COLLECTOR,
        image=settings.images.runner,
        resources=resources.resources(resources.COLLECTOR, None),
        command=("python3", "-m", "seatrial_runner.collect"),
        env=[{"name": name, "value": value} for name, value in variables.items()],
        mounts=(
            Mount("collector-tmp", pod.TMP.path),
            Mount("results", RESULTS),
            Mount("upload", TOKENS, {"secret": {"secretName": credentials.UPLOAD_SECRET}}, read_only=True),
            *artifacts.mounts,
        ),
        sidecar=True,
    )


def workload(
    scope: Scope, spec: IntegrationRunSpec, settings: Settings, backings: Mapping[str, Backing]
) -> objects.Manifest:
    """The Job. Kubernetes never repeats any of it: what happened is what counts."""
    image = spec.tests.image or settings.images.tests
    work_dir = workdir.of(spec)
    collected = workdir.collected(spec, work_dir)
    overlay = code.overlay(scope, spec.code, image, settings, folders=workdir.of_image(work_dir))
    return objects.manifest(
        scope,
        "batch/v1",
        "Job",
        labels.TESTS,
        labels.TESTS,
        labels.Role.TESTS,
        spec={
            "completionMode": "Indexed",
            "completions": SHARDS,
            "parallelism": SHARDS,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "template": pod.template(
                scope,
                settings,
                labels.TESTS,
                labels.Role.TESTS,
                (_tests_container(scope, spec, settings, backings, image, overlay),),
                init=(
                    *overlay.init,
                    _collector(scope, spec.tests, settings, collected),
                ),
                grace=settings.archive_patience_seconds + COLLECTOR_GRACE_SECONDS,
                one_node=shared.one_node(spec.shared_volume),
                low_ports=forwards.needs_low_ports(forwards.of(spec, backings)),
            ),
        },
    )
