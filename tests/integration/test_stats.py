"""`GET /api/stats` against the same figures worked out here from every order's own events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from oee_daemon.api.stats_routes import StatsReport, StatsRow, TimelinePart, VenueStats
from oee_daemon.contract import shapes
from oee_daemon.embedded import Servers
from oee_daemon.errors import InvalidInput
from oee_daemon.reads.reads_quality import PARTS, Spread, Stats
from oee_daemon.store import report_sql
from oee_daemon.store.database import transactions
from oee_daemon.store.postgres_connection import STATEMENT_S
from oee_daemon.store.report_sql import By, Scope
from oee_daemon.store.sql_statement import Statement
from tests.kit.answers import refused, shaped
from tests.kit.api_daemon import Shared, shared
from tests.kit.commands import frozen_worker
from tests.kit.reckoned import Order, at, choices, ms, row, slipped, spread

#: By the order's number: a venue that does not answer, one that says no, both saying no, a lost answer.
FAULTS = (
    ("raydium", "hang", 3), ("meteora", "refuse", 5), ("raydium", "refuse", 6), ("meteora", "refuse", 6),
    ("raydium", "refuse", 9), ("chain", "lose", 11),
)  # fmt: skip
BODIES = (
    {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"},
    {"inputToken": "USDC", "outputToken": "SOL", "amount": "1.5", "swapMode": "ExactOut"},
    {"inputToken": "USDC", "outputToken": "JUP", "amount": "250.123456"},
    {"inputToken": "BONK", "outputToken": "SOL", "amount": "0.5", "swapMode": "ExactOut"},
)


def asked(api: Shared, **query: str) -> dict[str, Any]:
    return shaped(StatsReport, api.http.get("/api/stats", params=query))


@pytest.fixture(scope="module")
def api(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """44 orders of a seeded network in which every fourth attempt fails: twelve of yesterday, one live."""
    environ = {
        "OEE_SIM_SEED": "7",
        "OEE_SIM_LATENCY_MS": "5",
        "OEE_SIM_CONFIRM_MS": "10",
        "OEE_SIM_FAILURE_RATE": "0.25",
        "OEE_MAX_ATTEMPTS": "2",
    }
    with shared(servers, template, tmp_path_factory.mktemp("stats") / "h", **environ) as api:
        empty = asked(api, by="venue")
        assert (empty["since"], empty["groups"], empty["timeline"]) == (None, [], [])
        assert (empty["total"]["orders"], empty["total"]["venues"]) == (0, [])
        for target, kind, number in FAULTS:
            api.sql.execute(
                "INSERT INTO sim_faults (target, kind, number) VALUES (%s, %s, %s)", (target, kind, number)
            )
        placed = [api.place(BODIES[n % len(BODIES)]) for n in range(42)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(api.end, placed))
        # The simulated chain fills as quoted; these fills are made worse, and one better, than they were.
        api.sql.execute("UPDATE orders SET filled_out = filled_out - filled_out / 700 WHERE number % 5 = 0")
        api.sql.execute("UPDATE orders SET filled_in = filled_in + 12345 WHERE number % 6 = 0")
        api.sql.execute("UPDATE orders SET filled_out = filled_out + 999 WHERE number = 13")
        _a_day_older(api, 12)
        _waited(api)
        with frozen_worker(api):
            cancelled = api.place()
            assert api.http.post(f"/api/orders/{cancelled}/cancel").status_code == 200
            api.place()
            yield api


def _a_day_older(api: Shared, up_to: int) -> None:
    api.sql.execute(
        "UPDATE order_events SET at = at - interval '1 day' WHERE order_id IN"
        " (SELECT id FROM orders WHERE number <= %s)",
        (up_to,),
    )
    api.sql.execute(
        "UPDATE orders SET created_at = created_at - interval '1 day',"
        " finished_at = finished_at - interval '1 day' WHERE number <= %s",
        (up_to,),
    )


def _waited(api: Shared) -> None:
    """As if the first order that was filled had waited ten minutes for its condition."""
    first = "SELECT id FROM orders WHERE status = 'confirmed' ORDER BY number LIMIT 1"
    (order_id,) = api.sql.execute(first).fetchone() or ()
    for statement in (
        "UPDATE orders SET fired_at = created_at, created_at = created_at - interval '10 min',"
        " event_seq = event_seq + 1 WHERE id = %s",
        "UPDATE order_events SET seq = -seq WHERE order_id = %s",
        "UPDATE order_events SET seq = 1 - seq WHERE order_id = %s",
        "INSERT INTO order_events (order_id, seq, status, attempt, at, data)"
        " SELECT id, 1, 'waiting', 1, created_at, '{}' FROM orders WHERE id = %s",
    ):
        api.sql.execute(statement, (order_id,))


@pytest.fixture(scope="module")
def orders(api: Shared) -> list[Order]:
    found = api.http.get("/api/orders", params={"limit": 1000}).json()["orders"]
    return [api.http.get(f"/api/orders/{order['orderId']}").json() for order in found]


def test_the_run_has_everything_that_the_figures_have_to_get_right(orders: list[Order]) -> None:
    kinds = Counter(order["status"] for order in orders)
    assert kinds["confirmed"] > 20 and kinds["failed"] > 1 and kinds["cancelled"] == kinds["pending"] == 1
    assert {order["swapMode"] for order in orders if order["status"] == "confirmed"} == {
        "ExactIn",
        "ExactOut",
    }
    assert any(o["attempt"] > 1 and o["status"] == "confirmed" for o in orders)
    silent = [q for o in orders for _, _, quotes in choices(o) for q in quotes.values() if q["error"]]
    assert {q["error"]["code"] for q in silent} == {"venue_late", "venue_down"}
    assert {o["error"]["code"] for o in orders if o["error"]} == {"no_route", "slippage_exceeded"}
    assert {v for o in orders for _, v, _ in choices(o)} == {"raydium", "meteora"}
    assert sum(o["events"][0]["status"] == "waiting" for o in orders) == 1
    assert len({slipped(o) > 0 for o in orders if o["status"] == "confirmed"}) == 2
    assert min(slipped(o) for o in orders if o["status"] == "confirmed") < 0


def test_the_total(api: Shared, orders: list[Order]) -> None:
    found = asked(api)
    assert found["total"] == row(orders)
    assert (found["by"], found["groups"]) == (None, [])
    assert found["since"] == min(order["createdAt"] for order in orders)


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ("venue", lambda o: o["venue"]),
        ("pair", lambda o: o["pair"]),
        ("day", lambda o: o["createdAt"][:10]),
    ],
)
def test_the_groups(api: Shared, orders: list[Order], by: str, key: Callable[[Order], str | None]) -> None:
    found = asked(api, by=by)
    groups: dict[str | None, list[Order]] = defaultdict(list)
    for order in orders:
        groups[key(order)].append(order)
    assert len(groups) >= 2
    assert {g["key"]: g for g in found["groups"]} == {k: row(of, k) for k, of in groups.items()}
    keys = [g["key"] for g in found["groups"]]
    sizes = [g["orders"] for g in found["groups"]]
    if by == "day":
        assert keys == sorted(keys)
    else:
        assert sizes == sorted(sizes, reverse=True)
    assert found["total"] == row(orders)


def test_the_filters(api: Shared, orders: list[Order]) -> None:
    places = sorted(order["createdAt"] for order in orders)
    since, until = places[5], places[-9]
    late_sales = {"side": "sell", "pair": "BONK/SOL", "since": since}
    kinds: list[tuple[dict[str, str], Callable[[Order], bool]]] = [
        ({"since": since, "until": until}, lambda o: since <= o["createdAt"] < until),
        ({"pair": "sol/usdc"}, lambda o: o["pair"] == "SOL/USDC"),
        ({"side": "buy"}, lambda o: o["side"] == "buy"),
        (late_sales, lambda o: (o["side"], o["pair"]) == ("sell", "BONK/SOL") and o["createdAt"] >= since),
    ]
    for query, keep in kinds:
        kept = [order for order in orders if keep(order)]
        assert kept
        assert asked(api, **query)["total"] == row(kept), query


def test_only_a_failure_and_only_one_venue(api: Shared, orders: list[Order]) -> None:
    by_number = sorted(orders, key=lambda o: o["createdAt"])
    nowhere = next(o for o in orders if o["error"] and o["error"]["code"] == "no_route")
    one_venue = by_number[4]
    for order in (nowhere, one_venue):
        after = (at(order["createdAt"]) + timedelta(microseconds=1)).isoformat()
        found = asked(api, since=order["createdAt"], until=after)
        assert found["total"] == row([order])
    assert [q["venue"] for q in choices(one_venue)[0][2].values() if q["error"]] == ["meteora"]


def test_the_timeline_holds_every_order_once(api: Shared, orders: list[Order]) -> None:
    since, until = min(o["createdAt"] for o in orders), max(o["createdAt"] for o in orders)
    found = asked(api, since=since, until=until)["timeline"]
    inside = [o for o in orders if o["createdAt"] < until]
    assert len(found) == PARTS
    assert sum(part["orders"] for part in found) == len(inside)
    assert sum(part["failed"] for part in found) == sum(o["status"] == "failed" for o in inside)
    # Yesterday's are in the first part of the two days, today's in the last.
    assert found[0]["orders"] == 12 and found[-1]["orders"] == len(inside) - 12
    assert {name: found[1][name] for name in ("orders", "failed", "wholeMs")} == {
        "orders": 0, "failed": 0, "wholeMs": None,
    }  # fmt: skip
    assert found[0]["at"] == since and at(found[-1]["at"]) < at(until)
    of_first = [o for o in inside if at(o["createdAt"]) < at(found[1]["at"])]
    done = [
        at(o["finishedAt"]) - at(o["firedAt"] or o["createdAt"])
        for o in of_first
        if o["status"] == "confirmed"
    ]
    assert found[0]["wholeMs"] == spread(done, ms)["p50"]


def test_a_period_without_orders(api: Shared) -> None:
    for query in ({"until": "2020-01-01T00:00:00Z"}, {"since": "2999-01-01T00:00:00Z"}):
        found = asked(api, by="pair", **query)
        assert (found["total"]["orders"], found["groups"], found["timeline"]) == (0, [], [])
        assert found["total"]["latencyMs"]["whole"] == {"p50": None, "p95": None}


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({"by": "token"}, "invalid_choice", "by"),
        ({"pair": "SOL"}, "invalid_input", "pair"),
        ({"pair": "SOL/NOPE"}, "unknown_token", "pair"),
        ({"side": "up"}, "invalid_choice", "side"),
        ({"since": "soon"}, "invalid_input", "since"),
        ({"since": "2026-11-23T10:00:00"}, "invalid_input", "since"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "invalid_input", "until"),
        ({"since": "2026-11-23T10:00:00Z", "until": "2026-11-23T11:00:00+01:00"}, "invalid_input", "since"),
        ({"limit": "3"}, "unknown_field", "limit"),
    ],
)
def test_a_bad_question_names_its_field(api: Shared, query: dict[str, str], code: str, field: str) -> None:
    refused(api.http.get("/api/stats", params=query), 422, code, field)


def test_what_takes_too_long_is_told_and_leaves_nothing_behind(db: Engine) -> None:
    """The limit is shared by all statements of a report, and ends with it."""
    with pytest.raises(InvalidInput) as refusal, db.connect() as writer:
        # Nobody reads a table that is being altered.
        writer.execute(text("BEGIN"))
        writer.execute(text("LOCK TABLE order_events, orders"))
        Stats(db, limit_s=0.2).report(Scope())
    assert (refusal.value.code, refusal.value.field) == ("period_too_long", "since")
    assert "shorter period" in (refusal.value.hint or "")
    with db.connect() as conn:
        assert conn.execute(text("SHOW statement_timeout")).scalar_one() == f"{STATEMENT_S:.0f}s"
        assert conn.execute(text("SHOW transaction_read_only")).scalar_one() == "off"


def test_the_contract_knows_the_same_shape() -> None:
    for ours, theirs in (
        (StatsReport, shapes.StatsReport),
        (StatsRow, shapes.StatsRow),
        (VenueStats, shapes.VenueStats),
        (TimelinePart, shapes.TimelinePart),
    ):
        assert {f.alias for f in ours.model_fields.values()} == theirs.__annotations__.keys()


#: What two venues said to an order of 2 SOL: the better one, the other, and one that said nothing.
OLD_ANSWERS = """[
    {"venue": "one", "latencyMs": 40, "amountIn": "2", "amountOut": "300.3", "fee": "0.005", "error": null},
    {"venue": "two", "latencyMs": 90, "amountIn": "2", "amountOut": "300", "fee": "0.005", "error": null},
    {"venue": "three", "latencyMs": 7, "amountIn": null, "amountOut": null, "error": {"code": "down"}}]"""
NEW_ANSWERS = """[
    {"venue": "one", "latency_ms": 40, "amount_in": 2000000000, "amount_out": 300300000, "fee": 5000000},
    {"venue": "two", "latency_ms": 90, "amount_in": 2000000000, "amount_out": 300000000, "fee": null},
    {"venue": "three", "latency_ms": 7, "error": {"code": "down", "message": "", "retryable": true}}]"""


def test_events_of_before_count_as_those_of_now(db: Engine) -> None:
    """Releases up to 0.1.0 kept the venues' answers in whole tokens, and under other names."""
    order = """INSERT INTO orders (id, network, type, side, pair, input_mint, output_mint, amount,
        swap_mode, slippage_bps, valid_for_s, status, attempt, venue, filled_in, filled_out, fee,
        quote_in, quote_out, created_at, finished_at, next_run_at, expires_at)
        VALUES (%(id)s, 'simulated', 'market', 'sell', %(pair)s, 'SOL', 'USDC', 2000000000,
        'ExactIn', 50, 300, 'confirmed', 2, 'one', 2000000000, 300300000, 5000000,
        2000000000, 300300000, now(), now(), NULL, now()) RETURNING id"""
    event = """INSERT INTO order_events (order_id, seq, status, attempt, data)
        SELECT %(id)s, seq, status, attempt,
            CASE WHEN status = 'building' THEN '{"venue": "one"}' ELSE '{}' END::jsonb || said
        FROM (VALUES (4, 'pending', 2), (6, 'building', 2)) AS e (seq, status, attempt),
            jsonb_build_object(%(name)s::text, %(answers)s::jsonb) AS said RETURNING seq"""
    forms = {"OLD/USDC": ("quotes", OLD_ANSWERS), "NEW/USDC": ("answers", NEW_ANSWERS)}
    with db.connect() as conn:
        for pair, (name, said) in forms.items():
            values = {"id": uuid4(), "pair": pair, "name": name, "answers": said}
            Statement(order).first(conn, values)
            Statement(event).first(conn, values)
    old, new = (Stats(db).report(Scope(pair=pair)).total for pair in forms)
    assert old.venues == new.venues
    one, two, three = (new.venues[name] for name in ("one", "two", "three"))
    assert (one.asked, one.quoted, one.choices, one.chosen, one.gain_mean) == (2, 2, 1, 1, Decimal(0))
    assert (two.asked, two.quoted, two.choices, two.chosen, two.gain_p50) == (2, 2, 1, 0, Decimal(10))
    assert (three.asked, three.quoted, three.choices, three.gain_p50) == (2, 0, 0, None)
    assert (two.latency, three.latency) == (Spread(90, 90), Spread())


def test_a_period_is_found_by_an_index(db: Engine) -> None:
    """Of very many orders a day's are looked up, not searched for."""
    many = """INSERT INTO orders (id, network, type, side, pair, input_mint, output_mint, amount, swap_mode,
        slippage_bps, valid_for_s, status, created_at, expires_at)
        SELECT gen_random_uuid(), 'simulated', 'market', 'sell', 'SOL/USDC', 'SOL', 'USDC', 1, 'ExactIn',
        50, 300, 'pending', timestamptz '2026-11-23T10:00:00Z' - n * interval '1 hour', now()
        FROM generate_series(1, 5000) AS n"""
    with transactions(db).begin() as conn:
        conn.execute(text(many.replace(":00:00Z", r"\:00\:00Z")))
        conn.execute(text("ANALYZE orders"))
        for by in (None, *By):
            scope = Scope(since=datetime.fromisoformat("2026-11-22T10:00:00Z"), by=by)
            for kinds in (report_sql.COUNTS, report_sql.STEPS_TAKEN, report_sql.VENUES):
                report_sql.LIMIT.first(conn, {"ms": 0})
                explain = Statement("EXPLAIN " + kinds[by].text)
                plan = "\n".join(line for (line,) in explain.all(conn, scope.values))
                assert "Index Cond: (created_at >=" in plan and "Seq Scan on orders" not in plan, plan
