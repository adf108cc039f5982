"""What is known of public images: which typed service they stand for, their ports and folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seatrial.api.services import ServiceType


@dataclass(frozen=True)
class ImageName:
    """An image's repository without its registry, and its tag."""

    repository: str
    tag: str


def image_name(reference: str) -> ImageName:
    """Splits a reference: `docker.io/library/postgres:16-alpine` is `postgres`, `16-alpine`."""
    name = reference.partition("@")[0]
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        name = rest
    name, _, tag = name.partition(":")
    return ImageName(name.removeprefix("library/").lower(), tag)


TYPED: Mapping[str, ServiceType] = {
    "postgres": ServiceType.POSTGRES,
    "bitnami/postgresql": ServiceType.POSTGRES,
    "bitnamilegacy/postgresql": ServiceType.POSTGRES,
    "pgvector/pgvector": ServiceType.POSTGRES,
    "ankane/pgvector": ServiceType.POSTGRES,
    "postgis/postgis": ServiceType.POSTGRES,
    "timescale/timescaledb": ServiceType.POSTGRES,
    "cimg/postgres": ServiceType.POSTGRES,
    "circleci/postgres": ServiceType.POSTGRES,
    "minio/minio": ServiceType.MINIO,
    "bitnami/minio": ServiceType.MINIO,
    "bitnamilegacy/minio": ServiceType.MINIO,
    "redis": ServiceType.REDIS,
    "valkey/valkey": ServiceType.REDIS,
    "bitnami/redis": ServiceType.REDIS,
    "bitnamilegacy/redis": ServiceType.REDIS,
    "cimg/redis": ServiceType.REDIS,
    "temporalio/auto-setup": ServiceType.TEMPORAL,
    "temporalio/server": ServiceType.TEMPORAL,
    "temporalio/temporal": ServiceType.TEMPORAL,
}
"""Images that a typed service stands for."""
EXTENSIONS: Mapping[str, str] = {
    "pgvector/pgvector": "vector",
    "ankane/pgvector": "vector",
    "postgis/postgis": "postgis",
    "timescale/timescaledb": "timescaledb",
}
"""Extensions that such an image is chosen for."""
VERSIONS_WITH: Mapping[str, tuple[str, ...]] = {"postgis": ("17",), "timescaledb": ()}
"""Versions of our Postgres that have an extension, where not all have it."""
BUCKET_TOOL = "minio/mc"
TEMPORAL_PAGES = ("temporalio/ui", "temporalio/web")


@dataclass(frozen=True)
class KnownImage:
    """What a custom service of this image needs."""

    ports: Mapping[str, int]
    """By name, the main one first."""
    writable: tuple[str, ...] = ()
    scheme: str = ""
    """`http` if its main port speaks it."""
    entrypoint: tuple[str, ...] = field(default=())
    """What the image starts, where only arguments are given."""


_POSTGRES = KnownImage({"postgres": 5432}, ("/var/lib/postgresql/data", "/var/run/postgresql"))
_MYSQL = KnownImage({"mysql": 3306}, ("/var/lib/mysql", "/var/run/mysqld"))
_SEARCH = ("/usr/share/elasticsearch/data", "/usr/share/elasticsearch/logs")
CUSTOM: Mapping[str, KnownImage] = {
    "kartoza/postgis": _POSTGRES,
    "timescale/timescaledb-ha": _POSTGRES,
    "supabase/postgres": _POSTGRES,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "mongo": KnownImage({"mongodb": 27017}, ("/data/db", "/data/configdb")),
    "rabbitmq": KnownImage({"amqp": 5672}, ("/var/lib/rabbitmq", "/var/log/rabbitmq")),
    "elasticsearch": KnownImage({"http": 9200}, _SEARCH, "http"),
    "elasticsearch/elasticsearch": KnownImage({"http": 9200}, _SEARCH, "http"),
    "opensearchproject/opensearch": KnownImage({"http": 9200}, ("/usr/share/opensearch/data",), "http"),
    "confluentinc/cp-kafka": KnownImage({"kafka": 9092}, ("/etc/kafka", "/var/lib/kafka/data")),
    "confluentinc/cp-zookeeper": KnownImage({"client": 2181}, ("/etc/kafka", "/var/lib/zookeeper")),
    "confluentinc/cp-schema-registry": KnownImage({"http": 8081}, ("/etc/schema-registry",), "http"),
    "redis/redis-stack": KnownImage({"redis": 6379}, ("/data",)),
    "redis/redis-stack-server": KnownImage({"redis": 6379}, ("/data",)),
    "memcached": KnownImage({"memcached": 11211}),
    "nats": KnownImage({"client": 4222}),
    "axllent/mailpit": KnownImage({"http": 8025, "smtp": 1025}, ("/data",), "http"),
    "mailhog/mailhog": KnownImage({"http": 8025, "smtp": 1025}, (), "http"),
    "localstack/localstack": KnownImage({"http": 4566}, ("/var/lib/localstack",), "http"),
    "motoserver/moto": KnownImage({"http": 5000}, (), "http"),
    "wiremock/wiremock": KnownImage({"http": 8080}, ("/home/wiremock",), "http"),
    "mockserver/mockserver": KnownImage({"http": 1080}, (), "http"),
    "selenium/standalone-chrome": KnownImage({"http": 4444}, (), "http"),
    "qdrant/qdrant": KnownImage({"http": 6333}, ("/qdrant/storage", "/qdrant/snapshots"), "http"),
    "chromadb/chroma": KnownImage({"http": 8000}, ("/data",), "http"),
    "clickhouse/clickhouse-server": KnownImage(
        {"http": 8123}, ("/var/lib/clickhouse", "/var/log/clickhouse-server"), "http"
    ),
    "neo4j": KnownImage({"http": 7474}, ("/data", "/logs"), "http"),
    "keycloak/keycloak": KnownImage({"http": 8080}, ("/opt/keycloak/data",), "http"),
    "zookeeper": KnownImage({"client": 2181}, ("/data", "/datalog", "/logs")),
    "migrate/migrate": KnownImage({}, entrypoint=("migrate",)),
    "flyway/flyway": KnownImage({}, entrypoint=("flyway",)),
    "amacneil/dbmate": KnownImage({}, entrypoint=("dbmate",)),
}
TOOLS = frozenset({
    "adminer", "dpage/pgadmin4", "sosedoff/pgweb", "phpmyadmin", "phpmyadmin/phpmyadmin", "mongo-express",
    "rediscommander/redis-commander", "redis/redisinsight", "redislabs/redisinsight", "patrikx3/p3x-redis-ui",
    "provectuslabs/kafka-ui", "kafbat/kafka-ui", "obsidiandynamics/kafdrop",
    "confluentinc/cp-enterprise-control-center",
    "portainer/portainer-ce", "amir20/dozzle", "containrrr/watchtower", "grafana/grafana", "grafana/loki",
    "grafana/promtail", "grafana/tempo", "prom/prometheus", "prom/alertmanager", "prom/node-exporter", "kibana",
    "kibana/kibana", "mher/flower", "traefik", "certbot/certbot", "jaegertracing/all-in-one", "openzipkin/zipkin",
    "gcr.io/cadvisor/cadvisor", "cadvisor/cadvisor", "oliver006/redis_exporter", "danihodovic/celery-exporter",
    "prometheuscommunity/postgres-exporter", "nginxproxy/nginx-proxy", "jwilder/nginx-proxy", "testcontainers/ryuk",
    "prodrigestivill/postgres-backup-local", "temporalio/admin-tools",
})  # fmt: skip
"""Images for people, metrics and proxies of a machine: no test needs them."""
