"""Who a run says that it was started by."""

from __future__ import annotations

import pytest

from seatrial.cli.origin import origin, with_origin

BY, LINK = "seatrial.dev/started-by", "seatrial.dev/link"
GITHUB = {
    "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ada", "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_RUN_ID": "7",
}  # fmt: skip


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, {BY: "me@laptop"}),
        (GITHUB, {BY: "ada", LINK: "https://git.example/o/r/actions/runs/7"}),
        ({**GITHUB, "GITHUB_RUN_ID": ""}, {BY: "ada"}),
        ({"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "bob", "CI_JOB_URL": "https://g/j/1"}, {BY: "bob", LINK: "https://g/j/1"}),
        ({"BUILD_URL": "http://ci/job/3/", "BUILD_TAG": "jenkins-orders-3"}, {BY: "jenkins-orders-3", LINK: "http://ci/job/3/"}),
        ({"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "bob", "CI_JOB_URL": "javascript:alert(1)"}, {BY: "bob"}),
    ],
)  # fmt: skip
def test_who_and_where(env: dict[str, str], expected: dict[str, str]) -> None:
    assert origin(env, "me", "laptop") == expected


def test_what_the_file_says_stays() -> None:
    run = {"metadata": {"name": "a", "annotations": {BY: "the file", "own": "x"}}, "spec": {}}
    merged = with_origin(run, {BY: "me@laptop", LINK: "https://ci/1"})
    assert merged["metadata"]["annotations"] == {BY: "the file", LINK: "https://ci/1", "own": "x"}
    assert run["metadata"]["annotations"][BY] == "the file"  # type: ignore[index]
