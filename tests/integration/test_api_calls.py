"""Every call of the contract over HTTP, its answers held against the OpenAPI document's shapes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from oee_daemon.api import (
    api_answer_schema,
    cancel_routes,
    group_routes,
)
from oee_daemon.embedded import Servers
from tests.kit.answers import GONE, refused, shaped
from tests.kit.api_daemon import SELL, Shared, shared
from tests.kit.commands import frozen_worker


@pytest.fixture(scope="module")
def api(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(servers, template, tmp_path_factory.mktemp("api") / "h") as running:
        yield running


def test_an_order_is_answered_durable_and_can_be_read_to_its_end(api: Shared) -> None:
    answer = api.post()
    order = shaped(api_answer_schema.Order, answer, 202)
    assert answer.headers["location"] == f"/api/orders/{order['orderId']}"
    assert UUID(order["orderId"]).version == 4
    assert (order["amount"], order["pair"], order["side"], order["status"]) == (
        "1.5", "SOL/USDC", "sell", "pending",
    )  # fmt: skip
    api.end(order["orderId"])
    whole = shaped(api_answer_schema.OrderDetail, api.http.get(answer.headers["location"]))
    assert [e["status"] for e in whole["events"]] == [
        "pending", "routing", "building", "submitted", "confirmed",
    ]  # fmt: skip
    assert [e["seq"] for e in whole["events"]] == [1, 2, 3, 4, 5]
    (fill,) = shaped(
        api_answer_schema.FillPage, api.http.get("/api/fills", params={"orderId": order["orderId"]})
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
        order = shaped(api_answer_schema.Order, api.http.post(f"/api/orders/{waiting[:13]}/cancel"))
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
    found = shaped(api_answer_schema.DryRun, api.post(OEE_Dry_Run="1"))
    assert (found["order"]["orderId"], found["order"]["amount"]) == (None, "1.5")
    assert {q["venue"] for q in found["quotes"]} == {"raydium", "meteora"}
    refused(api.post(SELL | {"amount": 0}, OEE_Dry_Run="1"), 422, "invalid_amount", "amount")
    # No quote keeps that bound.
    worse = shaped(api_answer_schema.DryRun, api.post(SELL | {"minReceive": 1_000_000}, OEE_Dry_Run="1"))
    assert worse["quotes"] and worse["objection"]["code"] == "slippage_exceeded"
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
        found = shaped(api_answer_schema.OrderPage, api.http.get("/api/orders", params=page))
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
    found = shaped(api_answer_schema.Quotes, api.http.get("/api/quotes", params=ask))
    assert (found["amount"], found["pair"], found["side"]) == ("1.5", "SOL/USDC", "sell")
    outs = [float(q["amountOut"]) for q in found["quotes"]]
    assert len(outs) == 2 and outs == sorted(outs, reverse=True)
    ask = {"inputToken": "USDC", "outputToken": "SOL", "amount": "1.5", "swapMode": "ExactOut"}
    found = shaped(api_answer_schema.Quotes, api.http.get("/api/quotes", params=ask))
    assert (found["amount"], found["side"]) == ("1.5", "buy")
    ins = [float(q["amountIn"]) for q in found["quotes"]]
    assert len(ins) == 2 and ins == sorted(ins)
    assert api.stored() == before


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
