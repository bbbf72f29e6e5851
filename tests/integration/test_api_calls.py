"""Every call of the contract over HTTP, its answers held against the OpenAPI document's shapes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from websockets.exceptions import InvalidStatus
from websockets.sync.client import unix_connect

from oee_daemon.api import (
    answer_schema,
    balance_routes,
    cancel_routes,
    edit_routes,
    endpoint_routes,
    engine_routes,
    feed_routes,
    group_routes,
    halt_routes,
    health_routes,
    limit_routes,
    lookup_routes,
    notify_routes,
    order_routes,
    stats_routes,
    token_routes,
    wallet_routes,
)
from oee_daemon.embedded import Servers
from oee_daemon.store import migrations
from oee_daemon.store.database import open_database
from tests.kit.api_daemon import QUICK, SELL, Shared, shared
from tests.kit.commands import frozen_worker
from tests.kit.daemons import Daemon, until
from tests.kit.homes import open_folder

GONE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def api(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(servers, template, tmp_path_factory.mktemp("api") / "h") as running:
        yield running


def shaped(model: type[BaseModel], answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["oee-protocol"] == "3"
    found: dict[str, Any] = answer.json()
    model.model_validate(found)
    return found


def refused(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["oee-protocol"] == "3"
    found: dict[str, Any] = answer.json()
    answer_schema.Problem.model_validate(found)
    assert (found["status"], found["code"], found.get("field")) == (status, code, field)
    return found


def test_an_order_is_answered_durable_and_can_be_read_to_its_end(api: Shared) -> None:
    answer = api.post()
    order = shaped(answer_schema.Order, answer, 202)
    assert answer.headers["location"] == f"/api/orders/{order['orderId']}"
    assert UUID(order["orderId"]).version == 4
    assert (order["amount"], order["pair"], order["side"], order["status"]) == (
        "1.5", "SOL/USDC", "sell", "pending",
    )  # fmt: skip
    api.end(order["orderId"])
    whole = shaped(answer_schema.OrderDetail, api.http.get(answer.headers["location"]))
    assert [e["status"] for e in whole["events"]] == [
        "pending", "routing", "building", "submitted", "confirmed",
    ]  # fmt: skip
    assert [e["seq"] for e in whole["events"]] == [1, 2, 3, 4, 5]
    (fill,) = shaped(
        answer_schema.FillPage, api.http.get("/api/fills", params={"orderId": order["orderId"]})
    )["fills"]
    assert (fill["signature"], fill["amountIn"], fill["amountOut"]) == (
        whole["signature"], whole["filledIn"], whole["filledOut"],
    )  # fmt: skip


def test_a_unique_prefix_serves_as_id_and_an_ambiguous_one_is_400(api: Shared) -> None:
    first = api.place()
    api.end(first)
    digit = "0" if first[8] == "-" and first[9] != "0" else "1"
    twin = api.copy(first, id=first[:9] + digit + first[10:])
    assert api.http.get(f"/api/orders/{first[:12].upper()}").json()["orderId"] == first
    for call in (api.http.get, lambda path: api.http.post(path + "/cancel")):
        refused(call(f"/api/orders/{first[:8]}"), 400, "ambiguous_prefix", "orderId")
    refused(api.http.get("/api/fills", params={"orderId": first[:8]}), 400, "ambiguous_prefix", "orderId")
    assert api.http.get(f"/api/orders/{twin}").json()["orderId"] == twin


@pytest.mark.parametrize("name", [GONE, "abc", "g" * 8, "-" * 8, "....", "%00%00%00%00", "é" * 4, "a" * 300])
def test_what_is_no_order_is_404(api: Shared, name: str) -> None:
    refused(api.http.get(f"/api/orders/{name}"), 404, "not_found")
    refused(api.http.post(f"/api/orders/{name}/cancel"), 404, "not_found")


def test_cancel_is_200_while_nothing_is_out_then_409_with_the_order(api: Shared) -> None:
    with frozen_worker(api):
        waiting = api.place()
        order = shaped(answer_schema.Order, api.http.post(f"/api/orders/{waiting[:13]}/cancel"))
        assert order["status"] == "cancelled"
        # Harmless to repeat.
        assert api.http.post(f"/api/orders/{waiting}/cancel").status_code == 200
    done = api.place()
    api.end(done)
    problem = refused(api.http.post(f"/api/orders/{done}/cancel"), 409, "order_confirmed")
    assert problem["orderStatus"] == problem["order"]["status"] == "confirmed"
    assert problem["order"]["orderId"] == done


def test_a_key_makes_one_order_of_one_body(api: Shared) -> None:
    first = api.post(Idempotency_Key="key-0001")
    assert first.status_code == 202
    again = api.post(SELL | {"amount": "1.50", "inputToken": " sol "}, Idempotency_Key="key-0001")
    assert again.status_code == 200 and again.json()["orderId"] == first.json()["orderId"]
    assert again.headers["location"] == first.headers["location"]
    for other in ({"amount": 1.6}, {"slippageBps": 50}, {"outputToken": "USDT"}, {"validForS": 300}):
        refused(
            api.post(SELL | other, Idempotency_Key="key-0001"),
            422,
            "idempotency_key_reused",
            "Idempotency-Key",
        )
    ended = api.end(first.json()["orderId"])
    assert api.post(Idempotency_Key="key-0001").json()["status"] == ended["status"] == "confirmed"
    # Without a key every request is a new order.
    assert api.place() != api.place()


def test_sixteen_clients_with_one_key_place_one_order(api: Shared) -> None:
    before = api.stored()

    def client(_: int) -> set[tuple[int, str]]:
        with api.daemon.client() as http:
            answers = [
                http.post("/api/orders/execute", json=SELL, headers={"Idempotency-Key": "one-for-all"})
                for _ in range(40)
            ]
        return {(a.status_code, a.json()["orderId"]) for a in answers}

    with ThreadPoolExecutor(16) as pool:
        found = set[tuple[int, str]]().union(*pool.map(client, range(16)))
    assert {status for status, _ in found} == {200, 202}
    assert len({order for _, order in found}) == 1
    assert api.stored() == before + 1


def test_a_dry_run_checks_and_quotes_and_stores_nothing(api: Shared) -> None:
    before = api.stored()
    found = shaped(answer_schema.DryRun, api.post(OEE_Dry_Run="1"))
    assert (found["order"]["orderId"], found["order"]["amount"]) == (None, "1.5")
    assert {q["venue"] for q in found["quotes"]} == {"raydium", "meteora"}
    refused(api.post(SELL | {"amount": 0}, OEE_Dry_Run="1"), 422, "invalid_amount", "amount")
    # Not a switch to guess about.
    refused(api.post(OEE_Dry_Run="0"), 422, "invalid_input", "OEE-Dry-Run")
    assert api.stored() == before


def test_history_is_filtered_and_paged_newest_first(api: Shared) -> None:
    ids = [api.place(SELL | {"outputToken": "JUP", "amount": n}) for n in range(1, 6)]
    for order_id in ids:
        api.end(order_id)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = {"pair": "sol/jup", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        found = shaped(answer_schema.OrderPage, api.http.get("/api/orders", params=page))
        seen += [o["orderId"] for o in found["orders"]]
        cursor = found["nextCursor"]
    assert seen == ids[::-1]

    def count(**filters: str) -> int:
        return len(api.http.get("/api/orders", params={"limit": "1000"} | filters).json()["orders"])

    assert count(token="jup") == count(pair="SOL/JUP", side="sell", status="confirmed,failed") == 5
    assert count(pair="SOL/JUP", type="market", status="failed") == 0
    newest = api.http.get("/api/orders", params={"limit": "1"}).json()["orders"][0]["createdAt"]
    assert count(since=newest) == 1
    assert count(until=newest) == api.stored() - 1


def test_a_group_is_placed_whole_and_what_is_wrong_names_its_order(api: Shared) -> None:
    limit = SELL | {"type": "limit", "targetPrice": "400"}
    stop = SELL | {"type": "stop", "targetPrice": "40"}
    asked: dict[str, Any] = {"rule": "oco", "orders": [limit, stop]}
    key = {"Idempotency-Key": "a group of two"}
    first, again = (api.http.post("/api/orders/group", json=asked, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 200)
    placed = shaped(group_routes.GroupPlaced, first, 202)
    assert [o["orderId"] for o in placed["orders"]] == [o["orderId"] for o in again.json()["orders"]]
    assert {o["groupId"] for o in placed["orders"]} == {placed["groupId"]}
    before = api.stored()
    wrong: list[tuple[dict[str, Any], str, str]] = [
        (asked | {"orders": [limit]}, "out_of_range", "orders"),
        (asked | {"rule": "oto"}, "invalid_choice", "rule"),
        ({"orders": [limit, stop]}, "missing_field", "rule"),
        (asked | {"also": 1}, "unknown_field", "also"),
        (asked | {"orders": [limit, 7]}, "invalid_input", "orders[1]"),
        (asked | {"orders": [limit, SELL]}, "field_contradicts", "orders[1].type"),
        (asked | {"orders": [limit | {"oco": "0c2f"}, stop]}, "invalid_id", "orders[0].oco"),
        (asked | {"orders": [limit, stop | {"oco": str(UUID(int=4))}]}, "field_contradicts", "orders[1].oco"),
        (asked | {"orders": [limit, stop | {"targetPrice": "x"}]}, "invalid_price", "orders[1].targetPrice"),
        (asked | {"orders": [limit, stop | {"targetPrice": "400"}]}, "would_fire", "orders[1].targetPrice"),
    ]
    for body, code, field in wrong:
        found = api.http.post("/api/orders/group", json=body)
        assert (found.status_code, found.json()["code"], found.json()["field"]) == (422, code, field)
    other = api.http.post("/api/orders/group", json=asked | {"orders": [stop, limit]}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    none = api.post(limit | {"oco": "0c2f"})
    assert (none.status_code, none.json()["code"], none.json()["field"]) == (422, "invalid_id", "oco")
    assert api.stored() == before
    cancelled = api.http.post("/api/orders/cancel", json={"group": placed["groupId"]})
    assert shaped(cancel_routes.Cancelled, cancelled)["cancelled"] == 2
    late = api.post(limit | {"oco": placed["groupId"]})
    assert (late.status_code, late.json()["code"]) == (409, "order_cancelled")


def test_quotes_come_best_first_and_trade_nothing(api: Shared) -> None:
    before = api.stored()
    ask = {"inputToken": "sol", "outputToken": "USDC", "amount": "1.5"}
    found = shaped(answer_schema.Quotes, api.http.get("/api/quotes", params=ask))
    assert (found["amount"], found["pair"], found["side"]) == ("1.5", "SOL/USDC", "sell")
    outs = [float(q["amountOut"]) for q in found["quotes"]]
    assert len(outs) == 2 and outs == sorted(outs, reverse=True)
    ask = {"inputToken": "USDC", "outputToken": "SOL", "amount": "1.5", "swapMode": "ExactOut"}
    found = shaped(answer_schema.Quotes, api.http.get("/api/quotes", params=ask))
    assert (found["amount"], found["side"]) == ("1.5", "buy")
    ins = [float(q["amountIn"]) for q in found["quotes"]]
    assert len(ins) == 2 and ins == sorted(ins)
    assert api.stored() == before


def test_what_can_be_traded_and_how_the_daemon_is(api: Shared) -> None:
    assert len(shaped(token_routes.Tokens, api.http.get("/api/tokens"))["tokens"]) == 13
    found = shaped(token_routes.FoundTokens, api.http.get("/api/tokens/search", params={"query": "so"}))
    assert {t["symbol"]: t["origin"] for t in found["tokens"]} == dict.fromkeys(
        ("SOL", "mSOL", "JitoSOL"), "pinned"
    )
    assert found["directory"] == "none"
    # The simulated network moves nothing of anybody's, and has its own tokens.
    for answer, code in (
        (api.http.get("/api/balances"), "no_balances"),
        (api.http.post("/api/tokens", json={"mint": GONE}), "tokens_are_fixed"),
        (api.http.delete("/api/tokens/SOL"), "token_pinned"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    venues = shaped(order_routes.Venues, api.http.get("/api/venues"))["venues"]
    assert {v["name"]: v["feeBps"] for v in venues} == {"raydium": 25, "meteora": 20}
    shaped(answer_schema.Health, api.http.get("/healthz"))
    shaped(answer_schema.Readiness, api.http.get("/readyz"))
    shaped(answer_schema.DaemonStatus, api.http.get("/api/status"))
    shaped(engine_routes.Engine, api.http.get("/api/engine"))
    none = shaped(endpoint_routes.Endpoints, api.http.get("/api/endpoints"))
    assert none == {"network": "simulated", "endpoints": []}
    figures = api.http.get("/metrics")
    assert figures.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'oee_up{part="postgres"} 1' in figures.text


def test_every_call_stands_in_the_document_with_its_answers(api: Shared) -> None:
    found = api.http.get("/openapi.json").json()
    routes = iter_route_contexts(
        [
            *order_routes.router.routes,
            *stats_routes.router.routes,
            *engine_routes.router.routes,
            *edit_routes.router.routes,
            *halt_routes.router.routes,
            *feed_routes.router.routes,
            *limit_routes.router.routes,
            *notify_routes.router.routes,
            *endpoint_routes.router.routes,
            *health_routes.router.routes,
            *order_routes.documented.routes,
            *cancel_routes.router.routes,
            *group_routes.router.routes,
            *lookup_routes.router.routes,
            *token_routes.router.routes,
            *balance_routes.router.routes,
            *wallet_routes.router.routes,
        ]
    )
    declared = {(str(r.path), m.lower()) for r in routes for m in r.methods or ()}
    assert {(path, method) for path, calls in found["paths"].items() for method in calls} == declared
    shapes = found["components"]["schemas"]
    for calls in found["paths"].values():
        for call in calls.values():
            problems = {
                s for s, a in call["responses"].items() if "application/problem+json" in a.get("content", {})
            }
            assert problems >= {"401", "422", "426"}
    assert {"Order", "Event", "Problem", "OrderIn", "Quote", "Fill"} <= set(shapes)
    assert shapes["Order"]["properties"].keys() == {*api.post().json(), "market", "blocked"}
    assert found["paths"]["/healthz"]["get"]["security"] == []
    assert "#/$defs" not in api.http.get("/openapi.json").text
    for method, path in (
        ("PUT", "/api/orders"),
        ("DELETE", f"/api/orders/{GONE}"),
        ("GET", f"/api/orders/{GONE}/cancel"),
    ):
        answer = api.http.request(method, path)
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] in ("GET", "POST", "PATCH")
    for path in ("/", "/docs", "/redoc", "/api", "/api/orders/", "/api/nothing"):
        refused(api.http.get(path), 404, "no_such_path")
    for path in ("/api/orders/execute", "/api/orders/stream"):
        refused(api.http.get(path), 426, "upgrade_required")


def test_another_protocol_version_is_told_so(api: Shared) -> None:
    for path in ("/healthz", "/api/orders", "/nowhere"):
        found = refused(api.http.get(path, headers={"OEE-Protocol": "1"}), 426, "protocol_mismatch")
        assert found["protocol"] == 3 and found["version"]
    assert api.http.get("/healthz", headers={"OEE-Protocol": "3"}).status_code == 200


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
    ready = shaped(answer_schema.Readiness, http.get("/readyz"), 503)
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


def test_many_are_cancelled_by_their_ids_or_all(api: Shared) -> None:
    with frozen_worker(api):
        first, second, third = (api.place() for _ in range(3))
        done = shaped(
            cancel_routes.Cancelled,
            api.http.post("/api/orders/cancel", json={"orderIds": [first, GONE, first]}),
        )
        assert (done["cancelled"], done["submitted"], done["final"], done["unsent"]) == (1, [], 1, 0)
        asked = {"all": True, "pair": "sol/usdc", "side": "buy"}
        assert api.http.post("/api/orders/cancel", json=asked).json()["cancelled"] == 0
        assert api.http.post("/api/orders/cancel", json={"all": True}).json()["cancelled"] == 2
    for order_id in (first, second, third):
        assert api.end(order_id)["status"] == "cancelled"
    refused(api.http.post("/api/orders/cancel", json={}), 422, "missing_field", "orderIds")
    both = {"all": True, "orderIds": [first]}
    refused(api.http.post("/api/orders/cancel", json=both), 422, "missing_field", "orderIds")
    refused(api.http.post("/api/orders/cancel", json={"al": True}), 422, "invalid_input", "al")
    mistyped = {"all": True, "type": "limits"}
    refused(api.http.post("/api/orders/cancel", json=mistyped), 422, "invalid_choice", "type")


def test_a_known_key_finds_its_order_once_its_time_to_wait_is_over(api: Shared) -> None:
    """Whoever lost the answer would place it anew, though it may have been filled."""
    ends = datetime.now(UTC) + timedelta(seconds=1)
    asked = SELL | {"launchTime": (ends - timedelta(milliseconds=1)).isoformat()}
    asked |= {"expiresAt": ends.isoformat()}
    first = api.post(asked, Idempotency_Key="waits for a second")
    assert first.status_code == 202
    api.end(first.json()["orderId"])
    again = api.post(asked, Idempotency_Key="waits for a second")
    assert (again.status_code, again.json().get("orderId")) == (200, first.json()["orderId"])
