"""Who starts a run, and from where: by the CI's variables, else user and machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seatrial.api.labels import LINK, STARTED_BY

_LONGEST = 500


def origin(env: Mapping[str, str], user: str, machine: str) -> dict[str, str]:
    """The annotations of a run that is started with these variables by this user on this machine."""
    by, link = f"{user}@{machine}", ""
    if env.get("GITHUB_ACTIONS") and env.get("GITHUB_ACTOR"):
        by = env["GITHUB_ACTOR"]
        parts = [env.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
        link = f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}" if all(parts) else ""
    elif env.get("GITLAB_CI") and env.get("GITLAB_USER_LOGIN"):
        by, link = env["GITLAB_USER_LOGIN"], env.get("CI_JOB_URL", "")
    elif env.get("BUILD_URL"):  # Jenkins
        by, link = env.get("BUILD_USER_ID") or env.get("BUILD_TAG") or by, env["BUILD_URL"]
    found = {STARTED_BY: by[:_LONGEST], LINK: link[:_LONGEST] if link.startswith(("http://", "https://")) else ""}
    return {name: value for name, value in found.items() if value}


def with_origin(run: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
    """The run with these annotations, where its file has none of the name."""
    metadata = dict(run.get("metadata") or {})
    metadata["annotations"] = {**annotations, **(metadata.get("annotations") or {})}
    return {**run, "metadata": metadata}
