"""What a user learns about a spec that can't work."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from seatrial.environment.expansion import tokens
from seatrial.environment.problems import problems
from seatrial.settings import Budget
from tests.unit.environment.support import CONFIG_MAPS, container, make, render, seen

POSTGRES = "services: {postgres: {initSQL: {configMapRef: {name: %s}}}}"
CUSTOM = "services: {svc: {type: custom, image: i, ports: %s, ready: %s}}"
CODE = "code: {digest: sha256:" + "0" * 64 + ", mountPath: %s}"
ITEMS = "tests: {source: {configMapRef: {name: hello, items: %s}}}"
TABLE = [
    # ConfigMaps
    (ITEMS % "[{key: nope, path: a}]", "spec.tests.source.configMapRef.items[0].key", "has no key nope"),
    (
        ITEMS % "[{key: test_hello.py, path: a/b}, {key: conftest.py, path: a}]",
        "spec.tests.source.configMapRef.items[0].path", "a is a file of another item",
    ),
    (POSTGRES % "nope", "spec.services.postgres.initSQL.configMapRef.name", "no ConfigMap nope in namespace team-a"),
    (POSTGRES % "hello", "spec.services.postgres.initSQL.configMapRef.name", "no file that ends in .sql"),
    ("tests: {source: {configMapRef: {name: nope}}}", "spec.tests.source.configMapRef.name", "kubectl create configmap nope -n team-a"),
    ("tests: {source: {configMapRef: {name: empty}}}", "spec.tests.source.configMapRef.name", "holds no files"),
    # names
    ("apps: {seatrial-wait: {image: i}}", "spec.apps.seatrial-wait", "names that begin with seatrial- are taken"),
    ("migrations: [{name: seatrial-tools, image: i, command: [c]}]", "spec.migrations[0].name", "are taken"),
    # ports
    (CUSTOM % ("{Web: 80}", "{tcpSocket: {}}"), "spec.services.svc.ports.Web", "lower case"),
    (CUSTOM % ("{a: 80, b: 80}", "{tcpSocket: {}}"), "spec.services.svc.ports.b", "port 80 is already called a"),
    (CUSTOM % ("{a: 80, b: 81}", "{httpGet: {port: c}}"), "spec.services.svc.ready", "no port c; ports has a (80), b (81)"),
    (CUSTOM % ("{a: 80}", "{tcpSocket: {port: 81}}"), "spec.services.svc.ready", "no port 81"),
    ("apps: {a: {image: i, port: 80, ready: {httpGet: {port: web}}}}", "spec.apps.a.ready", "'web' is not a port"),
    ("apps: {a: {image: i, port: 80, ready: {tcpSocket: {port: 70000}}}}", "spec.apps.a.ready", "1 to 65535"),
    # forwards
    ('forwards: {"80": nope}\napps: {api: {image: i, port: 8000}}', "spec.forwards.80", "no service or app nope; there are: api"),
    ('forwards: {"80": "api:9090"}\napps: {api: {image: i, port: 8000}}', "spec.forwards.80", "api has no port 9090; it has app (8000)"),
    ('forwards: {"80": "api:web"}\napps: {api: {image: i, port: 8000}}', "spec.forwards.80", "api has no port web"),
    ('forwards: {"80": worker}\napps: {worker: {image: i}}', "spec.forwards.80", "worker has no port"),
    (
        'forwards: {"8000": postgres}\nservices: {postgres: {}}\napps: {api: {image: i, command: [a], port: 8000, forwards: true}}',
        "spec.forwards.8000", "app api listens there itself",
    ),
    (
        'forwards: {"7070": redis}\nservices: {redis: {}}\nmigrations: [{name: m, image: i, command: [c], forwards: true}]',
        "spec.forwards.7070", "Seatrial needs port 7070 itself",
    ),
    # code
    (CODE % "/usr", "spec.code.mountPath", "/usr belongs to the image's system"),
    (CODE % "/seatrial/x", "spec.code.mountPath", "/seatrial is needed"),
    (CODE % "/tmp", "spec.code.mountPath", "/tmp is needed"),
    (CODE % "/app" + "\nsharedVolume: {mountPath: /app/}", "spec.code.mountPath", "the shared volume is at /app too"),
    (CODE % "/app" + "\nsharedVolume: {mountPath: /app/var/x}", "spec.sharedVolume.mountPath", "/app/var would not be writable"),
    (CODE % "/app/a/b" + "\ntests: {image: i, workingDir: /app}", "spec.code.mountPath", "/app/a would not be writable"),
    ("code: {mountPath: /app}", "spec.code.digest", "give the digest of a bundle"),
    # credentials and folders of services
    ("services: {minio: {user: ab}}", "spec.services.minio.user", "no access key under 3 characters"),
    ("services: {minio: {password: short}}", "spec.services.minio.password", "no secret key under 8 characters"),
    ("services: {postgres: {password: ''}}", "spec.services.postgres.password", "needs a password"),
    ("services: {postgres: {version: '16', locale: 'icu:de'}}", "spec.services.postgres.locale", "16 has no ICU here"),
    (
        "services: {postgres: {version: '14', extensions: [vector, postgis]}}",
        "spec.services.postgres.extensions[1]",
        "version 14 has no postgis here; use version 17",
    ),
    ("services: {postgres: {settings: {'a b': x}}}", "spec.services.postgres.settings", "'a b' is not the name"),
    ("services: {postgres: {perWorker: true}}", "spec.services.postgres.perWorker", "give the suite's own"),
    ("services: {postgres: {perWorker: true, databases: [a, b_gw1]}}", "spec.services.postgres.databases[1]", "_gw0"),
    (
        "services: {redis: {perWorker: true, settings: {cluster-enabled: 'yes'}}}",
        "spec.services.redis.perWorker",
        "one database only",
    ),
    ("services: {postgres: {settings: {port: '5433'}}}", "spec.services.postgres.settings.port", "by `forwards`"),
    ("services: {redis: {settings: {requirepass: x}}}", "spec.services.redis.settings.requirepass", "use `password`"),
    ("services: {db: {type: custom, image: i, writable: [/a, /a/]}}", "spec.services.db.writable[1]", "name it once"),
    ("services: {db: {type: custom, image: i, writable: [/proc/x]}}", "spec.services.db.writable[0]", "/proc is needed"),
    ("apps: {a: {image: i, port: 80, ports: {http: 80, Grpc: 90}}}", "spec.apps.a.ports.Grpc", "lower case"),
    ("apps: {a: {image: i, port: 80, ports: {x: 90, y: 90}}}", "spec.apps.a.ports.y", "port 90 is already called x"),
    ("apps: {a: {image: i, port: 80, ports: {app: 90}}}", "spec.apps.a.ports.app", "the name app is taken"),
    ("apps: {a: {image: i, ports: {x: 90}, ready: {grpc: {port: y}}}}", "spec.apps.a.ready", "'y' is not a port"),
    # order
    ("apps: {a: {image: i, after: [b]}}", "spec.apps.a.after[0]", "there is no app b; there are: none"),
    ("apps: {a: {image: i, after: [b]}, b: {image: i, after: [a]}}", "spec.apps.a.after", "a after b after a"),
    ("apps: {a: {image: i, after: [a]}}", "spec.apps.a.after", "a after a"),
    (
        "services: {redis: {}, x: {type: custom, image: i, after: [redis, nats]}}",
        "spec.services.x.after[1]",
        "there is no service nats; there are: redis",
    ),
    # resources
    ("apps: {a: {image: i, resources: {limits: {memory: 1GB}}}}", "spec.apps.a.resources.limits.memory", "'1GB' is not"),
    (
        "services: {postgres: {resources: {limits: {memory: lots}}}}",
        "spec.services.postgres.resources.limits.memory",
        "'lots' is not a quantity",
    ),
    (
        "migrations: [{name: m, image: i, command: [c], resources: {requests: {cpu: 2}, limits: {cpu: 500m}}}]",
        "spec.migrations[0].resources.requests.cpu",
        "2 is more than the limit, 500m",
    ),
    # variables
    ("env: [{name: A}, {name: SEATRIAL_EVENTS, value: x}]", "spec.env[1].name", "begin with SEATRIAL_ are taken"),
    ("apps: {a: {image: i, env: [{name: SEATRIAL_X}]}}", "spec.apps.a.env[0].name", "are taken"),
    ("sharedVolume: {mountPath: /s, env: SEATRIAL_DIR}", "spec.sharedVolume.env", "are taken"),
    ("services: {redis: {}}\nsharedVolume: {mountPath: /s, env: REDIS_URL}", "spec.sharedVolume.env", "sets the variable REDIS_URL"),
    (
        "services: {cache: {type: redis}}\napps: {redis: {image: i, port: 80}}",
        "spec.apps.redis",
        "sets the variable REDIS_URL, which spec.services.cache sets too",
    ),
    ("services: {postgres: {}}\napps: {database: {image: i, port: 80}}", "spec.apps.database", "variable DATABASE_URL"),
    (
        "services: {a: {type: custom, image: i, ports: {b-host: 80}}, a-port-b: {type: custom, image: i, ports: {x: 1}}}",
        "spec.services.a-port-b",
        "variable A_PORT_B_HOST, which spec.services.a sets too",
    ),
    # times
    ("timeouts: {tests: 0s}", "spec.timeouts.tests", "0s is no time"),
    ("timeouts: {environment: 1ms}", "spec.timeouts.environment", "at least 1s"),
    # artifacts
    ("tests: {image: i, artifacts: [logs/**]}", "spec.tests.workingDir", "for example /app"),
    ("tests: {image: i, workingDir: /app, artifacts: [a/**, logs/../../x]}", "spec.tests.artifacts[1]", "without '..'"),
    ("tests: {image: i, workingDir: /., artifacts: [tmp/**]}", "spec.tests.workingDir", "/ can't be made writable"),
    ("tests: {image: i, workingDir: /results, artifacts: [x/**]}", "spec.tests.workingDir", "/results is needed"),
    ("tests: {image: i, workingDir: '/a:b', artifacts: [x/**]}", "spec.tests.workingDir", "because of its ':'"),
    # the shared volume
    ("sharedVolume: {mountPath: /tmp/}", "spec.sharedVolume.mountPath", "/tmp is needed"),
    ("sharedVolume: {mountPath: //}", "spec.sharedVolume.mountPath", "/ is needed"),
    ("sharedVolume: {mountPath: /seatrial/x}", "spec.sharedVolume.mountPath", "/seatrial is needed"),
    ("sharedVolume: {mountPath: /a/../results}", "spec.sharedVolume.mountPath", "/results is needed"),
    ("sharedVolume: {mountPath: /tests}\ntests: {source: {configMapRef: {name: hello}}}", "spec.sharedVolume.mountPath", "tests.source"),
    ("sharedVolume: {mountPath: '/a:b'}", "spec.sharedVolume.mountPath", "because of its ':'"),
    ("sharedVolume: {mountPath: /app}\ntests: {image: i, workingDir: /app/tests}", "spec.sharedVolume.mountPath", "hide the tests"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "path", "message"), TABLE)
def test_problem_is_reported_with_its_place(spec: str, path: str, message: str) -> None:
    (found,) = problems(make(spec), CONFIG_MAPS | {"empty": {}}, Budget())
    assert found.path == path
    assert message in found.message
    assert str(found) == f"{path}: {found.message}"


def test_copies_of_config_maps_are_bounded_together() -> None:
    services = {name: {"type": "postgres", "initSQL": {"configMapRef": {"name": "big"}}} for name in "abcdef"}
    run = make(json.dumps({"services": services}))
    (found,) = problems(run, {"big": {"x.sql": "x" * 1_000_000}}, Budget())
    assert found.path == "spec.services.e.initSQL.configMapRef.name"
    assert "hold more than 4.0 MiB in all" in found.message


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "sharedVolume: {mountPath: /app/sessions}\ntests: {image: i, workingDir: /app, artifacts: [logs/**, sessions/**]}",
        "sharedVolume: {mountPath: /app}\ntests: {image: i, workingDir: /app/t, paths: [/x], artifacts: [x/**]}",
        "tests: {image: i, workingDir: /.}",
        "sharedVolume: {mountPath: /tmp/sessions, env: HOME_OF_ALL}",
        "sharedVolume: {mountPath: /data}\ntests: {image: i, workingDir: /data, paths: [/app/tests]}",
        "sharedVolume: {mountPath: /tests/out}\ntests: {source: {configMapRef: {name: hello}}}",
        "env: [{name: PGPASSWORD, value: mine}, {name: HOME, value: /elsewhere}]",
        "services: {a: {type: redis}, b: {type: redis}}\napps: {a-b: {image: i, port: 1}, ab: {image: i, port: 1}}",
        "apps: {redis: {image: i, port: 80}}",
        "apps: {a: {image: i, port: 80, ready: {httpGet: {port: '81'}}}}",
        "services: {x: {type: custom, image: i, ports: {a: 1, b: 2}, ready: {tcpSocket: {port: 2}}}}",
        "apps: {a: {image: i, resources: {limits: {memory: 1Mi}, requests: {cpu: 60}}}}",
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(spec: str) -> None:
    assert problems(make(spec), CONFIG_MAPS, Budget()) == ()


def test_all_problems_are_reported_at_once() -> None:
    run = make(
        """
        services: {postgres: {initSQL: {configMapRef: {name: nope}}}, redis: {}}
        env: [{name: SEATRIAL_X}]
        apps: {redis-2: {image: i, resources: {limits: {cpu: x}}}}
        sharedVolume: {mountPath: /results}
        """
    )
    assert [problem.path for problem in problems(run, {}, Budget())] == [
        "spec.services.postgres.initSQL.configMapRef.name",
        "spec.apps.redis-2.resources.limits.cpu",
        "spec.env[0].name",
        "spec.sharedVolume.mountPath",
    ]


DOUBLED = [
    {"name": "A", "value": "xx"},
    *({"name": f"V{i}", "value": f"$(V{i - 1})$(V{i - 1})"} for i in range(1, 200)),
]
FULL = {"name": "BIG", "value": "x" * 32_000}
EIGHT = {"name": "EIGHT", "value": "$(BIG)" * 2}


def app(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"apps": {name: {"image": "i", **fields}}}


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        ({"env": [{"name": "V0", "value": "xx"}, *DOUBLED[1:]]}, "spec.env[14].value", "the value of V14 would take"),
        ({"env": [{"name": "A", "value": "$(A)$(A)xx"}] * 25}, "spec.env[13].value", "the value of A would take"),
        ({"env": [FULL], **app(env=[{"name": "B", "value": "$(BIG)$(BIG)$(BIG)"}])}, "spec.apps.a.env[0].value", "of B"),
        ({"env": [FULL], **app(env=[{"name": "BIG", "value": "$(BIG)" * 4000}])}, "spec.apps.a.env[0].value", "of BIG"),
        ({"env": [FULL], **app(command=["c", "$(BIG)" * 3])}, "spec.apps.a.command[1]", "this word would take"),
        ({"env": [{"name": "E", "value": ""}, *({"name": "N" * 200, "value": "$(E)" * 8000},) * 2,
                  {"name": "R", "value": f"$({'N' * 200})" * 100}]}, "spec.env[3].value", "the value of R"),
        ({"services": {"s": {"type": "custom", "image": "i", "env": [FULL, {"name": "B", "value": "$(BIG)" * 9}]}}},
         "spec.services.s.env[1].value", "of B"),
        ({"env": [FULL, *({"name": f"N{i}", "value": "$(BIG)"} for i in range(20))]}, "spec.tests.env", "this container"),
        ({"env": [FULL] * 1, "migrations": [{"name": f"m{i}", "image": "i", "command": ["c"], "env": [
            {"name": "B", "value": "$(BIG)$(BIG)"}]} for i in range(12)]}, "spec.migrations", "all migrations"),
        ({"env": [{"name": f"N{i}", "value": "x" * 30_000} for i in range(10)],
          "apps": {f"a{i}": {"image": "i"} for i in range(8)}}, "spec", "all containers"),
    ],
    ids=["chain", "itself", "of another list", "replaced", "command", "longer than what it stands for", "custom service",
         "container", "pod", "run"],
)  # fmt: skip
def test_what_would_grow_too_long_is_refused_before_it_is_made(spec: Any, path: str, message: str) -> None:
    run = make(json.dumps(spec))
    tracemalloc.start()
    try:
        (found,) = problems(run, CONFIG_MAPS, Budget())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.path == path
    assert message in found.message
    assert peak < 4_000_000


def test_a_value_of_open_references_is_read_once() -> None:
    """`$($($(` without an end: a pattern that looks for the end from each beginning takes quadratic time."""
    text = "$(" * 16_000
    assert list(tokens(text)) == [(text, None)]
    assert [name for _, name in tokens(text + ")" + text) if name] == [text[2:]]


def test_what_is_accepted_becomes_no_longer_than_computed() -> None:
    spec = {
        "env": [FULL, EIGHT, {"name": "BIG", "value": "y"}],
        **app(env=[{"name": "EIGHT", "value": "$(EIGHT)$(BIG)"}]),
    }
    run = make(json.dumps(spec))
    assert problems(run, CONFIG_MAPS, Budget()) == ()
    entries = container(render(run), "Deployment", "a")["env"]
    assert {e["name"]: len(e.get("value", "")) for e in entries}["EIGHT"] == 64_000 + len("$(BIG)")
    assert len(seen(entries)["EIGHT"]) == 64_001
