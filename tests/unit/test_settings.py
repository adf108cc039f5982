"""What the operator reads from its environment, and what it says when that can't be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.settings import Settings


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("k" * 64)
    return file


def keys(key: Path) -> dict[str, str]:
    (of_environments := key.with_name("environments")).write_text("e" * 64)
    return {"SEATRIAL_KEY_FILE": str(key), "SEATRIAL_ENVIRONMENT_KEY_FILE": str(of_environments)}


def read(key: Path, **more: str) -> Settings:
    return Settings.from_env(keys(key) | more)


def test_both_keys_are_read_and_differ(key: Path) -> None:
    assert (read(key).key, read(key).environment_key) == (b"k" * 64, b"e" * 64)
    with pytest.raises(SystemExit, match="the archive could derive passwords"):
        read(key, SEATRIAL_ENVIRONMENT_KEY_FILE=str(key))


def test_another_dns(key: Path) -> None:
    peer = {"ipBlock": {"cidr": "10.0.0.10/32"}}
    assert read(key, SEATRIAL_DNS=json.dumps([peer])).dns == (peer,)


@pytest.mark.parametrize("value", ["", "[]", "{}", "10.0.0.10", "[1]", "[{}]"])
def test_a_dns_that_can_not_be_asked(key: Path, value: str) -> None:
    with pytest.raises(SystemExit, match=r"SEATRIAL_DNS.* must be a JSON list of NetworkPolicyPeers"):
        read(key, SEATRIAL_DNS=value)


def test_registries(key: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"auths": {"registry.example": {}}}')
    assert read(key, SEATRIAL_REGISTRY_FILE=str(file)).registry_file == file
    assert read(key).registry_file is None


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"auths": []}'])
def test_registries_that_are_none(key: Path, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "config.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit, match=r"SEATRIAL_REGISTRY_FILE.*auths"):
        read(key, SEATRIAL_REGISTRY_FILE=str(file))


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TOOLS", "Magic", "SEATRIAL_TOOLS='Magic' must be one of 'ImageVolume' or 'Copy'"),
        ("SWEEP_SECONDS", "soon", "SEATRIAL_SWEEP_SECONDS='soon' must be a number"),
        ("SWEEP_SECONDS", "0", "SEATRIAL_SWEEP_SECONDS='0' must be more than 0.0"),
        ("HEALTH_PORT", "70000", "SEATRIAL_HEALTH_PORT='70000' must be at most 65535"),
        ("ARCHIVE_PATIENCE", "1.5", "SEATRIAL_ARCHIVE_PATIENCE='1.5' must be a whole number"),
        ("BUDGET_CPU", "many", "SEATRIAL_BUDGET_CPU='many' String should match pattern"),
        ("BUDGET_REPLICAS", "0", "SEATRIAL_BUDGET_REPLICAS='0' must be more than 0"),
        ("BUDGET_LIFETIME", "long", "SEATRIAL_BUDGET_LIFETIME='long' 'long' is not a duration"),
        ("LOG_LEVEL", "x" * 200, f"SEATRIAL_LOG_LEVEL='{'x' * 99}…' must be one of"),
        ("KEY_FILE", "/nowhere", "the key file /nowhere can't be read"),
        ("ENVIRONMENT_KEY_FILE", "/nowhere", "the key file /nowhere can't be read"),
    ],
)
def test_a_wrong_value_ends_the_operator_with_a_sentence(key: Path, variable: str, value: str, message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        read(key, **{f"SEATRIAL_{variable}": value})
    assert str(ended.value).startswith(f"seatrial: {message}")


def test_settings_made_in_code_ask_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_TOOLS", "Copy")
    assert Settings().tools == "ImageVolume"


def test_addresses_of_the_archive_follow_from_names(key: Path) -> None:
    known = read(
        key, SEATRIAL_NAMESPACE="ops", SEATRIAL_ARCHIVE_SERVICE="store", SEATRIAL_ARCHIVE_READ_URL="http://a:1"
    )
    assert (known.archive_upload_url, known.archive_read_url) == ("http://store.ops:8080", "http://a:1")


def asked_before(host: str, namespace: str) -> list[str]:
    """The namespaces whose owner could answer for this name before the one that is meant, in a pod of a namespace."""
    zone, found = "svc.cluster.local", []
    for search in (f"{namespace}.{zone}", zone, "cluster.local"):  # in this order, as a kubelet writes it
        words = f"{host}.{search}".removesuffix(f".{zone}").split(".")
        if (words[0], words[1:]) == ("store", ["ops"]):
            return found
        if len(words) in (2, 3):  # SERVICE.NAMESPACE, or HOSTNAME.SERVICE.NAMESPACE
            found.append(words[-1])
    return found


def test_nobody_else_can_answer_for_the_archive(key: Path) -> None:
    known = read(key, SEATRIAL_NAMESPACE="ops", SEATRIAL_ARCHIVE_SERVICE="store")
    for url in (known.archive_upload_url, known.archive_read_url):
        host = url.removeprefix("http://").partition(":")[0]
        for namespace in ("ops", "st-orders-abc23"):
            assert set(asked_before(host, namespace)) <= {namespace}
    assert asked_before("store.ops.svc", "ops") == ["svc"], "what would be asked with a third word"
