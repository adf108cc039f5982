"""What is said about a run that the API server refused. The messages are the API server's own."""

from __future__ import annotations

import pytest

from seatrial.api.scalars import DURATION_PATTERN
from seatrial.cli.causes import MISSING, cause
from seatrial.cli.field_path import parse_path
from seatrial.cli.problems import FieldProblem, invalid_fields, together, unknown_fields, without
from seatrial.cli.schema_fields import unknown_field


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("spec.tests.marker", "unknown field; did you mean markers?"),
        ("spec.tests.max_fail", "unknown field; did you mean maxFail?"),
        ("spec.test", "unknown field; did you mean tests?"),
        ("spec.services.postgres.database", "unknown field; did you mean databases?"),
        ("spec.services.postgres.initSql", "unknown field; did you mean initSQL?"),
        ("spec.migrations[0].comand", "unknown field; did you mean command?"),
        ("spec.apps.web.ready.httpGet.pth", "unknown field; did you mean path?"),
        ("spec.env[2].valeu", "unknown field; did you mean value?"),
        ("metadata.lables", "unknown field; did you mean labels?"),
        ("specs", "unknown field; did you mean spec?"),
        ("spec.markers", "unknown field here; it exists as spec.tests.markers"),
        ("spec.tests.buckets", "unknown field here; it exists as spec.services.<name>.buckets"),
        ("spec.timeouts.xyzzy", "unknown field; there are environment, tests"),
        ("spec.services.postgres.xyzzy", "unknown field"),
        ("spec.nothing.xyzzy", "unknown field"),
    ],
)
def test_unknown_fields_come_with_what_was_probably_meant(path: str, text: str) -> None:
    assert unknown_field(parse_path(path)) == text


def test_all_unknown_fields_of_one_answer_are_reported() -> None:
    message = (
        'IntegrationRun in version "v1alpha1" cannot be handled as a IntegrationRun: strict decoding error: '
        'unknown field "spec.tests.marker", unknown field "spec.env[0].valeu"'
    )
    assert unknown_fields(message) == [
        FieldProblem(("spec", "tests", "marker"), "unknown field; did you mean markers?"),
        FieldProblem(("spec", "env", 0, "valeu"), "unknown field; did you mean value?"),
    ]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("Required value", MISSING),
        (
            'Invalid value: "string": spec.tests.maxFail in body must be of type integer: "string"',
            "must be a whole number, not text",
        ),
        (
            'Invalid value: "integer": spec.services.postgres.version in body must be of type string: "integer"',
            "must be text, not a whole number; put it in quotes",
        ),
        (
            f"Invalid value: \"5 minutes\": spec.timeouts.tests in body should match '{DURATION_PATTERN}'",
            "5 minutes is not a duration; write for example 90s, 5m or 1h30m",
        ),
        (
            "Invalid value: \"My App\": spec.services.postgres.databases[0] in body should match '^[a-z]+$'",
            "My App doesn't match ^[a-z]+$",
        ),
        ("Invalid value: -1: spec.tests.maxFail in body should be greater than or equal to 0",
         "-1 should be greater than or equal to 0"),
        ('Invalid value: "object": ready needs a port', "ready needs a port"),
        ('Invalid value: {"image":"a: b"}: ready needs a port', "ready needs a port"),
        ('Unsupported value: "16": supported values: "17"', "can't be 16; there is 17"),
        ('Unsupported value: "memory": supported values: "Memory", "Disk"', "can't be memory; did you mean Memory?"),
        ("Too many: 21: must have at most 20 items", "too many: must have at most 20 items"),
        ("something that nobody has seen yet", "something that nobody has seen yet"),
    ],
)  # fmt: skip
def test_causes_become_sentences(message: str, text: str) -> None:
    assert cause(message) == text


def test_causes_have_their_paths_and_come_once() -> None:
    causes = [
        ("spec.services[orders-db]", 'Invalid value: "object": type custom needs an image'),
        ("spec.services[orders-db]", 'Invalid value: "object": type custom needs an image'),
        ("<nil>", "Invalid value: null: some validation rules were not checked because the object was invalid"),
    ]
    assert invalid_fields(causes) == [FieldProblem(("spec", "services", "orders-db"), "type custom needs an image")]


def test_a_field_that_is_only_misspelt_is_not_also_missing() -> None:
    unknown = [FieldProblem(("spec", "test"), "unknown field; did you mean tests?")]
    invalid = [FieldProblem(("spec", "tests"), MISSING), FieldProblem(("spec", "apps", "web", "image"), MISSING)]
    assert together(unknown, invalid) == [unknown[0], invalid[1]]


def test_what_else_is_wrong_is_asked_without_the_unknown_fields() -> None:
    run = {"spec": {"test": {}, "env": [{"name": "A", "x": 1}], "apps": {"web": {"image": "a"}}}}
    paths = ("spec.test", "spec.env[0].x", "spec.not.there")
    assert without(run, [FieldProblem(parse_path(path), "") for path in paths]) == {
        "spec": {"env": [{"name": "A"}], "apps": {"web": {"image": "a"}}}
    }
    assert run["spec"]["test"] == {}  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("spec", "tests", "marker"), "run.yaml:7: spec.tests.marker: wrong"),
        (("spec", "tests", "image"), "run.yaml:6: spec.tests.image: wrong"),  # its parent is the nearest that is there
        (("status",), "status: wrong"),
        ((), "wrong"),
    ],
)
def test_a_line_says_where(path: tuple[str, ...], line: str) -> None:
    lines = {("spec",): 5, ("spec", "tests"): 6, ("spec", "tests", "marker"): 7}
    assert FieldProblem(path, "wrong").line("run.yaml", lines) == line
