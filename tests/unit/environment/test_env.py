"""What the processes of the system find in their environment."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from seatrial.api.container import EnvVar
from seatrial.environment import secrets as secret_values
from seatrial.environment.expansion import literal, merged, references
from seatrial.settings import Settings
from tests.unit.environment.support import (
    CASES,
    all_containers,
    case,
    container,
    environment_of,
    expand,
    make,
    render,
    secrets,
    seen,
)


@pytest.mark.parametrize("name", CASES)
def test_every_reference_is_to_an_earlier_variable(name: str) -> None:
    for where, c in all_containers(case(name)):
        known: set[str] = set()
        for entry in c.get("env", ()):
            assert set(references(entry.get("value", ""))) <= known, f"{where}: {entry}"
            assert entry["name"] not in known, f"{where}: {entry['name']} twice"
            known.add(entry["name"])
        for word in (*c.get("command", ()), *c.get("args", ())):
            assert set(references(word)) <= known, f"{where}: {word}"
            for variable in re.findall(r"password-env=(\w+)", word):
                assert variable in known, f"{where}: {word}"


SYSTEM = [
    ("Pod", "migrations", "schema"),
    ("Deployment", "controller", "controller"),
    ("Deployment", "worker", "worker"),
    ("Job", "tests", "tests"),
]


@pytest.mark.parametrize(("kind", "name", "which"), SYSTEM)
def test_contract(kind: str, name: str, which: str) -> None:
    result = case("full")
    values = environment_of(result, kind, name, which)
    secret = secrets(result)["seatrial-credentials"]
    url = f"postgresql://postgres:{secret['postgres-password']}@postgres:5432/app"
    expected = {
        "IS_INTEGRATION_TEST": "true",
        "SEATRIAL_RUN": "pr-1234",
        "SEATRIAL_RUN_UID": "22222222-3333-4444-5555-666666666666",
        "PROVIDERS_MODE": "mock",
        "HOME": "/tmp",
        "PGHOST": "postgres",
        "PGPORT": "5432",
        "PGUSER": "postgres",
        "PGPASSWORD": secret["postgres-password"],
        "PGDATABASE": "app",
        "POSTGRES_URL": url,
        "DATABASE_URL": url,
        "S3_ENDPOINT": "http://minio:9000",
        "S3_ACCESS_KEY": secret["minio-access-key"],
        "S3_SECRET_KEY": secret["minio-secret-key"],
        "S3_BUCKET": "artifacts",
        "AWS_ENDPOINT_URL": "http://minio:9000",
        "AWS_ACCESS_KEY_ID": secret["minio-access-key"],
        "AWS_SECRET_ACCESS_KEY": secret["minio-secret-key"],
        "AWS_REGION": "us-east-1",
        "TEMPORAL_ADDRESS": "temporal:7233",
        "TEMPORAL_URL": "temporal:7233",
        "TEMPORAL_NAMESPACE": "orders",
        "REDIS_URL": f"redis://:{secret['redis-password']}@redis:6379/0",
        "CONTROLLER_URL": "http://controller:8000",
        "FRONTEND_URL": "http://frontend:8080",
        "SQLALCHEMY_URL": f"postgresql+asyncpg://postgres:{secret['postgres-password']}@postgres/app",
    }
    assert {key: values.get(key) for key in expected} == expected
    assert "WORKER_URL" not in values  # it has no port


def test_services_have_the_credentials_of_the_variables() -> None:
    result = case("full")
    shown = environment_of(result, "Job", "tests", "tests")
    assert environment_of(result, "Pod", "postgres") == {
        "POSTGRES_PASSWORD": shown["PGPASSWORD"],
        "POSTGRES_DATABASES": "app audit",
        "POSTGRES_EXTENSIONS": "pgcrypto vector",
    }
    assert environment_of(result, "Pod", "minio") == {
        "MINIO_ROOT_USER": shown["S3_ACCESS_KEY"],
        "MINIO_ROOT_PASSWORD": shown["S3_SECRET_KEY"],
        "MINIO_BUCKETS": "artifacts receipts",
    }
    assert environment_of(result, "Pod", "redis") == {"REDIS_PASSWORD": shown["REDIS_URL"][9:41]}


def test_own_variables_of_each_part() -> None:
    result = case("full")
    assert environment_of(result, "Deployment", "controller")["LOG_LEVEL"] == "info"
    assert environment_of(result, "Deployment", "worker")["LOG_LEVEL"] == "debug"
    assert environment_of(result, "Pod", "migrations", "data")["SEED"] == "1"
    assert "SEED" not in environment_of(result, "Pod", "migrations", "schema")
    tests = environment_of(result, "Job", "tests", "tests")
    assert tests["BASE_URL"] == "http://controller:8000/api"
    assert tests["SEATRIAL_EVENTS"] == "/results/events.jsonl"
    assert float(tests["SEATRIAL_TEST_TIMEOUT"]) == 90


def test_a_variable_names_the_shared_volume() -> None:
    result = case("full")
    for kind, name, which in SYSTEM:
        shown = environment_of(result, kind, name, which).get("WORKER_SESSIONS_DIR")
        mounted = any(m["mountPath"] == "/sessions" for m in container(result, kind, name, which)["volumeMounts"])
        assert (shown == "/sessions") == mounted == (name != "migrations"), name


def test_only_the_tests_are_a_shard() -> None:
    result = case("full")
    shards = [
        (where, e["valueFrom"]["fieldRef"]["fieldPath"])
        for where, c in all_containers(result)
        for e in c.get("env", ())
        if e["name"] == "SEATRIAL_SHARD"
    ]
    assert shards == [("Job/tests/tests", "metadata.annotations['batch.kubernetes.io/job-completion-index']")]


def test_further_services_of_a_type_have_their_own_prefix() -> None:
    result = case("several")
    values = environment_of(result, "Job", "tests", "tests")
    secret = secrets(result)["seatrial-credentials"]
    password = secret["orders-db-password"]
    expected = {
        "PGHOST": "postgres",  # the one named like the type, although orders-db comes first
        "PGDATABASE": "app",
        "ORDERS_DB_PGHOST": "orders-db",
        "ORDERS_DB_PGPASSWORD": password,
        "ORDERS_DB_PGDATABASE": "orders",
        "ORDERS_DB_DATABASE_URL": f"postgresql://postgres:{password}@orders-db:5432/orders",
        "ORDERS_DB_POSTGRES_URL": f"postgresql://postgres:{password}@orders-db:5432/orders",
        "S3_ENDPOINT": "http://minio:9000",
        "S3_BUCKET": None,  # minio has no bucket
        "ARCHIVE_S3_ENDPOINT": "http://archive:9000",
        "ARCHIVE_S3_BUCKET": "old",
        "ARCHIVE_AWS_SECRET_ACCESS_KEY": secret["archive-secret-key"],
        "REDIS_URL": f"redis://:{secret['cache-password']}@cache:6379/0",  # the first by name
        "QUEUE_REDIS_URL": f"redis://:{secret['queue-password']}@queue:6379/0",
        "TEMPORAL_ADDRESS": "workflows:7233",
        "TEMPORAL_NAMESPACE": "default",
    }
    assert {key: values.get(key) for key in expected} == expected


def test_credentials_that_the_run_gives_are_used_and_not_masked() -> None:
    run = make(
        "services: {postgres: {user: app, password: secret, databases: [app]}, "
        "minio: {user: minioadmin, password: minioadmin}, redis: {password: ''}}"
    )
    shown = environment_of(render(run), "Job", "tests", "tests")
    assert shown["POSTGRES_URL"] == "postgresql://app:secret@postgres:5432/app"
    assert (shown["AWS_ACCESS_KEY_ID"], shown["AWS_SECRET_ACCESS_KEY"]) == ("minioadmin", "minioadmin")
    assert shown["AWS_DEFAULT_REGION"] == shown["AWS_REGION"] == "us-east-1"
    assert shown["REDIS_URL"] == "redis://redis:6379/0"
    assert secret_values.masks(run.scope, run.spec, Settings(key=b"k" * 32)) == ()


def test_no_service_gets_the_credentials_of_others() -> None:
    run = make("services: {postgres: {}, other: {type: custom, image: i, ports: {sql: 5432}}}")
    assert environment_of(render(run), "Pod", "other") == {"HOME": "/tmp"}


def test_custom_service_is_announced() -> None:
    values = environment_of(case("readiness"), "Job", "tests", "tests")
    expected = {
        "BY_HTTP_HOST": "by-http",
        "BY_HTTP_PORT": "8080",
        "BY_HTTP_PORT_HTTP": "8080",
        "BY_HTTP_PORT_ADMIN": "4000",
        "BY_HTTP_URL": "http://by-http:8080",
        "BY_DEFAULT_URL": "http://by-default:7000",
        "PORTLESS_HOST": None,
    }
    assert {key: values.get(key) for key in expected} == expected


def test_custom_service_has_its_own_variables() -> None:
    assert environment_of(case("readiness"), "Pod", "by-http") == {"PROJECT": "demo", "HOME": "/tmp/home"}


def test_order_of_fields_does_not_matter() -> None:
    specs = [
        "services: {b: {type: redis}, a: {type: redis}, c: {type: custom, image: i, ports: {x: 1, y: 2}}}",
        "services: {c: {type: custom, image: i, ports: {y: 2, x: 1}}, a: {type: redis}, b: {type: redis}}",
    ]
    first, second = (render(make(spec)) for spec in specs)
    assert first == second
    assert "@a:6379" in environment_of(first, "Job", "tests", "tests")["REDIS_URL"]


def values(**pairs: str) -> list[dict[str, Any]]:
    return [{"name": name, "value": value} for name, value in pairs.items()]


BASE = values(A="1", B="$(A)-b", C="$(B)-$$(A)-$(NOPE)")
OVERRIDES = [
    [],
    [("D", "$(A)$(B)$(C)")],
    [("A", "2")],
    [("A", "$(A)2"), ("D", "$(A) $(B)")],
    [("B", "$(C)+$(B)"), ("C", "$(B)/$(C)")],
    [("C", "$(C)?x=1"), ("C", "$(C)&y=2")],
    [("A", "x"), ("A", "$(A)y"), ("B", "$(B)$(A)"), ("D", "$(B)$$(B)")],
    [("D", "$(E)"), ("E", "e"), ("D", "$(D)$(E)")],
]


@pytest.mark.parametrize("given", OVERRIDES, ids=str)
def test_each_name_once_means_the_same_as_twice(given: list[tuple[str, str]]) -> None:
    variables = [EnvVar(name=name, value=value) for name, value in given]
    for cut in range(len(given) + 1):
        once = merged(BASE, variables[:cut], variables[cut:])
        assert len({e["name"] for e in once}) == len(once)
        assert seen(once) == seen([*BASE, *({"name": n, "value": v} for n, v in given)])


def test_every_variable_of_the_contract_can_be_replaced() -> None:
    """Also those that others refer to: a run may give an app a database role of its own."""
    plain = environment_of(render(make("services: {postgres: {}, redis: {}}")), "Job", "tests", "tests")
    for name in plain:
        if name.startswith("SEATRIAL_"):
            continue
        run = make(f"services: {{postgres: {{}}, redis: {{}}}}\nenv: [{{name: {name}, value: mine}}]")
        assert environment_of(render(run), "Job", "tests", "tests") == plain | {name: "mine"}


def test_gates_know_passwords_whatever_the_variables_say() -> None:
    run = make("services: {postgres: {}}\nenv: [{name: PGPASSWORD, value: of-another-role}]")
    tests = container(render(run), "Job", "tests")
    (variable,) = re.findall(r"password-env=(\w+)", " ".join(tests["command"]))
    secret = secrets(render(run))["seatrial-credentials"]
    assert environment_of(render(run), "Job", "tests")[variable] == secret["postgres-password"]


@pytest.mark.parametrize("text", ["$", "$$", "$(A)", "$$(A)", "a$(A", "$x", "", "test[$(A)-$$]"])
def test_literal_text_stays_as_it_is(text: str) -> None:
    assert expand(literal(text), {"A": "expanded"}) == text


def test_references_of_escaped_text() -> None:
    texts = ["$(A)", "$$(A)", "$$$(A)", "$(A)$(B)", "$(A"]
    assert [references(text) for text in texts] == [("A",), (), ("A",), ("A", "B"), ()]


def test_contract_is_first_and_own_variables_are_last() -> None:
    names = [e["name"] for e in container(case("full"), "Deployment", "controller")["env"]]
    positions = [names.index(name) for name in ("PGHOST", "CONTROLLER_URL", "SQLALCHEMY_URL", "LOG_LEVEL")]
    assert all(a < b for a, b in itertools.pairwise(positions))
