"""What can be wrong with folders: those that volumes take the place of, and those that files are collected from."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from seatrial.api.run import IntegrationRun
from seatrial.environment import image_folders, security, shared, tests, workdir
from seatrial.environment.paths import is_within, normal
from seatrial.environment.problem import Problem

_TAKEN = (security.TOOLS_PATH, tests.SOURCE, tests.RESULTS, image_folders.IMAGE, "/dev", "/proc", "/sys")


def problems(run: IntegrationRun) -> Iterator[Problem]:
    """What is wrong with a run's folders."""
    yield from _artifacts(run)
    yield from _mounts(run)
    yield from _writable(run)


def _writable(run: IntegrationRun) -> Iterator[Problem]:
    for name, service in sorted(run.spec.services.items()):
        seen: set[str] = set()
        for i, given in enumerate(service.writable or ()):
            path, place = f"spec.services.{name}.writable[{i}]", normal(given)
            yield from _place(path, place, has_source=False)
            if place in seen:
                yield Problem(path, f"{place} is there already; name it once")
            seen.add(place)


def _artifacts(run: IntegrationRun) -> Iterator[Problem]:
    spec = run.spec.tests
    base = workdir.path(run.spec)
    if base in image_folders.SYSTEM and spec.artifacts:
        yield Problem(
            "spec.tests.workingDir", f"{base} can't be made writable for artifacts; give a folder of the tests"
        )
    if spec.artifacts and base is None:
        yield Problem(
            "spec.tests.workingDir",
            "artifacts are looked for under the working directory, and the image's own is not known here: "
            "give it, for example /app",
        )
    for i, glob in enumerate(spec.artifacts):
        if ".." in glob.split("/"):
            yield Problem(f"spec.tests.artifacts[{i}]", f"{glob} leaves the working directory; give it without '..'")


def _mounts(run: IntegrationRun) -> Iterator[Problem]:
    spec = run.spec.tests
    work_dir = workdir.of(run.spec)
    if work_dir is not None and work_dir.from_image:
        yield from _place("spec.tests.workingDir", work_dir.path, has_source=False)
    yield from _code(run)
    volume = shared.path(run.spec.shared_volume)
    if volume is not None:
        yield from _place("spec.sharedVolume.mountPath", volume, spec.source is not None)
        absolute = bool(spec.paths) and all(path.startswith("/") for path in spec.paths)
        if work_dir is not None and work_dir.volume.name == shared.NAME and spec.source is None and not absolute:
            yield Problem(
                "spec.sharedVolume.mountPath",
                f"the empty volume would hide the tests in tests.workingDir, {work_dir.path}; mount it elsewhere",
            )


def _code(run: IntegrationRun) -> Iterator[Problem]:
    spec = run.spec
    if spec.code is None:
        return
    path, place = "spec.code.mountPath", normal(spec.code.mount_path)
    if spec.code.digest is None:
        yield Problem("spec.code.digest", "give the digest of a bundle")
    if place in image_folders.SYSTEM:
        yield Problem(path, f"{place} belongs to the image's system; use a folder of the project's own, such as /app")
    else:
        yield from _place(path, place, spec.tests.source is not None)
    volume, work_dir = shared.path(spec.shared_volume), workdir.of(spec)
    if volume == place:
        yield Problem(path, f"the shared volume is at {place} too; mount one of them elsewhere")
    elif volume is not None and is_within(posixpath.dirname(volume), place) and posixpath.dirname(volume) != place:
        yield Problem(
            "spec.sharedVolume.mountPath",
            f"{posixpath.dirname(volume)} would not be writable: mount the volume directly below {place}, or elsewhere",
        )
    above = posixpath.dirname(place)
    if work_dir and work_dir.from_image and above != work_dir.path and is_within(above, work_dir.path):
        yield Problem(
            path,
            f"{above} would not be writable for the tests, which run in {work_dir.path}: lay the code directly below "
            "that folder, or over it",
        )


def _place(path: str, place: str, has_source: bool) -> Iterable[Problem]:
    taken = next((t for t in _TAKEN if is_within(place, t)), None)
    if place in ("/", "/tmp") or taken:  # noqa: S108 - the path inside the container
        yield Problem(path, f"{taken or place} is needed as it is in every container; use another folder than {place}")
    elif has_source and place == workdir.SOURCE_TARGET:
        yield Problem(path, f"{place} holds the files of tests.source; use another folder")
    elif ":" in place:
        yield Problem(path, f"{place} can't be mounted because of its ':'")
