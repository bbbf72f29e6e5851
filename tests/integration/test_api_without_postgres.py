"""The API while Postgres is away: everything is 503, and nothing is stored."""

from __future__ import annotations

import shutil
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import unix_connect

from oee_daemon.api import (
    api_answer_schema,
)
from oee_daemon.embedded import Servers
from oee_daemon.store import migrations
from oee_daemon.store.database import open_database
from tests.kit.answers import GONE, refused, shaped
from tests.kit.api_daemon import QUICK, SELL
from tests.kit.daemons import Daemon, until
from tests.kit.homes import open_folder


def test_without_postgres_everything_is_503_and_nothing_is_stored(redis_url: str) -> None:
    """Postgres stops under a running daemon and comes back."""
    home = open_folder()
    postgres = Servers(home, postgres=True, valkey=False)
    postgres.start()
    try:
        db = open_database(postgres.database_url, pool_size=1)
        migrations.migrate(db)
        db.dispose()
        environ = QUICK | {"OEE_DATABASE_URL": postgres.database_url, "OEE_REDIS_URL": redis_url}
        daemon = Daemon(home / "h", **environ).start()
        try:
            with daemon.client() as http:
                assert http.post("/api/orders/execute", json=SELL).status_code == 202
                postgres.stop()
                _all_503(http, daemon)
                postgres.start()
                placed = until(lambda: _placed(http), what="an order once Postgres is back")
                rows = http.get("/api/orders").json()["orders"]
                assert len(rows) == 2 and rows[0]["orderId"] == placed
        finally:
            daemon.stop()
    finally:
        postgres.stop()
        shutil.rmtree(home, ignore_errors=True)


def _placed(http: httpx.Client) -> Any:
    answer = http.post("/api/orders/execute", json=SELL)
    return answer.json()["orderId"] if answer.status_code == 202 else None


def _all_503(http: httpx.Client, daemon: Daemon) -> None:
    for _ in range(3):
        answer = http.post("/api/orders/execute", json=SELL, headers={"Idempotency-Key": "while-away"})
        found = refused(answer, 503, "database_unavailable")
        assert found["retryable"] and answer.headers["retry-after"]
    for path in ("/api/orders", f"/api/orders/{GONE}"):
        refused(http.get(path), 503, "database_unavailable")
    # The simulated chain lives in the same Postgres.
    refused(http.get("/api/fills"), 503, "chain_unavailable")
    refused(http.post(f"/api/orders/{GONE}/cancel"), 503, "database_unavailable")
    ready = shaped(api_answer_schema.Readiness, http.get("/readyz"), 503)
    assert (ready["postgres"], ready["queue"]) == (False, True)
    assert not http.get("/api/status").json()["postgres"]["reachable"]
    assert 'oee_up{part="postgres"} 0' in http.get("/metrics").text
    assert http.get("/healthz").status_code == 200
    # Bad input is still named, without looking at the database.
    refused(http.post("/api/orders/execute", json={}), 422, "missing_field", "inputToken")
    for path in (f"execute?orderId={GONE}", "stream"):
        with (
            pytest.raises(InvalidStatus) as refusal,
            unix_connect(daemon.facts["socket"], f"ws://localhost/api/orders/{path}"),
        ):
            pass
        assert refusal.value.response.status_code == 503
