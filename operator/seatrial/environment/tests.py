"""The tests: an Indexed Job whose pod runs pytest in the user's image, with the collector beside it."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence

from seatrial.api import labels
from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scalars import format_duration
from seatrial.api.scope import Scope
from seatrial.api.system import Tests as TestsSpec
from seatrial.environment import credentials, env, gates, objects, pod, resources, security, shared
from seatrial.environment.backing import Backing
from seatrial.environment.expansion import literal
from seatrial.environment.paths import is_within, normal
from seatrial.environment.pod import Mount
from seatrial.settings import Settings

SHARDS = 1
COLLECTOR_GRACE_SECONDS = 15
"""For the reports, beside the time that the collector waits for the archive: ending the pod must not cut it short."""
RESULTS = "/results"
ARTIFACTS = "/artifacts"
SOURCE_CONFIG_MAP = "tests-source"
SOURCE = "/seatrial-source"
SOURCE_TARGET = "/tests"
TOKENS = "/var/run/seatrial/upload"
_PYTHON_PATH = f"{security.TOOLS_PATH}/python"


def working_dir(tests: TestsSpec) -> str | None:
    """Where pytest runs; None for the image's own working directory."""
    if tests.working_dir:
        return normal(tests.working_dir)
    return SOURCE_TARGET if tests.source else None


def artifact_globs(tests: TestsSpec) -> tuple[str, ...]:
    """The globs, each below a folder: `logs` alone means all that is in it."""
    globs = (posixpath.normpath(glob) for glob in tests.artifacts)
    return tuple(glob if "/" in glob else f"{glob}/**" for glob in globs)


def artifact_folders(tests: TestsSpec) -> tuple[str, ...]:
    """The folders that the globs begin with, relative to the working directory; none lies in another."""
    folders = set()
    for glob in artifact_globs(tests):
        parts = glob.split("/")[:-1]
        plain = next((i for i, part in enumerate(parts) if any(c in part for c in "*?[")), len(parts))
        folders.add("/".join(parts[:plain]))
    return tuple(sorted(f for f in folders if not any(f != other and is_within(f, other) for other in folders)))


def artifact_paths(tests: TestsSpec) -> tuple[str, ...]:
    """The folders of artifacts in the tests' container; none while the working directory is not known."""
    base = working_dir(tests)
    return tuple(posixpath.join(base, folder) for folder in artifact_folders(tests)) if base else ()


def _artifact_mounts(spec: IntegrationRunSpec) -> tuple[tuple[Mount, ...], tuple[Mount, ...]]:
    """Mounts of the tests' container and of the collector, which sees under /artifacts what pytest sees in its folder.

    A folder of artifacts on the shared volume needs no volume of its own; the collector is given the shared one.
    """
    base, folders, volumes = working_dir(spec.tests), artifact_paths(spec.tests), shared.mounts(spec.shared_volume)
    own = tuple(
        Mount(f"artifacts-{index}", folder)
        for index, folder in enumerate(folders)
        if not any(is_within(folder, volume.path) for volume in volumes)
    )
    seen = [
        *own,
        *(v for v in volumes if any(is_within(f, v.path) or is_within(v.path, f) for f in folders)),
    ]
    collected = tuple(
        Mount(m.name, posixpath.normpath(posixpath.join(ARTIFACTS, posixpath.relpath(m.path, base))), m.source, True)
        for m in seen
    )
    return own, collected


def _pytest_args(tests: TestsSpec) -> list[str]:
    args = ["-m", "pytest", "-p", "seatrial_runner.plugin", "-o", "cache_dir=/tmp/pytest-cache"]
    if tests.markers:
        args += ["-m", literal(tests.markers)]
    if tests.keywords:
        args += ["-k", literal(tests.keywords)]
    if tests.max_fail:
        args.append(f"--maxfail={tests.max_fail}")
    paths = tests.paths or ((SOURCE_TARGET,) if tests.source and working_dir(tests) != SOURCE_TARGET else ())
    return [*args, *tests.args, *(literal(path) for path in paths)]


def _tests_container(
    scope: Scope,
    spec: IntegrationRunSpec,
    settings: Settings,
    backings: Mapping[str, Backing],
    artifacts: Sequence[Mount],
) -> pod.Container:
    tests = spec.tests
    flags = ["--python", "--run-timeout", format_duration(spec.timeouts.tests)]
    flags += ["--record", f"{RESULTS}/exit.json", "--output", f"{RESULTS}/output.log"]
    flags += ["--gates", f"{RESULTS}/gates.jsonl", "--prepend-env", f"PYTHONPATH={_PYTHON_PATH}"]
    mounts = [pod.TMP, pod.tools(settings), Mount("results", RESULTS)]
    if tests.source:
        flags += ["--copy", f"{SOURCE}:{SOURCE_TARGET}"]
        source = {"configMap": {"name": SOURCE_CONFIG_MAP}}
        mounts += [Mount("source", SOURCE, source, read_only=True), Mount("tests", SOURCE_TARGET)]
    extra = [{"name": "SEATRIAL_EVENTS", "value": f"{RESULTS}/events.jsonl"}]
    if tests.coverage:
        extra.append({"name": "SEATRIAL_COVERAGE", "value": f"{RESULTS}/coverage"})
    if tests.per_test_timeout is not None:
        extra.append({"name": "SEATRIAL_TEST_TIMEOUT", "value": f"{tests.per_test_timeout.total_seconds():g}"})
    return pod.Container(
        name=labels.TESTS,
        image=tests.image or settings.images.tests,
        resources=resources.resources(resources.TESTS, tests.resources),
        command=gates.launch(
            gates.of_services(backings) + gates.of_migrations(spec.migrations) + gates.of_apps(spec.apps),
            spec.timeouts.environment,
            flags,
            _pytest_args(tests),
        ),
        working_dir=working_dir(tests),
        env=env.container(scope, spec, backings, tests.env, shard=True, shared_volume=True, extra=extra),
        mounts=(*mounts, *shared.mounts(spec.shared_volume), *artifacts),
    )


def _collector(scope: Scope, tests: TestsSpec, settings: Settings, artifacts: Sequence[Mount]) -> pod.Container:
    variables = {
        "SEATRIAL_RUN": scope.run.name,
        "SEATRIAL_RUN_NAMESPACE": scope.run.namespace,
        "SEATRIAL_RUN_UID": scope.run.uid,
        "SEATRIAL_ATTEMPT": str(scope.attempt),
        "SEATRIAL_ARCHIVE_URL": settings.archive_upload_url,
        "SEATRIAL_ARCHIVE_PATIENCE": str(settings.archive_patience_seconds),
        "SEATRIAL_TOKEN_DIR": TOKENS,
        "SEATRIAL_ARTIFACTS": literal(json.dumps(artifact_globs(tests))),
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
            *artifacts,
        ),
        sidecar=True,
    )


def workload(
    scope: Scope, spec: IntegrationRunSpec, settings: Settings, backings: Mapping[str, Backing]
) -> objects.Manifest:
    """The Job. Nothing of it is ever run again by Kubernetes: what happened is what counts."""
    in_tests, in_collector = _artifact_mounts(spec)
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
                (_tests_container(scope, spec, settings, backings, in_tests),),
                init=(_collector(scope, spec.tests, settings, in_collector),),
                grace=settings.archive_patience_seconds + COLLECTOR_GRACE_SECONDS,
                one_node=shared.one_node(spec.shared_volume),
            ),
        },
    )
