"""The compose file says what the README says of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from oee_daemon import settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_the_servers_listen_on_loopback_and_say_how_they_are(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert "profiles" not in service
    assert service["ports"] and all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["healthcheck"]["test"]
    assert service["volumes"]


@pytest.mark.parametrize("name", ["daemon", "worker"])
def test_the_engine_stands_behind_a_profile_and_waits_for_its_servers(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]
    assert service["profiles"] == ["engine"]
    assert service["build"]["dockerfile_inline"].startswith("FROM python:")
    waited = services["daemon"]["depends_on"]
    assert {k: v["condition"] for k, v in waited.items()} == {
        "postgres": "service_healthy",
        "valkey": "service_healthy",
    }


def test_the_engine_is_given_the_servers_by_settings_that_it_takes(services: dict[str, Any]) -> None:
    for name in ("daemon", "worker"):
        # What compose puts in where the variable is not set.
        environ = {
            k: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", v) for k, v in services[name]["environment"].items()
        }
        found = settings.load(environ, config=Path("/nonexistent"))
        assert found.database_url == "postgresql://oee:oee@postgres:5432/oee"
        assert found.redis_url == "redis://valkey:6379/0"


def test_workers_can_be_scaled(services: dict[str, Any]) -> None:
    assert services["worker"]["command"] == ["worker"]
    # A published port or a fixed name would keep a second one from starting.
    assert not {"ports", "container_name"} & set(services["worker"])


def test_the_daemon_is_published_on_loopback_only(services: dict[str, Any]) -> None:
    assert services["daemon"]["ports"] == ["127.0.0.1:3000:3000"]
