"""The images as they run in a restricted pod: read-only root, no capabilities, a user that is not root, empty volumes.

Needs Docker or Podman, and the images built by ./build.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.images import builder

pytestmark = pytest.mark.cluster

TESTER = 65532
POSTGRES = 999


IMAGES = {image.name: image.full_name for image in builder.read_table(builder.ROOT, builder.HERE / "images.toml", [])}


def eventually(check: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Container:
    def __init__(self, engine: str, container_id: str) -> None:
        self.engine = engine
        self.id = container_id

    def do(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.engine, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )

    def exec(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        options = [option for name, value in env.items() for option in ("-e", f"{name}={value}")]
        return self.do("exec", *options, self.id, *command)

    def ended(self) -> int:
        """Waits for the end; the exit status."""
        eventually(lambda: self._state("Running") == "false", "the container's end")
        return int(self._state("ExitCode"))

    def _state(self, key: str) -> str:
        return self.do("inspect", "--format", f"{{{{.State.{key}}}}}", self.id).stdout.strip()

    @property
    def log(self) -> str:
        logs = self.do("logs", self.id)
        return logs.stdout + logs.stderr


@pytest.fixture(scope="session")
def engine() -> str:
    builder.LOGS.mkdir(parents=True, exist_ok=True)
    return str(builder.choose_engine().program)


@pytest.fixture
def start(engine: str, tmp_path: Path) -> Iterator[Callable[..., Container]]:
    """Starts a container as a restricted pod would, with volumes like emptyDir; all end with the test."""
    started: list[str] = []

    def start(
        image: str, *command: str, uid: int = TESTER, volumes: tuple[str, ...] = ("/tmp",), network: str = "none",
        entrypoint: str = "",
        files: Path | None = None, **env: str,
    ) -> Container:  # fmt: skip
        options = [
            "--read-only",
            "--cap-drop",
            "all",
            "--security-opt",
            "no-new-privileges",
            "--user",
            f"{uid}:{uid}",
            "--network",
            network,
        ]
        if engine == "podman":
            options += ["--read-only-tmpfs=false"]
            for name, limit in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
                hard = resource.getrlimit(limit)[1]
                most = int(Path("/proc/sys/kernel/pid_max").read_text()) if name == "nproc" else 1 << 20
                allowed = most if hard == resource.RLIM_INFINITY else min(hard, most)
                options += ["--ulimit", f"{name}={allowed}:{allowed}"]
        for number, path in enumerate(volumes):
            volume = tmp_path / f"{len(started)}-{number}"
            volume.mkdir()
            if os.geteuid() == 0:
                os.chown(volume, 0, uid)
            volume.chmod(0o2777)
            options += ["--volume", f"{volume}:{path}"]
        if entrypoint:
            options += ["--entrypoint", entrypoint]
        if files:
            options += ["--volume", f"{files}:/initdb.d:ro"]
        options += [option for name, value in env.items() for option in ("-e", f"{name}={value}")]
        run = subprocess.run(
            [engine, "run", "--detach", *options, IMAGES[image], *command], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        started.append(run.stdout.strip())
        return Container(engine, started[-1])

    yield start
    for container_id in reversed(started):  # one that uses another's network goes first
        subprocess.run([engine, "rm", "--force", "--volumes", container_id], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", IMAGES)
def test_says_what_it_is_and_is_not_root(engine: str, name: str) -> None:
    inspected = subprocess.run(
        [engine, "inspect", "--type", "image", IMAGES[name]], capture_output=True, text=True, check=True
    )
    config = json.loads(inspected.stdout)[0]["Config"]
    user, _, group = config["User"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"]
    assert labels["org.opencontainers.image.version"] == IMAGES[name].rpartition(":")[2]
    assert len(labels["org.opencontainers.image.revision"]) == 40
    settings = [entry.partition("=")[0] for entry in config["Env"]]
    assert not {"PIP_CERT", "PIP_INDEX_URL", "SSL_CERT_FILE", "GOPROXY", "GOCACHE", "GOMODCACHE"} & set(settings)


@pytest.fixture
def start_postgres(start: Callable[..., Container]) -> Callable[..., Container]:
    def start_postgres(files: Path | None = None, **env: str) -> Container:
        return start(
            "postgres-versions" if "POSTGRES_VERSION" in env else "postgres",
            uid=POSTGRES,
            volumes=("/data", "/run/postgresql", "/tmp"),
            files=files,
            **{"POSTGRES_PASSWORD": "right", **env},
        )

    return start_postgres


def login(
    postgres: Container, sql: str, database: str = "postgres", password: str = "right"
) -> subprocess.CompletedProcess[str]:
    return postgres.exec(
        "psql", "-XAtq", "-h", "127.0.0.1", "-U", "postgres", "-d", database, "-c", sql, PGPASSWORD=password
    )


def logs_in(postgres: Container) -> bool:
    return login(postgres, "SELECT 1").returncode == 0


def write_sql(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, sql in files.items():
        (folder / f"{name}.sql").write_text(sql)
    return folder


def test_postgres_has_databases_extensions_and_data_at_the_first_login(
    start_postgres: Callable[..., Container], tmp_path: Path
) -> None:
    files = write_sql(
        tmp_path / "sql",
        b_second="INSERT INTO items VALUES (2);",
        a_first="CREATE TABLE items (id int); INSERT INTO items VALUES (1);",
    )
    postgres = start_postgres(files, POSTGRES_DATABASES="app other-db", POSTGRES_EXTENSIONS="uuid-ossp vector")
    eventually(lambda: logs_in(postgres), "login")
    assert (
        login(
            postgres, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate"
        ).stdout.strip()
        == "app other-db postgres"
    )
    for database in ("postgres", "app", "other-db"):
        names = login(
            postgres, "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension", database
        ).stdout.strip()
        assert names == "plpgsql uuid-ossp vector"
    assert login(postgres, "SELECT array_agg(id) FROM items", "app").stdout.strip() == "{1,2}"
    assert login(postgres, "SHOW fsync").stdout.strip() == "off"
    assert login(postgres, "SHOW max_connections").stdout.strip() == "200"
    assert "password authentication failed" in login(postgres, "SELECT 1", password="wrong").stderr
    assert "Read-only file system" in postgres.exec("touch", "/etc/x").stderr


@pytest.mark.parametrize("version", ["14", "15", "16", "18"])
def test_postgres_in_another_version(start_postgres: Callable[..., Container], tmp_path: Path, version: str) -> None:
    postgres = start_postgres(
        write_sql(tmp_path / "sql", table="CREATE TABLE items AS SELECT 1 AS id;"),
        POSTGRES_VERSION=version,
        POSTGRES_DATABASES="app other",
        POSTGRES_EXTENSIONS="uuid-ossp vector pgcrypto pg_trgm",
        POSTGRES_SETTINGS="wal_level=logical\nssl=on",
    )
    eventually(lambda: logs_in(postgres), "login")
    assert login(postgres, "SHOW server_version").stdout.startswith(f"{version}.")
    assert login(postgres, "SELECT id FROM items", "app").stdout.strip() == "1"
    assert login(postgres, "SELECT '[3,1]'::vector <-> '[0,1]'", "other").stdout.strip() == "3"
    assert login(postgres, "SELECT uuid_generate_v4() IS NOT NULL", "other").stdout.strip() == "t"
    names = "SELECT string_agg(n, ' ' ORDER BY n) FROM (VALUES ('Dora'), ('anna'), ('carl'), ('Bert')) v(n)"
    assert login(postgres, names, "app").stdout.strip() == "anna Bert carl Dora"
    summer = "SELECT timestamptz '2026-07-01 12:00+00' AT TIME ZONE 'Europe/Berlin'"
    assert login(postgres, summer).stdout.strip() == "2026-07-01 14:00:00"
    assert postgres.exec("pg_dump", "-s", "-h", "/run/postgresql", "-U", "postgres", "app").returncode == 0


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_postgres_in_another_version_has_another_locale(start_postgres: Callable[..., Container], locale: str) -> None:
    postgres = start_postgres(POSTGRES_VERSION="14", POSTGRES_LOCALE=locale)
    eventually(lambda: logs_in(postgres), "login")
    shown = "SELECT datcollate FROM pg_database WHERE datname = 'postgres'"
    assert login(postgres, shown).stdout.strip() == locale


def test_postgres_has_postgis(start_postgres: Callable[..., Container]) -> None:
    extensions = "postgis postgis_topology postgis_tiger_geocoder address_standardizer"
    postgres = start_postgres(POSTGRES_DATABASES="app", POSTGRES_EXTENSIONS=extensions)
    eventually(lambda: logs_in(postgres), "login")
    point = "ST_Transform(ST_SetSRID(ST_MakePoint(13.4, 52.5), 4326), 25833)"
    assert login(postgres, f"SELECT round(ST_X({point})), ST_SRID({point})", "app").stdout.strip() == "391391|25833"


def test_postgres_orders_and_compares_as_the_official_image(start_postgres: Callable[..., Container]) -> None:
    postgres = start_postgres(POSTGRES_DATABASES="app")
    eventually(lambda: logs_in(postgres), "login")
    names = "SELECT string_agg(n, ' ' ORDER BY n) FROM (VALUES ('Dora'), ('anna'), ('carl'), ('Bert')) v(n)"
    assert login(postgres, names, "app").stdout.strip() == "anna Bert carl Dora"
    german = "CREATE DATABASE german TEMPLATE template0 LC_COLLATE 'en_US.utf8' LC_CTYPE 'en_US.utf8' ENCODING 'UTF8'"
    assert login(postgres, german).returncode == 0


@pytest.mark.parametrize(("locale", "order"), [("C", "B a"), ("icu:en-US", "a B")])
def test_postgres_has_the_locale_that_is_asked_for(
    start_postgres: Callable[..., Container], locale: str, order: str
) -> None:
    postgres = start_postgres(POSTGRES_LOCALE=locale)
    eventually(lambda: logs_in(postgres), "login")
    assert (
        login(postgres, "SELECT string_agg(n, ' ' ORDER BY n) FROM (VALUES ('a'), ('B')) v(n)").stdout.strip() == order
    )


def test_postgres_has_the_settings_and_the_user_that_are_asked_for(start_postgres: Callable[..., Container]) -> None:
    settings = "wal_level=logical\nmax_prepared_transactions=10\nshared_preload_libraries=pg_stat_statements\nssl=on"
    postgres = start_postgres(POSTGRES_SETTINGS=settings, POSTGRES_USER="app", POSTGRES_DATABASES="app")

    def ask(sql: str) -> str:
        done = postgres.exec("psql", "-XAtq", "-d", "postgresql://app:right@127.0.0.1/app?sslmode=require", "-c", sql)
        return done.stdout.strip() + done.stderr.strip()

    eventually(lambda: ask("SELECT 1") == "1", "login over TLS")
    assert ask("SHOW wal_level") == "logical"
    assert ask("SHOW max_prepared_transactions") == "10"
    assert ask("CREATE EXTENSION pg_stat_statements; SELECT count(*) > 0 FROM pg_stat_statements") == "t"
    owner = "SELECT usesuper, datname FROM pg_user JOIN pg_database ON datdba = usesysid WHERE usename = 'app'"
    assert ask(owner) == "t|app"


def test_postgres_runs_each_file_in_a_session_of_its_own(
    start_postgres: Callable[..., Container], tmp_path: Path
) -> None:
    files = write_sql(
        tmp_path / "sql",
        a_dump="SELECT pg_catalog.set_config('search_path', '', false);\n"
        "CREATE TABLE public.orders (id int);\n\\connect postgres",
        b_seed="INSERT INTO orders VALUES (1), (2);",
    )
    postgres = start_postgres(files, POSTGRES_DATABASES="app")
    eventually(lambda: logs_in(postgres), "login")
    assert login(postgres, "SELECT count(*) FROM orders", "app").stdout.strip() == "2"


def test_postgres_lets_nobody_in_before_set_up_is_done(
    start_postgres: Callable[..., Container], tmp_path: Path
) -> None:
    waits = (
        "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_class WHERE relname = 'opened') "
        "LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;"
    )
    postgres = start_postgres(write_sql(tmp_path / "sql", wait=waits))
    by_socket = ("psql", "-XAtq", "-h", "/run/postgresql", "-U", "postgres", "-c")
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'"
    eventually(lambda: postgres.exec(*by_socket, running).stdout.strip() == "1", "the initial SQL is running")
    assert "password authentication failed" in login(postgres, "SELECT 1").stderr
    assert postgres.exec(*by_socket, "CREATE TABLE opened ()").returncode == 0
    eventually(lambda: logs_in(postgres), "login")


@pytest.mark.parametrize(
    ("env", "sql", "status", "expected"),
    [
        ({}, "SELECT 1;\nSELECT nonsense;\n", 1, ["/initdb.d/first.sql:2", 'column "nonsense" does not exist']),
        ({"POSTGRES_EXTENSIONS": "no_such_thing"}, "", 1, ['extension "no_such_thing" is not available']),
        ({"POSTGRES_DATABASES": 'app"; DROP'}, "", 64, ["POSTGRES_DATABASES", "is not a name"]),
        ({"POSTGRES_PASSWORD": ""}, "", 64, ["POSTGRES_PASSWORD is not set"]),
        ({"POSTGRES_LOCALE": "xx_XX"}, "", 1, ["the locale 'xx_XX'", "invalid locale name"]),
        ({"POSTGRES_SETTINGS": "no_such=1"}, "", 1, ['unrecognized configuration parameter "no_such"']),
    ],
    ids=["initial SQL", "unknown extension", "bad name", "no password", "unknown locale", "unknown setting"],
)
def test_postgres_ends_at_once_when_it_cannot_be_set_up(
    start_postgres: Callable[..., Container],
    tmp_path: Path,
    env: dict[str, str],
    sql: str,
    status: int,
    expected: list[str],
) -> None:
    postgres = start_postgres(write_sql(tmp_path / "sql", first=sql), **env)
    assert postgres.ended() == status
    for text in expected:
        assert text in postgres.log
    # A restarted container must not look healthy, and must not hide the first cause.
    assert postgres.do("start", postgres.id).returncode == 0
    assert postgres.ended() == status
    assert postgres.log.count(expected[-1]) >= 2


def test_postgres_stops_in_order_and_refuses_used_data(start_postgres: Callable[..., Container]) -> None:
    postgres = start_postgres()
    eventually(lambda: logs_in(postgres), "login")
    assert postgres.do("stop", "--time", "20", postgres.id).returncode == 0
    assert postgres.ended() == 0
    assert "received fast shutdown request" in postgres.log
    assert postgres.do("start", postgres.id).returncode == 0
    assert postgres.ended() == 70
    assert "restarted" in postgres.log


def test_minio_has_its_buckets_from_the_start(start: Callable[..., Container]) -> None:
    env = {"MINIO_ROOT_USER": "seatrial", "MINIO_ROOT_PASSWORD": "right-password"}
    minio = start("minio", volumes=("/data", "/tmp"), MINIO_BUCKETS="artifacts second.bucket", **env)
    client = """
import boto3, botocore, time
def s3(secret):
    return boto3.client(
        's3', endpoint_url='http://127.0.0.1:9000', region_name='us-east-1',
        aws_access_key_id='seatrial', aws_secret_access_key=secret,
    )
deadline = time.monotonic() + 30
while True:
    try:
        names = [bucket['Name'] for bucket in s3('right-password').list_buckets()['Buckets']]
        break
    except botocore.exceptions.BotoCoreError:
        assert time.monotonic() < deadline
        time.sleep(0.02)
assert names == ['artifacts', 'second.bucket'], names
s3('right-password').put_object(Bucket='artifacts', Key='a/b.txt', Body=b'content')
assert s3('right-password').get_object(Bucket='artifacts', Key='a/b.txt')['Body'].read() == b'content'
try:
    s3('wrong-password').list_buckets()
except botocore.exceptions.ClientError as error:
    assert error.response['Error']['Code'] == 'SignatureDoesNotMatch', error
else:
    raise AssertionError('let in with a wrong password')
"""
    tester = start("pytest", "python", "-c", client, network=f"container:{minio.id}")
    assert tester.ended() == 0, tester.log + minio.log


@pytest.mark.parametrize(
    ("buckets", "expected"),
    [("Artifacts", "'Artifacts' is not a bucket's name"), ("../up", "'../up' is not a bucket's name")],
)
def test_minio_refuses_what_is_not_a_bucket(start: Callable[..., Container], buckets: str, expected: str) -> None:
    minio = start(
        "minio",
        volumes=("/data", "/tmp"),
        MINIO_BUCKETS=buckets,
        MINIO_ROOT_USER="seatrial",
        MINIO_ROOT_PASSWORD="right-password",
    )
    assert minio.ended() == 64
    assert expected in minio.log


def test_temporal_serves_its_namespaces(start: Callable[..., Container]) -> None:
    arguments = (
        "server start-dev --ip 0.0.0.0 --headless --namespace default --namespace orders "
        "--search-attribute Customer=Keyword --log-level warn"
    )
    temporal = start("temporal", *arguments.split())
    eventually(lambda: "SERVING" in temporal.exec("temporal", "operator", "cluster", "health").stdout, "health")
    described = ("temporal", "operator", "namespace", "describe", "--namespace")
    eventually(lambda: temporal.exec(*described, "default").returncode == 0, "namespace default")
    eventually(lambda: temporal.exec(*described, "orders").returncode == 0, "namespace orders")
    attributes = ("temporal", "operator", "search-attribute", "list", "--namespace")
    assert "Customer" in temporal.exec(*attributes, "orders").stdout


def test_redis_wants_the_password_and_hides_it(start: Callable[..., Container]) -> None:
    redis = start("redis", REDIS_PASSWORD="right")
    eventually(lambda: "PONG" in redis.exec("redis-cli", "ping", REDISCLI_AUTH="right").stdout, "an answer")
    assert "NOAUTH" in redis.exec("redis-cli", "ping").stdout
    assert "right" not in redis.exec("cat", "/proc/1/cmdline").stdout
    assert redis.exec("redis-cli", "config", "get", "save", REDISCLI_AUTH="right").stdout.split() == ["save"]
    assert redis.do("stop", "--time", "20", redis.id).returncode == 0
    assert redis.ended() == 0


def test_redis_asks_for_no_password_where_none_is_wanted(start: Callable[..., Container]) -> None:
    redis = start("redis", REDIS_OPEN="true")
    eventually(lambda: "PONG" in redis.exec("redis-cli", "ping").stdout, "an answer")
    assert redis.exec("redis-cli", "config", "get", "protected-mode").stdout.split() == ["protected-mode", "no"]


def test_redis_has_the_settings_that_are_asked_for(start: Callable[..., Container]) -> None:
    redis = start("redis", REDIS_OPEN="true", REDIS_SETTINGS="maxmemory-policy allkeys-lru\ndatabases 20")
    eventually(lambda: "PONG" in redis.exec("redis-cli", "-n", "19", "ping").stdout, "an answer")
    assert redis.exec("redis-cli", "config", "get", "maxmemory-policy").stdout.split()[1] == "allkeys-lru"


def test_redis_is_a_cluster_of_one_node_when_it_is_asked_to_be(start: Callable[..., Container]) -> None:
    redis = start("redis", REDIS_OPEN="true", REDIS_SETTINGS="cluster-enabled yes")
    eventually(lambda: "cluster_state:ok" in redis.exec("redis-cli", "cluster", "info").stdout, "all slots are served")
    assert redis.exec("redis-cli", "set", "a", "1").stdout.strip() == "OK"


def test_redis_needs_a_password(start: Callable[..., Container]) -> None:
    redis = start("redis")
    assert redis.ended() == 64
    assert "REDIS_PASSWORD is not set" in redis.log


@pytest.mark.parametrize("python", ["python", "python3"])
def test_the_test_image_has_pytest_and_the_clients(start: Callable[..., Container], python: str) -> None:
    program = (
        "import sys, pytest, xdist, pytest_asyncio, coverage, httpx, psycopg, boto3, temporalio.client, redis; "
        "print(psycopg.pq.__impl__, *sys.version_info[:2])"
    )
    tester = start("pytest", python, "-c", program)
    assert tester.ended() == 0, tester.log
    assert tester.log.split() == ["binary", "3", "13"]


def test_the_runner_holds_launcher_and_collector(start: Callable[..., Container]) -> None:
    version = IMAGES["runner"].rpartition(":")[2]
    expected = start("runner", "/seatrial/launch", "version")
    assert expected.ended() == 0
    assert expected.log.strip() == version
    imported = start(
        "runner",
        "python3",
        "-c",
        "import seatrial_runner.collect as c, os; print(c.__file__, os.path.exists(c.__cached__))",
    )
    assert imported.ended() == 0, imported.log
    assert imported.log.split() == ["/seatrial/python/seatrial_runner/collect.py", "True"]
    copied = start("runner", "/seatrial/launch", "copy", "/seatrial", "/target", volumes=("/tmp", "/target"))
    assert copied.ended() == 0, copied.log


def test_the_operator_image_has_all_three_programs(start: Callable[..., Container]) -> None:
    operator = start(
        "operator",
        "-c",
        "import seatrial, seatrial.archive, seatrial.cli; print(seatrial.__version__)",
        entrypoint="python",
    )
    assert operator.ended() == 0, operator.log
    assert operator.log.strip() == IMAGES["operator"].rpartition(":")[2]


@pytest.mark.parametrize("bucket", ["s3://bucket/prefix", "gs://bucket"])
def test_the_archive_finds_what_it_needs_to_speak_tls_with_a_bucket(
    start: Callable[..., Container], bucket: str
) -> None:
    code = f"from seatrial.archive.server.storage.bucket import Bucket; Bucket.at({bucket!r})"
    operator = start("operator", "-c", code, entrypoint="python")
    assert operator.ended() == 0, operator.log
