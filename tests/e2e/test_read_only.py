"""A Postgres that takes no writes for a while: clear answers, no crash, and work goes on when it does."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from oee_daemon.embedded import Servers
from tests.kit.api_daemon import SELL, Shared, shared
from tests.kit.daemons import until


@pytest.fixture(scope="module")
def api(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(servers, template, tmp_path_factory.mktemp("ro") / "h") as running:
        yield running


def turn(api: Shared, state: str) -> None:
    """For every connection from now on. Of those that there are, only who could still write ends."""
    name = api.url.partition("?")[0].rpartition("/")[2]
    api.sql.execute("SET default_transaction_read_only = off")
    api.sql.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {state}")
    if state == "on":
        api.sql.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )


def placed(http: httpx.Client) -> str:
    """An order, once one is accepted."""

    def tried() -> str | None:
        answer = http.post("/api/orders/execute", json=SELL)
        return str(answer.json()["orderId"]) if answer.status_code == 202 else None

    return until(tried, what="an order that is accepted")


def test_nothing_is_stored_while_it_is_read_only_and_it_is_said_why(api: Shared) -> None:
    worker = api.http.get("/api/status").json()["worker"]["pid"]
    before = api.place()
    api.end(before)
    turn(api, "on")

    def refused() -> dict[str, object] | None:
        answer = api.post(SELL)
        return answer.json() if answer.json().get("code") == "database_read_only" else None

    problem = until(refused, what="the refusal")
    assert (problem["status"], problem["retryable"]) == (503, True)
    ready = api.http.get("/readyz")
    assert (ready.status_code, ready.json()["postgres"]) == (503, False)
    # What only reads goes on.
    assert api.http.get(f"/api/orders/{before}").json()["status"] == "confirmed"
    turn(api, "off")
    assert api.end(placed(api.http))["status"] == "confirmed"
    until(lambda: api.http.get("/readyz").status_code == 200, what="readiness")
    assert api.http.get("/api/status").json()["worker"]["pid"] == worker


def test_a_daemon_that_starts_meanwhile_waits_for_it(api: Shared) -> None:
    turn(api, "on")
    api.daemon.kill()
    api.daemon.start()
    with api.daemon.client() as http:
        answer = http.post("/api/orders/execute", json=SELL)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_read_only")
        turn(api, "off")
        order_id = placed(http)
        until(lambda: http.get(f"/api/orders/{order_id}").json()["status"] == "confirmed", what="its end")
