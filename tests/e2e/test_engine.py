"""What the first engine did, through the daemon as a process: ten at once, best price, same seed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from oee_daemon.embedded import Servers
from tests.kit.api_daemon import shared
from tests.kit.daemons import Daemon, until

BODY = {"inputToken": "SOL", "outputToken": "USDC", "amount": 1.5}
FINAL = {"confirmed", "failed", "cancelled", "expired"}


def place(client: httpx.Client, count: int, body: dict[str, Any] = BODY) -> list[str]:
    found = []
    for n in range(count):
        answer = client.post("/api/orders/execute", json=body | {"amount": f"{n + 1}.5"})
        assert answer.status_code == 202, answer.text
        found.append(answer.json()["orderId"])
    return found


def ended(client: httpx.Client, ids: list[str], within: float = 60) -> list[dict[str, Any]]:
    """Every order with its events, once all have ended."""

    def all_ended() -> bool:
        rows = client.get("/api/orders", params={"limit": 1000}).json()["orders"]
        return {r["orderId"] for r in rows if r["status"] in FINAL} >= set(ids)

    until(all_ended, within=within, what="the end of every order")
    return [client.get(f"/api/orders/{i}").json() for i in ids]


@pytest.fixture
def outside(database_url: str, redis_url: str) -> dict[str, str]:
    return {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": redis_url}


def test_never_more_than_ten_run_at_once(tmp_path: Path, outside: dict[str, str]) -> None:
    daemon = Daemon(tmp_path / "h", OEE_SIM_FAILURE_RATE="0", **outside).start()
    with daemon.client() as client:
        orders = ended(client, place(client, 60))
    daemon.stop()
    assert {o["status"] for o in orders} == {"confirmed"}
    moments = []
    for order in orders:
        at = {e["status"]: e["at"] for e in order["events"]}
        moments += [(at["routing"], 1), (at["confirmed"], -1)]
    running, most = 0, 0
    # An end and a begin in the same microsecond: the end came first.
    for _, step in sorted(moments):
        running += step
        most = max(most, running)
    assert most == 10


def test_with_failures_never_more_than_ten_leases(tmp_path: Path, outside: dict[str, str]) -> None:
    daemon = Daemon(tmp_path / "h", OEE_SIM_FAILURE_RATE="0.4", OEE_SIM_LATENCY_MS="50", **outside).start()
    url = make_url(outside["OEE_DATABASE_URL"])
    held: list[int] = []
    with (
        daemon.client() as client,
        psycopg.connect(
            host=str(url.query["host"]),
            port=str(url.query["port"]),
            user=url.username,
            dbname=url.database,
            autocommit=True,
        ) as conn,
    ):
        place(client, 40)
        leases = (
            "SELECT count(*) FILTER (WHERE lease_until > now()), count(*)"
            " FROM orders WHERE finished_at IS NULL"
        )

        def none_left() -> bool:
            row = conn.execute(leases).fetchone()
            assert row is not None
            held.append(row[0])
            return bool(row[1] == 0)

        until(none_left, within=60, what="the end of every order")
    daemon.stop()
    assert 0 < max(held) <= 10


def test_the_best_net_quote_wins_and_both_venues_win_some(tmp_path: Path, outside: dict[str, str]) -> None:
    daemon = Daemon(tmp_path / "h", OEE_SIM_FAILURE_RATE="0", OEE_SIM_LATENCY_MS="0", **outside).start()
    exact_out = {"inputToken": "USDC", "outputToken": "SOL", "swapMode": "ExactOut"}
    with daemon.client() as client:
        sells = ended(client, place(client, 12))
        buys = ended(client, place(client, 12, exact_out))
    daemon.stop()
    for order in sells + buys:
        (choice,) = [e["data"] for e in order["events"] if e["status"] == "building"]
        amount = "amountOut" if order["swapMode"] == "ExactIn" else "amountIn"
        ranked = sorted(choice["quotes"], key=lambda q: Decimal(q[amount]), reverse=amount == "amountOut")
        assert len(ranked) == 2
        assert order["venue"] == ranked[0]["venue"] == choice["venue"]
        assert (order["filledIn"], order["filledOut"]) == (ranked[0]["amountIn"], ranked[0]["amountOut"])
    assert {o["venue"] for o in sells + buys} == {"raydium", "meteora"}


def test_the_same_seed_gives_the_same_history_in_another_home(
    servers: Servers, template: str, tmp_path: Path
) -> None:
    def history(home: str, seed: str) -> list[Any]:
        """In a home and a database of its own, from the first order's number on."""
        settings = {"OEE_SIM_SEED": seed, "OEE_SIM_FAILURE_RATE": "0.3"}
        with shared(servers, template, tmp_path / home, **settings) as api:
            orders = ended(api.http, place(api.http, 12))
        names = ("attempt", "status", "venue", "filledIn", "filledOut", "fee")
        return [tuple(order[name] for name in names) for order in orders]

    one, two, other = history("a", "7"), history("b", "7"), history("c", "8")
    assert one == two
    assert one != other
    assert any(attempt > 1 for attempt, *_ in one)
