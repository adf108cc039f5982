"""How the parts of the environment are started, and what they wait for."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from seatrial.environment.file_sources import config_map_names
from seatrial.environment.manifests import Inputs, environment
from seatrial.settings import Settings
from tests.unit.environment.support import (
    CASES,
    KEY,
    NOW,
    case,
    container,
    containers,
    expand,
    find,
    inside,
    load,
    make,
    pod_spec,
    pod_templates,
    render,
    secrets,
    waits,
)

SERVICES = {
    "minio": "s3://minio:9000",
    "postgres": "postgres://postgres@postgres:5432/app?password-env=SEATRIAL_POSTGRES_PASSWORD",
    "redis": "redis://redis:6379?password-env=SEATRIAL_REDIS_PASSWORD",
    "temporal": "temporal://temporal:7233?namespace=orders&namespace=default",
}
MIGRATIONS = {"migrations": "tcp://migrations:7070"}
APPS = {
    "controller": "http://controller:8000/health",
    "frontend": "http://frontend:8081/ready?deep=1",
    "replicated": "grpc://replicated:9090/orders.v1.Orders",
    "worker": "dns://worker",
}


@pytest.mark.parametrize(
    ("kind", "name", "which", "expected"),
    [
        ("Pod", "migrations", "schema", SERVICES),
        ("Pod", "migrations", "data", SERVICES | {"schema": "tcp://127.0.0.1:7070"}),
        ("Deployment", "controller", "controller", SERVICES | MIGRATIONS),
        ("Deployment", "worker", "worker", SERVICES | MIGRATIONS),
        ("Deployment", "frontend", "seatrial-wait", SERVICES | MIGRATIONS),
        ("Job", "tests", "tests", SERVICES | MIGRATIONS | APPS),
    ],
)
def test_gates(kind: str, name: str, which: str, expected: dict[str, str]) -> None:
    gated = container(case("full"), kind, name, which)
    assert waits(gated) == expected
    assert gated["command"][gated["command"].index("--timeout") + 1] == "2m30s"


def test_gates_of_custom_services() -> None:
    assert waits(container(case("readiness"), "Job", "tests")) == {
        "by-default": "tcp://by-default:7000",
        "by-exec": "tcp://by-exec:3306",
        "by-grpc": "grpc://by-grpc:50051/emulator.v1.Api",
        "by-http": "http://by-http:8080/",
        "by-tcp": "tcp://by-tcp:5672",
        "portless": "dns://portless",
    }


ASKED = """
apps:
  api:
    image: i
    command: [serve]
    port: 443
    replicas: %d
    ready:
      httpGet:
        path: "/ready?a=$(B)"
        scheme: HTTPS
        httpHeaders: [{name: Host, value: orders.example}, {name: X-Api-Key, value: "a b&c=$(D)#e"}]
"""


def test_scheme_and_headers_of_readiness_are_asked_with() -> None:
    gate = waits(container(render(make(ASKED % 1)), "Job", "tests"))["api"]
    assert gate == "https://api:443/ready?a=$$(B)#Host=orders.example&X-Api-Key=a%20b%26c%3D%24%28D%29%23e"
    replicated = container(render(make(ASKED % 2)), "Deployment", "api")["readinessProbe"]["httpGet"]
    headers = [{"name": "Host", "value": "orders.example"}, {"name": "X-Api-Key", "value": "a b&c=$(D)#e"}]
    assert replicated == {"path": "/ready?a=$(B)", "port": 443, "scheme": "HTTPS", "httpHeaders": headers}


def test_a_secret_header_is_masked() -> None:
    masks = json.loads(secrets(render(make(ASKED % 1)))["seatrial-upload"]["masks"])
    assert any("a b&c=" in mask for mask in masks)
    assert not any("orders.example" in mask for mask in masks)


def test_command_runs_under_the_launcher_with_its_args() -> None:
    controller = container(case("full"), "Deployment", "controller")
    command = controller["command"]
    assert command[:2] == ["/seatrial/launch", "run"]
    assert command[command.index("--") + 1 :] == ["uvicorn", "controller.main:app", "--host", "0.0.0.0"]
    assert controller["args"] == ["--port", "8000"]
    assert controller["workingDir"] == "/app"


def test_image_without_command_keeps_its_entry_point() -> None:
    result = case("copy")
    app = container(result, "Deployment", "own-entry-point")
    assert "command" not in app
    assert app["args"] == ["--verbose"]
    assert container(result, "Deployment", "own-entry-point", "seatrial-wait")["command"][:2] == [
        "/seatrial/launch",
        "wait",
    ]


def test_nothing_to_wait_for_needs_no_init_container() -> None:
    app = find(render(make("apps: {web: {image: i}}")), "Deployment", "web")
    assert [c["name"] for c in containers(app)] == ["web"]


def test_each_migration_has_a_beacon_and_the_service_leads_to_the_last() -> None:
    result = case("full")
    commands = [container(result, "Pod", "migrations", step)["command"] for step in ("schema", "data")]
    assert [c[-4:] for c in commands] == [["--", "alembic", "upgrade", "head"], ["--", "python", "-m", "app.seed"]]
    assert [c[c.index("--beacon") + 1] for c in commands] == [":7070", ":7071"]
    (port,) = find(result, "Service", "migrations")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (7070, 7071)


def test_tools_come_from_the_image_where_the_cluster_can() -> None:
    pod = pod_spec(find(case("full"), "Job", "tests"))
    (volume,) = [v for v in pod["volumes"] if v["name"] == "seatrial-tools"]
    assert volume["image"] == {"reference": "seatrial/runner:0.1.0", "pullPolicy": "IfNotPresent"}
    (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "seatrial-tools"]
    assert mount == {"name": "seatrial-tools", "mountPath": "/seatrial", "subPath": "seatrial", "readOnly": True}


def test_tools_are_copied_where_it_can_not() -> None:
    result = case("copy")
    job = pod_spec(find(result, "Job", "tests"))
    assert [c["name"] for c in job["initContainers"]] == ["seatrial-tools", "collector"]
    assert job["initContainers"][0]["command"] == ["/seatrial/launch", "copy", "/seatrial", "/target"]
    (volume,) = [v for v in job["volumes"] if v["name"] == "seatrial-tools"]
    assert volume == {"name": "seatrial-tools", "emptyDir": {"sizeLimit": "128Mi"}}
    (mount,) = [m for m in job["containers"][0]["volumeMounts"] if m["name"] == "seatrial-tools"]
    assert mount == {"name": "seatrial-tools", "mountPath": "/seatrial", "readOnly": True}
    # The gate of an image's own entry point runs in the runner image, which has the launcher.
    assert [c["name"] for c in containers(find(result, "Deployment", "own-entry-point"))] == [
        "seatrial-wait",
        "own-entry-point",
    ]


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_ever_restarted_but_apps_and_the_collector(name: str) -> None:
    result = case(name)
    for workload in result.workloads:
        expected = "Always" if workload["kind"] == "Deployment" else "Never"
        assert pod_spec(workload)["restartPolicy"] == expected
        for c in containers(workload):
            assert c.get("restartPolicy") == ("Always" if c["name"] == "collector" else None)
            assert "livenessProbe" not in c
            assert c["terminationMessagePolicy"] == "FallbackToLogsOnError"
    job = find(result, "Job", "tests")["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 1, 1)
    assert (job["backoffLimit"], job["podReplacementPolicy"]) == (0, "Failed")
    assert "activeDeadlineSeconds" not in job


def test_collector_has_time_to_upload_and_services_end_at_once() -> None:
    result = case("full")
    grace = {m["metadata"]["name"]: pod_spec(m)["terminationGracePeriodSeconds"] for m in result.workloads}
    assert grace.pop("tests") > 60
    assert set(grace.values()) == {1}


PYTEST = ["-m", "pytest", "-p", "seatrial_runner.plugin", "-o", "cache_dir=/tmp/pytest-cache"]


@pytest.mark.parametrize(
    ("tests", "expected", "working_dir"),
    [
        ("image: i", [], None),
        ("source: {configMapRef: {name: hello}}", [], "/tests"),
        ("image: i\nsource: {configMapRef: {name: hello}}", [], "/tests"),
        ("image: i\nsource: {configMapRef: {name: hello}}\nworkingDir: /app", ["/tests"], "/app"),
        ("source: {configMapRef: {name: hello}}\nworkingDir: /app/\npaths: [/tests/test_hello.py]",
         ["/tests/test_hello.py"], "/app"),
        (
            "image: i\nmarkers: a and not b\nkeywords: x or y\nmaxFail: 2\nargs: [-v, --color=yes]\npaths: [a, 'b::c']",
            ["-m", "a and not b", "-k", "x or y", "--maxfail=2", "-v", "--color=yes", "a", "b::c"],
            None,
        ),
        ("image: i\nkeywords: $(HOME)\npaths: ['t.py::test[$(HOME)-$$]']", ["-k", "$(HOME)", "t.py::test[$(HOME)-$$]"],
         None),
        ("image: i\nargs: [--base-url=$(HOME)]", ["--base-url=/tmp"], None),
    ],
)  # fmt: skip
def test_pytest(tests: str, expected: list[str], working_dir: str | None) -> None:
    indented = "\n".join(f"  {line}" for line in tests.splitlines())
    found = container(render(make(f"tests:\n{indented}")), "Job", "tests")
    command = [expand(word, {"HOME": "/tmp"}) for word in found["command"]]
    assert command[command.index("--") + 1 :] == [*PYTEST, *expected]
    assert found.get("workingDir") == working_dir


def test_launcher_of_the_tests_records_what_the_collector_reads() -> None:
    job = find(case("full"), "Job", "tests")
    tests, collector = (next(c for c in containers(job) if c["name"] == n) for n in ("tests", "collector"))
    command = tests["command"]
    flags = dict(pairwise(command))
    assert "--python" in command
    assert flags["--record"] == "/results/exit.json"
    assert flags["--key"] == "/results/launcher.key"
    assert flags["--output"] == "/results/output.log"
    assert flags["--gates"] == "/results/gates.jsonl"
    assert flags["--run-timeout"] == "45m"
    assert flags["--prepend-env"] == "PYTHONPATH=/seatrial/python"
    for c in (tests, collector):
        assert {"name": "results", "mountPath": "/results"} in c["volumeMounts"]


def test_source_is_copied_where_it_can_be_written() -> None:
    tests = container(case("minimal"), "Job", "tests")
    command = tests["command"]
    assert tests["image"] == "seatrial/pytest:0.1.0"
    assert command[command.index("--copy") + 1] == "/seatrial-source:/tests"
    assert {"name": "tests", "mountPath": "/tests"} in tests["volumeMounts"]
    assert find(case("minimal"), "ConfigMap", "tests-source")["data"].keys() == {"test_hello.py", "conftest.py"}


def work_dir_mounts(spec: str) -> tuple[dict[str, str], dict[str, str]]:
    """Volume and sub path by path, in the tests' container and in the collector's folder of artifacts."""
    job = find(render(make(spec)), "Job", "tests")
    tests, collector = (next(c for c in containers(job) if c["name"] == n) for n in ("tests", "collector"))
    volumes = ("workdir", "tests", "shared", "code", "image")

    def by_path(mounts: list[dict[str, Any]]) -> dict[str, str]:
        return {m["mountPath"]: "/".join((m["name"], *m.get("subPath", "").split("/"))).rstrip("/") for m in mounts}

    own = by_path([m for m in tests["volumeMounts"] if m["name"] in volumes])
    theirs = by_path([m for m in collector["volumeMounts"] if m["mountPath"].startswith("/artifacts")])
    return own, theirs


IMAGE_MOUNT = {"/seatrial-image": "image"}
SOURCE = "source: {configMapRef: {name: hello}}"


@pytest.mark.parametrize(
    ("tests", "shared", "own", "theirs"),
    [
        ("image: i", None, {}, {}),
        ("image: i, workingDir: /usr", None, {}, {}),
        ("image: i, workingDir: /app/./x/", None, {"/app/x": "workdir", **IMAGE_MOUNT}, {"/artifacts": "workdir"}),
        ("image: i, workingDir: /tmp/x", None, {}, {"/artifacts": "tmp/x"}),
        (SOURCE, None, {"/tests": "tests"}, {"/artifacts": "tests"}),
        (f"{SOURCE}, workingDir: /tests/unit", None, {"/tests": "tests"}, {"/artifacts": "tests/unit"}),
        (f"{SOURCE}, workingDir: /app", None, {"/tests": "tests", "/app": "workdir", **IMAGE_MOUNT},
         {"/artifacts": "workdir"}),
        ("image: i, workingDir: /app", "/app/logs", {"/app": "workdir", "/app/logs": "shared", **IMAGE_MOUNT},
         {"/artifacts": "workdir", "/artifacts/logs": "shared"}),
        ("image: i, workingDir: /app", "/data", {"/app": "workdir", "/data": "shared", **IMAGE_MOUNT},
         {"/artifacts": "workdir"}),
        ("image: i, workingDir: /data/s, paths: [/x]", "/data", {"/data": "shared"}, {"/artifacts": "shared/s"}),
    ],
)  # fmt: skip
def test_the_working_directory_is_writable_and_collected(
    tests: str, shared: str | None, own: dict[str, str], theirs: dict[str, str]
) -> None:
    spec = f"tests: {{{tests}}}"
    if shared:
        spec += f"\nsharedVolume: {{mountPath: {shared}}}"
    assert work_dir_mounts(spec) == (own, theirs)


def test_the_image_has_what_the_writable_working_directory_begins_with() -> None:
    command = container(render(make("tests: {image: i, workingDir: /app}")), "Job", "tests")["command"]
    assert command[command.index("--workdir") + 1] == "/seatrial-image/app:/app"


def test_users_of_the_system_have_a_name_in_any_image() -> None:
    result = case("full")
    for kind, name, which in (
        ("Pod", "migrations", "schema"),
        ("Deployment", "controller", "controller"),
        ("Job", "tests", "tests"),
    ):
        c = container(result, kind, name, which)
        assert {m["mountPath"] for m in c["volumeMounts"] if m["name"] == "users"} == {"/etc/passwd", "/etc/group"}
        annotations = (
            find(result, kind, name)
            .get("spec", {})
            .get("template", find(result, kind, name))["metadata"]["annotations"]
        )
        assert "nonroot:x:65532:65532:nonroot:/tmp:/bin/sh" in annotations["seatrial.dev/passwd"].splitlines()


def test_shared_memory_has_the_size_that_is_asked_for() -> None:
    job = find(render(make("tests: {image: i, sharedMemory: 1Gi}")), "Job", "tests")
    (volume,) = (v for v in job["spec"]["template"]["spec"]["volumes"] if v["name"] == "shared-memory")
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}


def test_apps_have_several_ports_and_an_order() -> None:
    run = make(
        "apps: {auth: {image: i, port: 8000, ports: {metrics: 9100, grpc: 50051}, "
        "ready: {grpc: {port: grpc}}, command: [a]}, "
        "gateway: {image: i, ports: {admin: 81, http: 80}, after: [auth], command: [g]}}"
    )
    result = render(run)
    assert {p["name"]: p["port"] for p in find(result, "Service", "auth")["spec"]["ports"]} == {
        "app": 8000, "metrics": 9100, "grpc": 50051,
    }  # fmt: skip
    gateway = container(result, "Deployment", "gateway")
    assert "auth=grpc://auth:50051" in gateway["command"]
    variables = {e["name"]: e.get("value") for e in gateway["env"]}
    assert (variables["AUTH_URL"], variables["AUTH_PORT_METRICS"]) == ("http://auth:8000", "9100")
    assert (variables["GATEWAY_URL"], variables["GATEWAY_PORT_ADMIN"]) == ("http://gateway:80", "81")
    assert not any(word.startswith("gateway=") for word in container(result, "Deployment", "auth")["command"])


def test_a_custom_service_waits_for_others_in_an_init_container() -> None:
    run = make("services: {postgres: {}, x: {type: custom, image: i, after: [postgres], ports: {http: 80}}}")
    pod = find(render(run), "Pod", "x")["spec"]
    (wait,) = pod["initContainers"]
    assert wait["command"][:2] == ["/seatrial/launch", "wait"]
    assert any(word.startswith("postgres=postgres://") for word in wait["command"])
    assert [e["name"] for e in pod["containers"][0]["env"]] == ["HOME"]


def test_services_are_reached_before_they_are_called_ready() -> None:
    result = case("readiness")
    published = {
        name: find(result, "Service", name)["spec"]["publishNotReadyAddresses"]
        for name in ("by-default", "by-exec", "by-grpc", "by-http", "by-tcp")
    }
    assert published == {"by-default": True, "by-exec": False, "by-grpc": True, "by-http": True, "by-tcp": True}
    probe = container(result, "Pod", "by-exec")["readinessProbe"]
    assert (probe["exec"], probe["periodSeconds"]) == ({"command": ["mysqladmin", "ping"]}, 1)


def test_replicas_are_reached_once_each_is_ready() -> None:
    result = case("full")
    assert find(result, "Service", "controller")["spec"]["publishNotReadyAddresses"] is True
    assert find(result, "Service", "replicated")["spec"]["publishNotReadyAddresses"] is False
    assert container(result, "Deployment", "replicated")["readinessProbe"]["grpc"] == {
        "port": 9090,
        "service": "orders.v1.Orders",
    }
    assert find(result, "Deployment", "replicated")["spec"]["replicas"] == 2


def test_portless_parts_have_a_name_that_shows_whether_they_run() -> None:
    spec = find(case("readiness"), "Service", "portless")["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"], spec["ports"]) == ("None", False, [])


@pytest.mark.parametrize("name", CASES)
def test_services_lead_to_pods_of_their_component(name: str) -> None:
    result = case(name)
    labels = {
        m["metadata"]["name"]: (m if m["kind"] == "Pod" else m["spec"]["template"])["metadata"]["labels"]
        for m in result.workloads
    }
    for service in (m for m in result.foundation if m["kind"] == "Service"):
        selected = [
            component for component, has in labels.items() if service["spec"]["selector"].items() <= has.items()
        ]
        assert selected == [service["metadata"]["name"]]


def test_postgres_is_in_memory_within_its_limit_or_on_disk() -> None:
    def data(result: Any, name: str) -> Any:
        return next(v for v in pod_spec(find(result, "Pod", name))["volumes"] if v["name"] == "data")["emptyDir"]

    assert data(case("full"), "postgres") == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert data(case("several"), "postgres") == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert data(case("several"), "orders-db") == {"sizeLimit": "2Gi"}
    pod = pod_spec(find(case("full"), "Pod", "postgres"))
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 999


def test_initial_sql_is_copied_into_the_environment() -> None:
    result = case("full")
    assert list(find(result, "ConfigMap", "init-postgres")["data"]) == ["10-tables.sql", "20-data.sql"]
    mounts = {m["mountPath"]: m for m in container(result, "Pod", "postgres")["volumeMounts"]}
    assert mounts["/initdb.d"] == {"name": "initdb", "mountPath": "/initdb.d", "readOnly": True}


def test_each_version_of_postgres_has_its_image() -> None:
    result = render(make("services: {postgres: {}, old: {type: postgres, version: '14'}}"))
    assert container(result, "Pod", "postgres")["image"] == "seatrial/postgres:17-0.1.0"
    old = container(result, "Pod", "old")
    assert old["image"] == "seatrial/postgres-versions:0.1.0"
    assert {"name": "POSTGRES_VERSION", "value": "14"} in old["env"]


def test_an_own_image_of_postgres_gets_what_the_official_entry_point_asks_for() -> None:
    fields = "image: pg:1, databases: [app, two], extensions: [vector], locale: C, settings: {jit: 'on'}"
    result = render(make(f"services: {{postgres: {{{fields}, initSQL: {{configMapRef: {{name: seed-sql}}}}}}}}"))
    postgres = container(result, "Pod", "postgres")
    env = {each["name"]: each.get("value") for each in postgres["env"]}
    wanted = {"POSTGRES_USER": "postgres", "POSTGRES_DB": "app", "PGDATA": "/data/cluster"}
    assert env.items() >= (wanted | {"POSTGRES_INITDB_ARGS": "--locale=C"}).items()
    assert "jit=on" in postgres["args"]
    assert "fsync=off" in postgres["args"]
    assert {"/data", "/var/run/postgresql", "/docker-entrypoint-initdb.d"} <= {
        mount["mountPath"] for mount in postgres["volumeMounts"]
    }
    files = find(result, "ConfigMap", "init-postgres")["data"]
    assert sorted(files) == ["0000-seatrial.sql", "10-tables.sql", "20-data.sql"]
    extension = 'CREATE EXTENSION IF NOT EXISTS "vector" CASCADE;\n'
    assert files["0000-seatrial.sql"] == 'CREATE DATABASE "two";\n' + "".join(
        f'\\connect "{name}"\n{extension}' for name in ("postgres", "app", "two")
    )


def test_databases_are_copied_for_workers_when_the_last_migration_is_done() -> None:
    service = "{databases: [app], perWorker: true, user: me}"
    steps = "[{name: one, image: i, command: [c]}, {name: two, image: i, command: [c]}]"
    result = render(make(f"services: {{postgres: {service}, redis: {{perWorker: true}}}}\nmigrations: {steps}"))
    url = "postgres://me@postgres:5432/seatrial_app?template=app&password-env=SEATRIAL_POSTGRES_PASSWORD"
    assert "--clone" not in container(result, "Pod", "migrations", "one")["command"]
    command = container(result, "Pod", "migrations", "two")["command"]
    assert command[command.index("--clone") + 1] == url
    env = {each["name"]: each.get("value") for each in container(result, "Job", "tests")["env"]}
    assert json.loads(env["SEATRIAL_PER_WORKER"]) == {
        "launch": "/seatrial/launch",
        "services": [
            {
                "address": "postgres:5432",
                "clones": {"app": url.replace("seatrial_app?template=app", "app_{worker}?template=seatrial_app")},
                "variables": ["PGDATABASE"],
            },
            {"address": "redis:6379", "numbered": 16},
        ],
    }
    assert {"name": "REDIS_SETTINGS", "value": "databases 1040"} in container(result, "Pod", "redis")["env"]


def test_pages_of_services_are_there_when_they_are_asked_for() -> None:
    result = render(make("services: {minio: {console: true}, temporal: {ui: true}}"))
    ports = {name: find(result, "Service", name)["spec"]["ports"] for name in ("minio", "temporal")}
    assert {port["name"]: port["port"] for port in ports["minio"]} == {"s3": 9000, "console": 9001}
    assert {port["name"]: port["port"] for port in ports["temporal"]} == {"grpc": 7233, "ui": 8233}
    assert {"name": "MINIO_BROWSER", "value": "on"} in container(result, "Pod", "minio")["env"]
    args = container(result, "Pod", "temporal")["args"]
    assert ("--headless" in args, args[args.index("--ui-port") + 1]) == (False, "8233")


def test_a_cluster_of_redis_leads_clients_to_its_name() -> None:
    result = render(make("services: {redis: {settings: {cluster-enabled: 'yes', save: ''}}}"))
    env = {each["name"]: each.get("value") for each in container(result, "Pod", "redis")["env"]}
    assert env["REDIS_SETTINGS"].splitlines() == [
        "cluster-announce-hostname redis",
        "cluster-enabled yes",
        "cluster-preferred-endpoint-type hostname",
        'save ""',
    ]


def test_temporal_starts_with_what_the_run_wants() -> None:
    args = container(case("full"), "Pod", "temporal")["args"]
    assert args[:2] == ["server", "start-dev"]
    assert [args[i + 1] for i, a in enumerate(args) if a == "--namespace"] == ["orders"]  # `default` is always there
    assert [args[i + 1] for i, a in enumerate(args) if a == "--search-attribute"] == [
        "Amount=Double",
        "Customer=Keyword",
    ]


def test_shared_volume_without_a_class_keeps_its_pods_together() -> None:
    result = case("full")
    assert find(result, "PersistentVolumeClaim", "shared")["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
    }
    for workload in result.workloads:
        template = workload if workload["kind"] == "Pod" else workload["spec"]["template"]
        mounts = any(v["name"] == "shared" for v in pod_spec(workload)["volumes"])
        assert ("affinity" in pod_spec(workload)) == mounts
        assert ("seatrial.dev/shared-volume" in template["metadata"]["labels"]) == mounts
        if mounts:
            affinity = pod_spec(workload)["affinity"]["podAffinity"]
            (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
            assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_shared_volume_of_a_class_needs_no_common_node() -> None:
    result = case("readiness")
    assert find(result, "PersistentVolumeClaim", "shared")["spec"]["accessModes"] == ["ReadWriteMany"]
    assert find(result, "PersistentVolumeClaim", "shared")["spec"]["storageClassName"] == "nfs"
    assert "affinity" not in pod_spec(find(result, "Job", "tests"))


def test_config_maps_to_read() -> None:
    assert config_map_names(load("full")) == ("seed-sql",)
    assert config_map_names(load("minimal")) == ("hello",)
    both = make(
        "services: {postgres: {initSQL: {configMapRef: {name: x}}}}\ntests: {source: {configMapRef: {name: x}}}"
    )
    assert config_map_names(both) == ("x",)


def test_missing_config_map_is_an_error() -> None:
    with pytest.raises(KeyError, match="hello"):
        environment(load("minimal"), Settings(key=KEY), Inputs({}, NOW))


def test_settings_reach_the_manifests() -> None:
    settings = Settings(
        key=KEY,
        operator_namespace="ops",
        image_pull_policy="Never",
        archive_upload_url="http://archive.example:80",
        service_account="sa",
        cluster_role="role",
    )
    result = render(load("full"), settings)
    assert result.role_binding["roleRef"]["name"] == "role"
    assert result.role_binding["subjects"][0] == {"kind": "ServiceAccount", "name": "sa", "namespace": "ops"}
    assert {c["imagePullPolicy"] for w in result.workloads for c in containers(w)} == {"Never"}
    collector = container(result, "Job", "tests", "collector")
    assert {"name": "SEATRIAL_ARCHIVE_URL", "value": "http://archive.example:80"} in collector["env"]


def test_another_attempt_is_another_environment_with_other_secrets() -> None:
    run = load("full")
    second_try = run.model_copy(update={"status": run.status.model_copy(update={"attempt": 2})})
    first, second = render(run), render(second_try)
    assert first.namespace["metadata"]["name"] != second.namespace["metadata"]["name"]
    for name, values in secrets(first).items():
        assert not set(values.values()) & set(secrets(second)[name].values()), name
    for result, attempt in ((first, "1"), (second, "2")):
        everything = (result.namespace, *inside(result), *pod_templates(result))
        assert {m["metadata"]["labels"]["seatrial.dev/attempt"] for m in everything} == {attempt}
        env = container(result, "Job", "tests", "collector")["env"]
        assert {"name": "SEATRIAL_ATTEMPT", "value": attempt} in env


@pytest.mark.parametrize("name", CASES)
def test_the_tests_wait_for_every_part(name: str) -> None:
    result = case(name)
    parts = {m["metadata"]["name"] for m in result.workloads} - {"tests"}
    assert set(waits(container(result, "Job", "tests"))) == parts
