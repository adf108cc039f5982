"""What the operator is told by its Deployment, and what it says when that can't be used."""

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


def read(key: Path, **more: str) -> Settings:
    return Settings.from_env({"SEATRIAL_KEY_FILE": str(key), **more})


def test_another_dns(key: Path) -> None:
    peer = {"ipBlock": {"cidr": "10.0.0.10/32"}}
    assert read(key, SEATRIAL_DNS=json.dumps([peer])).dns == (peer,)


@pytest.mark.parametrize("told", ["", "[]", "{}", "10.0.0.10", "[1]", "[{}]"])
def test_a_dns_that_can_not_be_asked(key: Path, told: str) -> None:
    with pytest.raises(SystemExit, match="NetworkPolicyPeers"):
        read(key, SEATRIAL_DNS=told)


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
    with pytest.raises(SystemExit, match="auths"):
        read(key, SEATRIAL_REGISTRY_FILE=str(file))
