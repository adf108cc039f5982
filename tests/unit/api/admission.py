"""Objects that the API server accepts and refuses: every rule of the schema, with a right and a wrong one."""

from __future__ import annotations

from typing import Any

BASE: dict[str, Any] = {"tests": {"image": "i"}}
ACCEPTED: dict[str, dict[str, Any]] = {
    "minimal": {},
    "all services": {
        "services": {
            "postgres": {"version": "17", "databases": ["app"], "extensions": ["pgcrypto"], "storage": "Memory"},
            "minio": {"buckets": ["artifacts"]},
            "temporal": {"namespaces": ["default"], "searchAttributes": {"Customer": "Keyword"}},
            "redis": {},
            "orders-db": {"type": "postgres", "initSQL": {"configMapRef": {"name": "seed"}}},
            "emulator": {"type": "custom", "image": "i", "ports": {"http": 8080}, "ready": {"httpGet": {"path": "/"}}},
        }
    },
    "readiness with scheme and headers": {
        "apps": {
            "a": {
                "image": "i",
                "port": 1,
                "ready": {
                    "httpGet": {
                        "scheme": "HTTPS",
                        "httpHeaders": [{"name": "Host", "value": "a.example"}, {"name": "X-A", "value": ""}],
                    }
                },
            }
        }
    },
    "app with readiness": {"apps": {"api": {"image": "i", "port": 8000, "ready": {"grpc": {}}}}},
    "quantities": {"apps": {"api": {"image": "i", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}}},
    "durations": {"timeouts": {"environment": "1m30s", "tests": "2h"}, "retention": {"passed": "0s"}},
    "longest durations": {"retention": {"maxLifetime": "87600h", "failed": "5256000m"}},
    "artifacts": {"tests": {"image": "i", "artifacts": ["logs/**", "report.html"]}},
    "names of 40 characters": {
        "services": {"p" * 40: {"type": "postgres", "initSQL": {"configMapRef": {"name": "seed.sql-1"}}}},
        "migrations": [{"name": "m" * 40, "image": "i", "command": ["a"]}],
        "apps": {"a" * 40: {"image": "i"}},
    },
    "shared volume": {
        "sharedVolume": {
            "mountPath": "/sessions",
            "env": "WORKER_SESSIONS_DIR",
            "storageClass": "nfs.example-1",
            "size": "10Gi",
        }
    },
    "readiness of every kind": {
        "services": {
            "a": {"type": "custom", "image": "i", "ports": {"web": 1}, "ready": {"httpGet": {"port": "web"}}},
            "b": {"type": "custom", "image": "i", "ports": {"web": 1}, "ready": {"tcpSocket": {"port": 1}}},
            "c": {"type": "custom", "image": "i", "ports": {"web": 1}, "ready": {"grpc": {"service": "s"}}},
            "d": {"type": "custom", "image": "i", "ports": {"web": 1}, "ready": {"exec": {"command": ["true"]}}},
        }
    },
    "fields under a type of its own": {
        "services": {"minio": {"type": "postgres", "databases": ["a"]}, "postgres": {"type": "custom", "image": "i"}}
    },
    "code without an image": {
        "code": {"digest": "sha256:" + "0" * 64, "mountPath": "/app"},
        "migrations": [{"name": "m", "image": "i", "command": ["a"], "code": False}],
        "apps": {"a": {"image": "i", "code": False}, "b": {"image": "i", "code": True}},
        "tests": {},
    },
    "forwards": {
        "services": {"postgres": {}},
        "apps": {
            "a": {"image": "i", "command": ["a"], "port": 1, "forwards": True},
            "b": {"image": "i", "forwards": False},
        },
        "migrations": [{"name": "m", "image": "i", "command": ["a"], "forwards": True}],
        "forwards": {"1": "postgres", "15432": "postgres:5432", "65535": "a:app"},
    },
    "files in folders": {
        "tests": {
            "source": {
                "configMapRef": {
                    "name": "tests",
                    "items": [{"key": "a.py", "path": "unit/a.py"}, {"key": "a.py", "path": "more/a..b/a.py"}],
                }
            }
        }
    },
    "tests from a ConfigMap": {"tests": {"source": {"configMapRef": {"name": "first-tests"}}}},
    "devices": {
        "tests": {
            "image": "i",
            "resources": {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": "1", "cpu": "1.5"}},
        }
    },
    "a device in limits alone": {"tests": {"image": "i", "resources": {"limits": {"vendor.example/f_p-g.a": 2}}}},
    "all quantities": {
        "apps": {
            "a": {"image": "i", "resources": {"limits": {"cpu": "250m", "memory": "1.5Gi", "ephemeral-storage": "1e9"}}}
        }
    },
    "images of all forms": {
        "migrations": [
            {"name": "a", "image": "localhost:5000/Team/a_b__c:1.0-rc.1_", "command": ["a"]},
            {"name": "b", "image": "[::1]:5000/a@sha256:" + "0" * 64, "command": ["a"]},
        ],
        "tests": {"image": "ubuntu", "env": [{"name": "A"}, {"name": "B", "value": "$(A)"}]},
    },
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no tests": ({"tests": None}, "spec.tests"),
    "typo": ({"servces": {}}, "servces"),
    "typo inside": ({"tests": {"image": "i", "marker": "x"}}, "marker"),
    "neither image nor source": ({"tests": {"markers": "x"}}, "give an image that holds the tests"),
    "forward of no port": ({"forwards": {"0": "a"}}, "ports are numbers from 1 to 65535"),
    "forward of a port too high": ({"forwards": {"65536": "a"}}, "ports are numbers from 1 to 65535"),
    "forward to no name": ({"forwards": {"80": "a:b:c"}}, "spec.forwards.80"),
    "forwards without a command": (
        {"apps": {"a": {"image": "i", "forwards": True}}}, "forwards need a command: its launcher listens",
    ),
    "file outside its folder": (
        {"tests": {"source": {"configMapRef": {"name": "a", "items": [{"key": "a", "path": "b/../../a"}]}}}},
        "items[0].path",
    ),
    "file by an absolute path": (
        {"tests": {"source": {"configMapRef": {"name": "a", "items": [{"key": "a", "path": "/a"}]}}}}, "items[0].path",
    ),
    "file twice": (
        {"tests": {"source": {"configMapRef": {"name": "a", "items": [{"key": "a", "path": "x"}, {"key": "b", "path": "x"}]}}}},
        "Duplicate value",
    ),
    "code with a folder": (
        {"code": {"local": ".", "mountPath": "/app"}}, "`seatrial run FILE` packs that folder, uploads it",
    ),
    "code without a digest": ({"code": {"mountPath": "/app"}}, "give the digest of a bundle"),
    "code with another digest": ({"code": {"digest": "md5:0", "mountPath": "/app"}}, "spec.code.digest"),
    "code nowhere": ({"code": {"digest": "sha256:" + "0" * 64}}, "spec.code.mountPath"),
    "unknown service without type": ({"services": {"db": {}}}, "needs a type"),
    "unknown type": ({"services": {"db": {"type": "mysql"}}}, "mysql"),
    "custom without image": ({"services": {"x": {"type": "custom"}}}, "type custom needs an image"),
    "field of another type": ({"services": {"minio": {"databases": ["a"]}}}, "minio has fields of another type"),
    "field of another explicit type": (
        {"services": {"x": {"type": "redis", "buckets": ["abc"]}}}, "only for type minio",
    ),
    "postgres with a field of another type": (
        {"services": {"postgres": {"namespaces": ["a"]}}}, "postgres has fields of another type",
    ),
    "temporal with a field of another type": (
        {"services": {"temporal": {"buckets": ["abc"]}}}, "temporal has fields of another type",
    ),
    "redis with a field of another type": ({"services": {"redis": {"image": "i"}}}, "redis has fields of another type"),
    "explicit minio with a field of postgres": (
        {"services": {"x": {"type": "minio", "databases": ["a"]}}}, "only for type postgres",
    ),
    "explicit postgres with a field of temporal": (
        {"services": {"x": {"type": "postgres", "searchAttributes": {"A": "Int"}}}}, "only for type temporal",
    ),
    "explicit temporal with a field of custom": (
        {"services": {"x": {"type": "temporal", "env": [{"name": "A"}]}}}, "only for type custom",
    ),
    "custom with a field of minio": (
        {"services": {"x": {"type": "custom", "image": "i", "buckets": ["abc"]}}}, "only for type minio",
    ),
    "service name of 41 characters": ({"services": {"p" * 41: {"type": "postgres"}}}, "at most 40 characters"),
    "app name of 41 characters": ({"apps": {"a" * 41: {"image": "i"}}}, "at most 40 characters"),
    "migration name of 41 characters": (
        {"migrations": [{"name": "m" * 41, "image": "i", "command": ["a"]}]}, "spec.migrations[0].name",
    ),
    "ConfigMap of no possible name": ({"tests": {"source": {"configMapRef": {"name": "My_Tests"}}}}, "configMap"),
    "service name": ({"services": {"Post_Gres": {"type": "postgres"}}}, "names must be lower case"),
    "reserved service name": ({"services": {"migrations": {"type": "postgres"}}}, "are taken"),
    "reserved app name": ({"apps": {"tests": {"image": "i"}}}, "are taken"),
    "app named like a service": (
        {"services": {"redis": {}}, "apps": {"redis": {"image": "i"}}}, "can't have the same name",
    ),
    "readiness twice": (
        {"apps": {"a": {"image": "i", "port": 1, "ready": {"httpGet": {}, "tcpSocket": {}}}}}, "exactly one of httpGet, tcpSocket or grpc",
    ),
    "readiness of a service twice": (
        {"services": {"x": {
            "type": "custom", "image": "i", "ports": {"http": 1}, "ready": {"httpGet": {}, "exec": {"command": ["true"]}},
        }}},
        "exactly one of httpGet, tcpSocket, grpc or exec",
    ),
    "readiness of a service in no way": (
        {"services": {"x": {"type": "custom", "image": "i", "ports": {"http": 1}, "ready": {}}}},
        "exactly one of httpGet, tcpSocket, grpc or exec",
    ),
    "readiness in no way": ({"apps": {"a": {"image": "i", "port": 1, "ready": {}}}}, "exactly one of httpGet, tcpSocket or grpc"),
    "readiness with an unknown scheme": (
        {"apps": {"a": {"image": "i", "port": 1, "ready": {"httpGet": {"scheme": "https"}}}}}, "scheme",
    ),
    "header of no possible name": (
        {"apps": {"a": {"image": "i", "port": 1, "ready": {"httpGet": {"httpHeaders": [{"name": "a b", "value": ""}]}}}}},
        "httpHeaders[0].name",
    ),
    "header with two lines": (
        {"apps": {"a": {"image": "i", "port": 1, "ready": {"httpGet": {"httpHeaders": [{"name": "A", "value": "b\nc"}]}}}}},
        "httpHeaders[0].value",
    ),
    "readiness without port": ({"apps": {"a": {"image": "i", "ready": {"tcpSocket": {}}}}}, "ready needs a port"),
    "custom readiness without ports": (
        {"services": {"x": {"type": "custom", "image": "i", "ready": {"exec": {"command": ["true"]}}}}},
        "at least one entry in ports",
    ),
    "migration without command": ({"migrations": [{"name": "m", "image": "i"}]}, "command"),
    "migrations of one name": (
        {"migrations": [{"name": "m", "image": "i", "command": ["a"]}, {"name": "m", "image": "i", "command": ["b"]}]},
        "Duplicate value",
    ),
    "duration": ({"timeouts": {"tests": "ten minutes"}}, "spec.timeouts.tests"),
    "duration of more than ten years": (
        {"retention": {"maxLifetime": "87600h1ms"}}, "a duration is at most 87600h, ten years",
    ),
    "duration of more than any clock": ({"retention": {"record": "9" * 31 + "h"}}, "spec.retention.record"),
    "database name": ({"services": {"postgres": {"databases": ["a-b"]}}}, "databases"),
    "bucket name": ({"services": {"minio": {"buckets": ["A"]}}}, "buckets"),
    "artifact outside": ({"tests": {"image": "i", "artifacts": ["/etc/**"]}}, "artifacts"),
    "option as path": ({"tests": {"image": "i", "paths": ["--collect-only"]}}, "paths"),
    "secret in env": ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}, "valueFrom"),
    "control character in an image": ({"tests": {"image": "app:1\n"}}, "spec.tests.image"),
    "blank before an image": ({"apps": {"a": {"image": " app:1"}}}, "image"),
    "placeholder as image": ({"apps": {"a": {"image": "registry/${APP}"}}}, "image"),
    "storage class of no possible name": (
        {"sharedVolume": {"mountPath": "/x", "storageClass": "Not A Class"}}, "spec.sharedVolume.storageClass",
    ),
    "storage of no size": ({"sharedVolume": {"mountPath": "/x", "size": "0Gi"}}, "spec.sharedVolume.size"),
    "resource of no possible name": (
        {"tests": {"image": "i", "resources": {"limits": {"memroy": "1Gi"}}}}, "resources are cpu, memory, ephemeral-storage",
    ),
    "resource of no possible name in requests": (
        {"tests": {"image": "i", "resources": {"requests": {"a b/c": 1}}}}, "resources are cpu, memory, ephemeral-storage",
    ),
    "resource of Kubernetes' own domain": (
        {"tests": {"image": "i", "resources": {"limits": {"kubernetes.io/x": 1}}}}, "resources are cpu, memory, ephemeral-storage",
    ),
    "half a device": (
        {"tests": {"image": "i", "resources": {"limits": {"nvidia.com/gpu": "500m"}}}}, "devices are counted in whole numbers",
    ),
    "device in requests alone": (
        {"tests": {"image": "i", "resources": {"requests": {"nvidia.com/gpu": 1}}}}, "the same number in requests and limits",
    ),
    "quantity": ({"tests": {"image": "i", "resources": {"limits": {"memory": "1 Gi"}}}}, "spec.tests.resources.limits.memory"),
    "quantity below zero": ({"tests": {"image": "i", "resources": {"limits": {"cpu": -1}}}}, "spec.tests.resources.limits.cpu"),
    "source of nothing": ({"tests": {"source": {}}}, "give configMapRef: {name: ...}"),
    "initSQL of nothing": ({"services": {"postgres": {"initSQL": {}}}}, "give configMapRef: {name: ...}"),
    "variable twice": (
        {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "spec.env[1]: Duplicate value",
    ),
    "variable of an app twice": (
        {"apps": {"a": {"image": "i", "env": [{"name": "A"}, {"name": "A"}]}}}, "Duplicate value",
    ),
    "database twice": ({"services": {"postgres": {"databases": ["a", "a"]}}}, "Duplicate value"),
    "extension twice": ({"services": {"postgres": {"extensions": ["a", "a"]}}}, "Duplicate value"),
    "bucket twice": ({"services": {"minio": {"buckets": ["abc", "abc"]}}}, "Duplicate value"),
    "namespace twice": ({"services": {"temporal": {"namespaces": ["a", "a"]}}}, "Duplicate value"),
    "port": ({"apps": {"a": {"image": "i", "port": 70000}}}, "port"),
}  # fmt: skip
ALLOWED_CHANGES: dict[str, dict[str, Any]] = {
    "cancel": {"cancel": True},
    "retention": {"retention": {"failed": "1h"}},
}
REFUSED_CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "services": ({"services": {"redis": {}}}, "spec.services can't change after creation"),
    "tests": ({"tests": {"markers": "other"}}, "spec.tests can't change after creation"),
    "env": ({"env": [{"name": "A", "value": "1"}]}, "spec.env can't change"),
    "apps": ({"apps": {"a": {"image": "i"}}}, "spec.apps can't change"),
    "migrations": ({"migrations": [{"name": "m", "image": "i", "command": ["a"]}]}, "spec.migrations can't change"),
    "timeouts": ({"timeouts": {"tests": "1s"}}, "spec.timeouts can't change"),
    "sharedVolume": ({"sharedVolume": {"mountPath": "/x"}}, "spec.sharedVolume can't change"),
    "forwards": ({"forwards": {"80": "a"}}, "spec.forwards can't change"),
    "code": ({"code": {"digest": "sha256:" + "1" * 64, "mountPath": "/app"}}, "spec.code can't change"),
}
ORDERED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "env": ([{"name": "A"}, {"name": "B", "value": "$(A)"}], "spec.env can't change"),
    "migrations": (
        [{"name": "a", "image": "i", "command": ["a"]}, {"name": "b", "image": "i", "command": ["b"]}],
        "spec.migrations can't change",
    ),
}  # fmt: skip
"""Lists whose order counts: turned round they are another list."""
RESUMED = ({"cancel": False}, "a cancelled run can't be resumed")
LEASE = ({"retention": {"maxLifetime": "9h"}}, "maxLifetime can't change after creation")
