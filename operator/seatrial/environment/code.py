"""`spec.code`: a bundle of files over those of an image, in the pods of migrations, apps and tests.

An empty volume takes the place of `mountPath`. While the gates wait the launcher copies into it what the image has
there, and then the bundle, which it fetches from the archive: nothing else waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seatrial import tokens
from seatrial.api import labels
from seatrial.api.code import Code
from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scope import Scope
from seatrial.environment import credentials, image_folders, pod
from seatrial.environment.objects import Manifest
from seatrial.environment.paths import is_within, normal
from seatrial.environment.pod import Mount
from seatrial.settings import Settings

TOKEN: Manifest = {
    "name": "SEATRIAL_BUNDLE_TOKEN",
    "valueFrom": {"secretKeyRef": {"name": credentials.SECRET, "key": credentials.BUNDLE_TOKEN}},
}
"""The variable with which the launcher asks for the bundle; the command does not get it. It comes after all others, so
that none of them can refer to it."""


def token(scope: Scope, key: bytes, code: Code) -> str:
    """What opens the bundle for the run's namespace, and nothing else."""
    return tokens.bundle_token(key, scope.run.namespace, code.sha256)


def components(spec: IntegrationRunSpec) -> tuple[str, ...]:
    """Whose pods fetch the bundle."""
    if spec.code is None:
        return ()
    migrations = (labels.MIGRATIONS,) if any(step.code for step in spec.migrations) else ()
    return (*migrations, *(name for name, app in sorted(spec.apps.items()) if app.code), labels.TESTS)


def volume(code: Code, suffix: str = "") -> Mount:
    """The volume of a container; `suffix` tells it from those of other containers of its pod."""
    return Mount(f"code{suffix}", normal(code.mount_path))


@dataclass(frozen=True)
class Overlay:
    """What one container has over the files of its image."""

    flags: Sequence[str] = ()
    """Of the launcher, which fills the volumes."""
    env: Sequence[Manifest] = ()
    """For the launcher alone."""
    mounts: Sequence[Mount] = ()
    init: Sequence[pod.Container] = ()
    """What runs before, where the cluster can't mount an image."""


def overlay(
    scope: Scope,
    code: Code | None,
    image: str,
    settings: Settings,
    *,
    suffix: str = "",
    folders: Sequence[Mount] = (),
) -> Overlay:
    """The bundle, if there is one, and volumes that take the place of other folders of the image."""
    own = (volume(code, suffix),) if code else ()
    return Overlay(
        flags=[*image_folders.launcher_flags((*folders, *own), settings), *_flags(scope, code, settings)],
        env=(TOKEN,) if code else (),
        mounts=image_folders.mounts((*folders, *own), image, settings, suffix),
        init=(
            *image_folders.init_containers(folders, image, settings, optional=False),
            *image_folders.init_containers(own, image, settings, optional=True),
        ),
    )


def _flags(scope: Scope, code: Code | None, settings: Settings) -> list[str]:
    """What the launcher does to fetch and unpack the bundle."""
    if code is None:
        return []
    url = f"{settings.archive_upload_url}/v1/namespaces/{scope.run.namespace}/bundles/{code.sha256}"
    return ["--bundle", url, "--bundle-digest", f"sha256:{code.sha256}", "--bundle-target", normal(code.mount_path)]


def working_dir(given: str | None, code: Code | None) -> str | None:
    """Where a command runs; None for the image's own."""
    if given is None and code is not None:
        return normal(code.mount_path)
    return given


def entered(folder: str | None, code: Code | None) -> tuple[str | None, list[str]]:
    """A command's working directory as its container's, and the launcher's flags.

    A folder below `mountPath` is there only once the launcher has made it; the container runtime would make one that
    belongs to root.
    """
    if folder is None or code is None:
        return folder, []
    mount_path, inside = normal(code.mount_path), normal(folder)
    if inside == mount_path or not is_within(inside, mount_path):
        return folder, []
    return mount_path, ["--chdir", inside]
