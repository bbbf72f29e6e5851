"""Daemon and worker on each event loop there is: uvloop, and Python's own where uvloop has no wheel."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from websockets.sync.client import unix_connect

import oee_daemon
from tests.e2e.test_engine import BODY
from tests.kit.daemons import FreshDaemon


@pytest.fixture
def without_uvloop(tmp_path: Path) -> dict[str, str]:
    """An installation in which nobody can import it."""
    package = Path(oee_daemon.__file__).parent
    shutil.copytree(package, tmp_path / "own" / package.name)
    (tmp_path / "own" / "uvloop.py").write_text("raise ImportError('there is no wheel')\n")
    return {"PYTHONPATH": str(tmp_path / "own"), "PYTHONSAFEPATH": "1"}


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_orders_are_placed_watched_and_executed_on_either_loop(
    loop: str, tmp_path: Path, database_url: str, redis_url: str, request: pytest.FixtureRequest
) -> None:
    if loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("no wheel of uvloop for this machine")
    more = request.getfixturevalue("without_uvloop") if loop == "asyncio" else {}
    outside = {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": redis_url, "OEE_SIM_FAILURE_RATE": "0"}
    daemon = FreshDaemon(tmp_path / "h", **outside, **more).start()
    with daemon.client() as client:
        ids = [client.post("/api/orders/execute", json=BODY).json()["orderId"] for _ in range(12)]
        for order_id in ids:
            uri = f"ws://localhost/api/orders/execute?orderId={order_id}"
            with unix_connect(daemon.facts["socket"], uri) as watched:
                seen = [json.loads(message)["status"] for message in watched]
            assert seen == ["pending", "routing", "building", "submitted", "confirmed"]
    assert daemon.stop() == 0
    lines = [json.loads(line) for line in daemon.log.read_text().splitlines() if line.startswith("{")]
    assert [line["loop"] for line in lines if line["event"] == "daemon ready"] == [loop]
