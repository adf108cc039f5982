"""A bundle over images, and ports that lead to components."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from seatrial.tokens import bundle_token
from tests.unit.environment.support import (
    KEY,
    Manifest,
    case,
    container,
    containers,
    environment_of,
    find,
    make,
    pod_spec,
    render,
    secrets,
)

DIGEST = "8b1a9953c4611296a827abf8c47804d7e6c49c6b97c1d1b3b9d4f5a0c2e3f4a5"
URL = f"http://seatrial-archive.seatrial-system:8080/v1/namespaces/team-a/bundles/{DIGEST}"
LAID = [
    ("Pod", "migrations", "schema"),
    ("Pod", "migrations", "data"),
    ("Deployment", "api", "api"),
    ("Deployment", "proxy", "seatrial-wait"),
    ("Job", "tests", "tests"),
]
CODE = f"code: {{digest: 'sha256:{DIGEST}', mountPath: /app}}\n"


def flags(c: Manifest) -> dict[str, list[str]]:
    """What the launcher is told, by flag."""
    command = c["command"]
    end = command.index("--") if "--" in command else len(command)
    found: dict[str, list[str]] = {}
    for flag, value in pairwise(command[:end]):
        if flag.startswith("--"):
            found.setdefault(flag, []).append(value)
    return found


@pytest.mark.parametrize(("kind", "name", "which"), LAID)
def test_launchers_fetch_the_bundle_over_the_files_of_the_image(kind: str, name: str, which: str) -> None:
    laid = container(case("code"), kind, name, which)
    told = flags(laid)
    assert (told["--bundle"], told["--bundle-digest"]) == ([URL], [f"sha256:{DIGEST}"])
    assert (told["--bundle-target"], told["--workdir"]) == (["/app"], ["/seatrial-image/app:/app"])
    paths = {m["mountPath"]: m for m in laid["volumeMounts"]}
    assert "readOnly" not in paths["/app"]
    assert paths["/seatrial-image"]["readOnly"]
    assert environment_of(case("code"), kind, name, which)["SEATRIAL_BUNDLE_TOKEN"] == bundle_token(
        KEY, "team-a", DIGEST
    )


@pytest.mark.parametrize(("kind", "name", "which"), [("Pod", "migrations", "own"), ("Deployment", "mail", "mail")])
def test_what_wants_no_code_has_none(kind: str, name: str, which: str) -> None:
    result = case("code")
    assert "/app" not in [m["mountPath"] for m in container(result, kind, name, which)["volumeMounts"]]
    assert "SEATRIAL_BUNDLE_TOKEN" not in environment_of(result, kind, name, which)


def test_an_own_entry_point_sees_what_its_init_container_has_laid() -> None:
    app = container(case("code"), "Deployment", "proxy")
    assert {"/app", "/seatrial-image"} <= {m["mountPath"] for m in app["volumeMounts"]}
    assert "command" not in app
    assert "workingDir" not in app
    assert "SEATRIAL_BUNDLE_TOKEN" not in environment_of(case("code"), "Deployment", "proxy")


def test_each_migration_has_a_copy_of_its_own() -> None:
    pod = find(case("code"), "Pod", "migrations")
    at = {c["name"]: {m["mountPath"]: m["name"] for m in c["volumeMounts"]} for c in containers(pod)}
    assert (at["schema"]["/app"], at["data"]["/app"]) == ("code-0", "code-1")
    images = {v["name"]: v["image"]["reference"] for v in pod_spec(pod)["volumes"] if "image" in v}
    assert images[at["data"]["/seatrial-image"]] == "registry.example/base:1"


def test_no_variable_can_refer_to_the_token() -> None:
    for kind, name, which in LAID:
        assert container(case("code"), kind, name, which)["env"][-1]["name"] == "SEATRIAL_BUNDLE_TOKEN"


def test_the_token_is_in_the_secret_and_is_masked() -> None:
    token = bundle_token(KEY, "team-a", DIGEST)
    assert secrets(render(make(CODE)))["seatrial-credentials"] == {"bundle-token": token}
    assert token in secrets(case("code"))["seatrial-upload"]["masks"]


def test_where_images_cannot_be_mounted_an_init_container_copies_their_files() -> None:
    result = case("code-copied")
    for kind, name, copies in (
        (
            "Pod",
            "migrations",
            {"seatrial-code-0": "registry.example/base:1", "seatrial-code-1": "registry.example/base:1"},
        ),
        ("Deployment", "api", {"seatrial-code": "registry.example/base:1"}),
        ("Deployment", "proxy", {"seatrial-code": "registry.example/proxy:1"}),
        ("Job", "tests", {"seatrial-code": "registry.example/base:1"}),
    ):
        init = [c for c in containers(find(result, kind, name)) if c["name"].startswith("seatrial-code")]
        assert {c["name"]: c["image"] for c in init} == copies
        for c in init:
            assert c["command"] == ["/seatrial/launch", "workdir", "--optional", "/app", "/seatrial-target"]
    for kind, name, which in LAID:
        told = flags(container(result, kind, name, which))
        assert "--workdir" not in told
        assert told["--bundle-target"] == ["/app"]


@pytest.mark.parametrize(
    ("tests", "working_dir", "chdir", "collected", "below"),
    [
        ("{}", "/app", None, "code", None),
        ("{workingDir: /app/}", "/app", None, "code", None),
        ("{workingDir: /app/tests/int}", "/app", "/app/tests/int", "code", "tests/int"),
        ("{workingDir: /srv/suite}", "/srv/suite", None, "workdir", None),
        ("{source: {configMapRef: {name: hello}}}", "/tests", None, "tests", None),
    ],
)
def test_the_tests_working_directory(
    tests: str, working_dir: str, chdir: str | None, collected: str, below: str | None
) -> None:
    result = render(make(f"{CODE}tests: {tests}"))
    job = container(result, "Job", "tests")
    assert job["image"] == "seatrial/pytest:0.1.0"
    assert job["workingDir"] == working_dir
    assert flags(job).get("--chdir") == ([chdir] if chdir else None)
    collector = container(result, "Job", "tests", "collector")
    (mount,) = [m for m in collector["volumeMounts"] if m["mountPath"] == "/artifacts"]
    assert (mount["name"], mount.get("subPath")) == (collected, None)
    assert environment_of(result, "Job", "tests", "collector").get("SEATRIAL_ARTIFACTS_BELOW") == below


def test_code_inside_the_tests_working_directory_is_collected_with_it() -> None:
    spec = f"code: {{digest: 'sha256:{DIGEST}', mountPath: /app/src}}\ntests: {{image: i, workingDir: /app}}"
    result = render(make(spec))
    assert flags(container(result, "Job", "tests"))["--workdir"] == [
        "/seatrial-image/app:/app", "/seatrial-image/app/src:/app/src",
    ]  # fmt: skip
    mounts = container(result, "Job", "tests", "collector")["volumeMounts"]
    at = {m["mountPath"]: m["name"] for m in mounts}
    assert (at["/artifacts"], at["/artifacts/src"]) == ("workdir", "code")


def reaching_the_archive(result: Any) -> list[str]:
    selector = find(result, "NetworkPolicy", "results")["spec"]["podSelector"]
    (expression,) = selector["matchExpressions"]
    assert (expression["key"], expression["operator"]) == ("seatrial.dev/component", "In")
    return list(expression["values"])


def test_only_pods_with_code_reach_the_archive() -> None:
    assert reaching_the_archive(case("code")) == ["migrations", "api", "proxy", "tests"]
    without = "apps: {a: {image: i, code: false}}\nmigrations: [{name: m, image: i, command: [c], code: false}]"
    assert reaching_the_archive(render(make(CODE + without))) == ["tests"]


FORWARDS = """
services: {postgres: {}, mail: {type: custom, image: i, ports: {smtp: 1025, http: 8025}}}
apps: {api: {image: i, command: [a], port: 8000, ports: {metrics: 9090}, forwards: %s},
       web: {image: i, ports: {http: 3000, admin: 3001}}}
migrations: [{name: m, image: i, command: [c], forwards: %s}, {name: n, image: i, command: [c]}]
forwards: {"15432": postgres, "8025": mail, "1025": "mail:smtp", "19090": "api:metrics",
           "8000": api, "3000": "web:http"}
"""
ALL = ["1025=mail:1025", "3000=web:3000", "8000=api:8000", "8025=mail:8025", "15432=postgres:5432", "19090=api:9090"]


def test_forwards_lead_to_main_ports_and_to_named_ones() -> None:
    result = render(make(FORWARDS % ("false", "false")))
    assert flags(container(result, "Job", "tests"))["--forward"] == ALL
    assert "--forward" not in flags(container(result, "Deployment", "api"))
    assert "--forward" not in flags(container(result, "Pod", "migrations", "m"))


def test_a_forward_to_the_app_itself_stays_in_its_pod() -> None:
    result = render(make(FORWARDS % ("true", "true")))
    own = [*(each for each in ALL if "api" not in each), "19090=127.0.0.1:9090"]
    assert flags(container(result, "Deployment", "api"))["--forward"] == own
    assert flags(container(result, "Pod", "migrations", "m"))["--forward"] == ALL
    assert "--forward" not in flags(container(result, "Pod", "migrations", "n"))


def test_ports_that_only_root_may_take_are_opened_where_they_are_forwarded() -> None:
    low = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    found = {
        m["metadata"]["name"]: pod_spec(m)["securityContext"].get("sysctls")
        for m in case("code").workloads
        if m["metadata"]["name"] != "postgres"
    }
    assert found == {"migrations": low, "api": low, "mail": None, "proxy": None, "tests": low}
    assert "sysctls" not in pod_spec(find(render(make(FORWARDS % ("true", "true"))), "Job", "tests"))["securityContext"]


ITEMS = """
services: {postgres: {initSQL: {configMapRef: {name: seed-sql, items: [{key: 10-tables.sql, path: a/tables.sql}]}}}}
tests: {source: {configMapRef: {name: hello, items: [{key: test_hello.py, path: unit/test_hello.py}]}}}
"""


@pytest.mark.parametrize(
    ("kind", "workload", "volume", "copy", "item"),
    [
        ("Job", "tests", "source", "tests-source", {"key": "test_hello.py", "path": "unit/test_hello.py"}),
        ("Pod", "postgres", "initdb", "init-postgres", {"key": "10-tables.sql", "path": "a/tables.sql"}),
    ],
)
def test_files_of_a_config_map_have_folders(
    kind: str, workload: str, volume: str, copy: str, item: dict[str, str]
) -> None:
    result = render(make(ITEMS))
    (found,) = [v for v in pod_spec(find(result, kind, workload))["volumes"] if v["name"] == volume]
    assert found["configMap"] == {"name": copy, "items": [item]}
    assert list(find(result, "ConfigMap", copy)["data"]) == [item["key"]], "and the environment has no other key"
