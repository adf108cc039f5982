"""What a file holds, `--set`, and where a run is placed."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.cli.assignments import set_value
from seatrial.cli.errors import CliError
from seatrial.cli.field_path import format_path, parse_path
from seatrial.cli.run_file import RunFile, parse, placed

RUN = """\
apiVersion: seatrial.dev/v1alpha1
kind: IntegrationRun
metadata:
  name: pr-1
spec:
  tests:
    image: tests
  env:
  - name: A
    value: "1"
"""
SEED = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seed}\n"


def test_a_file_is_one_run_and_what_goes_with_it() -> None:
    bundle = parse(f"---\n{SEED}---\n{RUN}---\n# nothing here\n", "run.yaml")
    assert bundle.run["metadata"] == {"name": "pr-1"}
    assert [other["kind"] for other in bundle.others] == ["ConfigMap"]


def test_a_list_is_its_items() -> None:
    items = "".join("- " + text.replace("\n", "\n  ").rstrip() + "\n" for text in (SEED, RUN))
    bundle = parse(f"apiVersion: v1\nkind: List\nitems:\n{items}", "run.yaml")
    assert bundle.run["metadata"] == {"name": "pr-1"}
    assert [other["kind"] for other in bundle.others] == ["ConfigMap"]
    assert bundle.lines[("spec", "tests", "image")] == 13


def test_each_field_is_found_in_the_file() -> None:
    lines = parse(f"{SEED}---\n{RUN}", "run.yaml").lines
    assert lines[("spec", "tests", "image")] == 11
    assert lines[("spec", "env", 0, "value")] == 14


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SEED, "run.yaml holds no IntegrationRun (found: ConfigMap)"),
        ("", "run.yaml holds no IntegrationRun (found: nothing)"),
        (f"{RUN}---\n{RUN}", "run.yaml holds 2 IntegrationRuns"),
        (RUN.replace("  name: pr-1", "  name: pr-1\n  name: pr-2"),
         "run.yaml:5: not valid YAML: the key 'name' is here twice"),
        ("a: [1, 2", "run.yaml:1: not valid YAML"),
        ("just text", "run.yaml:1: not a Kubernetes object"),
        ("a: 1\nb: !!python/object:os.system {}", "not valid YAML"),
    ],
)  # fmt: skip
def test_a_file_that_can_not_be_used_is_explained(text: str, message: str) -> None:
    with pytest.raises(CliError) as error:
        parse(text, "run.yaml")
    assert message in error.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-01", "2024-01-01"),  # Kubernetes knows no dates
        ("12:30:45", "12:30:45"),  # nor numbers to base 60
        ("12", 12),
        ("1.5", 1.5),
        ("true", True),
        ("'true'", "true"),
    ],
)
def test_scalars_are_what_kubernetes_makes_of_them(text: str, value: object) -> None:
    run = parse(RUN.replace('"1"', text), "run.yaml").run
    assert run["spec"]["env"][0]["value"] == value


def test_keys_are_text() -> None:
    run = parse(RUN.replace("    image: tests", "    8080: a\n    true: b"), "run.yaml").run
    assert run["spec"]["tests"] == {"8080": "a", "true": "b"}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("spec.tests.markers", ("spec", "tests", "markers")),
        ("spec.env[0].value", ("spec", "env", 0, "value")),
        (r"metadata.annotations.team\.example/owner", ("metadata", "annotations", "team.example/owner")),
    ],
)
def test_paths(text: str, path: tuple[str | int, ...]) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["", ".", "spec.", "spec..a", "spec[", "spec[a]", "spec[0]x", "spec.[0]"])
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_path(text)


def test_a_path_is_written_as_it_is_read() -> None:
    assert format_path(parse_path("spec.env[0].value")) == "spec.env[0].value"


DOCUMENT: dict[str, Any] = {"spec": {"tests": {"args": ["-v", "-x"], "image": "a"}, "env": [{"name": "A"}]}}


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("spec.tests.markers=a and b", ("tests", "markers"), "a and b"),
        ("spec.tests.image=reg.example:5000/app:1", ("tests", "image"), "reg.example:5000/app:1"),
        ("spec.tests.maxFail=3", ("tests", "maxFail"), 3),
        ("spec.cancel=true", ("cancel",), True),
        ("spec.tests.paths=[a, b]", ("tests", "paths"), ["a", "b"]),
        ("spec.timeouts={tests: 5m}", ("timeouts",), {"tests": "5m"}),
        ("spec.services.redis={}", ("services", "redis"), {}),
        ("spec.tests.args[1]=-q", ("tests", "args"), ["-v", "-q"]),
        ("spec.tests.args[2]=-q", ("tests", "args"), ["-v", "-x", "-q"]),
        ("spec.tests.args[0]=null", ("tests", "args"), ["-x"]),
        ("spec.env[0].value=a=b", ("env",), [{"name": "A", "value": "a=b"}]),
        ("spec.env[0].value=", ("env",), [{"name": "A", "value": ""}]),
        ("spec.apps.web.env[0].name=B", ("apps",), {"web": {"env": [{"name": "B"}]}}),
    ],
)
def test_set(assignment: str, path: tuple[str, ...], value: object) -> None:
    changed: Any = set_value(DOCUMENT, assignment)["spec"]
    for part in path:
        changed = changed[part]
    assert changed == value


def test_set_null_removes() -> None:
    assert set_value(DOCUMENT, "spec.tests.image=null")["spec"]["tests"] == {"args": ["-v", "-x"]}


def test_set_leaves_the_original_alone() -> None:
    before = {"spec": {"tests": {"args": ["-v"]}}}
    set_value(before, "spec.tests.args[0]=-q")
    assert before == {"spec": {"tests": {"args": ["-v"]}}}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("spec.tests.markers", "no `=` in it"),
        ("tests.markers=a", "an IntegrationRun has no field tests"),
        ("spec.tests.args[7]=a", "spec.tests.args has 2 items, so there is no [7]; the next free place is [2]"),
        ("spec.tests.args.first=a", "spec.tests.args is a list: write spec.tests.args[0]"),
        ("spec.tests[0]=a", "spec.tests is not a list"),
        ("spec.tests.image.tag=1", "spec.tests.image is 'a', so it has no field tag"),
        ("spec.tests.paths=[a", "the value is not valid YAML"),
        ("spec.=a", "a name is missing after the dot"),
    ],
)
def test_a_set_that_can_not_be_done_is_explained(assignment: str, message: str) -> None:
    with pytest.raises(CliError) as error:
        set_value(DOCUMENT, assignment)
    assert message in error.value.message


def bundle(**metadata: str) -> RunFile:
    return RunFile("run.yaml", {"metadata": metadata, "spec": {}})


@pytest.mark.parametrize(
    ("metadata", "name", "namespace", "expected"),
    [
        ({"name": "a"}, None, None, {"name": "a", "namespace": "here"}),
        ({"name": "a"}, None, "there", {"name": "a", "namespace": "there"}),
        ({"name": "a", "namespace": "own"}, None, None, {"name": "a", "namespace": "own"}),
        ({"name": "a", "namespace": "own"}, None, "own", {"name": "a", "namespace": "own"}),
        ({"generateName": "a-"}, None, None, {"generateName": "a-", "namespace": "here"}),
        ({"generateName": "a-"}, "b", None, {"name": "b", "namespace": "here"}),
    ],
)
def test_where_a_run_is_placed(
    metadata: dict[str, str], name: str | None, namespace: str | None, expected: dict[str, str]
) -> None:
    assert placed(bundle(**metadata), name, namespace, "here").run["metadata"] == expected


def test_two_namespaces_are_refused() -> None:
    with pytest.raises(CliError, match="says namespace own, the command line says other"):
        placed(bundle(name="a", namespace="own"), None, "other", "here")


def test_a_run_needs_a_name() -> None:
    with pytest.raises(CliError, match="the run has no name"):
        placed(bundle(), None, None, "here")
