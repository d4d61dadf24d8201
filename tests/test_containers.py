"""The container files keep what they promise. They are read here, not run: that takes a Docker daemon."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from conduit.settings import PREFIX, PROGRAM_VARIABLES, load

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_every_image_is_pinned_to_a_full_version() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    images += [service["image"] for service in SERVICES.values()]
    assert len(images) >= 5
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", image), image


def test_image_runs_as_an_account_without_rights_and_installs_by_hash() -> None:
    assert DOCKERFILE.index("\nUSER conduit") < DOCKERFILE.index("\nENTRYPOINT")
    assert DOCKERFILE.count("--require-hashes") == 2


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"]


def test_databases_are_on_the_inner_network_alone_and_publish_nothing() -> None:
    assert COMPOSE["networks"]["stores"] == {"internal": True}
    for name in ("postgres", "valkey"):
        assert SERVICES[name]["networks"] == ["stores"]
        assert "ports" not in SERVICES[name]


def test_passwords_come_as_files_and_each_is_declared() -> None:
    declared = set(COMPOSE["secrets"])
    used = {secret for service in SERVICES.values() for secret in service["secrets"]}
    assert used == declared
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or value.startswith("/run/secrets/")


def test_variables_of_the_gateway_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    image = dict(re.findall(r"(CONDUIT_[A-Z_]+)=(\S+)", DOCKERFILE))
    variables = image | SERVICES["gateway"]["environment"]
    assert all(name.startswith(PREFIX) for name in variables)
    for name in variables.keys() - PROGRAM_VARIABLES:
        monkeypatch.setenv(name, variables[name])
    settings = load(None, variables)
    assert settings.listen.gateway == "0.0.0.0:8081"
    assert settings.drain_s < 90, "the stop must not be cut off by stop_grace_period"
