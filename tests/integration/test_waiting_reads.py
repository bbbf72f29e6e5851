"""What is told of orders that wait: which are nearest, how far their price is, and who watches it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, update

from oee_daemon.api.feed_wire import Feeds, WatchState, armed_json, feeds_json, orders_json, watch_json
from oee_daemon.api.health_routes import _watch_metrics
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.order import Order
from oee_daemon.reads.reads_waiting import WaitingOrders
from oee_daemon.store import waiting_sql
from oee_daemon.store.creating_sql import Armed
from tests.kit.engine import BOOK, Bench
from tests.kit.tables import feeds, gaps, orders, returned, watch
from tests.kit.waiting import limit

#: type, side, rule, the price that it waits for.
ORDERS: dict[str, tuple[str, str, int, str]] = {
    "buy at 99": ("limit", "buy", 0, "99"),
    "buy at 90": ("limit", "buy", 0, "90"),
    "sell at 102": ("limit", "sell", 1, "102"),
    "stop at 95": ("stop", "sell", 2, "95"),
    "stop buy at 110": ("stop", "buy", 3, "110"),
}


@pytest.fixture
def waiting(bench: Bench) -> dict[str, Order]:
    """One by each rule on a pair whose bid is 100 and whose ask is 101."""
    found = {}
    for name, (kind, side, rule, price) in ORDERS.items():
        order = bench.place()
        values: dict[str, Any] = {"type": kind, "side": side, "target_price": Decimal(price)}
        bench.set(order.id, status="waiting", arm_rule=rule, arm_price=Decimal(price), **values)
        found[name] = bench.order(order.id)
    return found


def feed(bench: Bench, pair: str, **changes: Any) -> None:
    row = {"pair": pair, "source": "simulated", "state": "live", "bid": 100, "ask": 101, "slot": 7}
    row |= {"priced_at": bench.ago(seconds=0), "cadence_ms": 400, "max_age_ms": 60_000}
    with bench.db.connect() as conn:
        conn.execute(insert(feeds).values(row | changes))


def named(waiting: dict[str, Order], orders: list[Order]) -> list[str]:
    names = {order.id: name for name, order in waiting.items()}
    return [names[order.id] for order in orders]


def test_the_nearest_to_its_price_comes_first(bench: Bench, waiting: dict[str, Order]) -> None:
    feed(bench, next(iter(waiting.values())).pair)
    waits = WaitingOrders(bench.db)
    # 1.98 of 101, 2 of 100, 5 of 100, 8.9 and 10.9 of 101.
    order = ["buy at 99", "sell at 102", "stop at 95", "stop buy at 110", "buy at 90"]
    assert named(waiting, waits.nearest({}, 10)) == order
    assert named(waiting, waits.nearest({}, 2)) == order[:2]
    assert named(waiting, waits.nearest({"side": "buy", "type": "limit"}, 10)) == ["buy at 99", "buy at 90"]
    assert waits.nearest({"pair": "A/B"}, 10) == []


def test_an_order_that_is_too_far_to_say_hides_no_other(bench: Bench, waiting: dict[str, Order]) -> None:
    far = waiting["sell at 102"]
    bench.set(far.id, target_price=Decimal("1e23"), arm_price=Decimal("1e23"))
    feed(bench, far.pair)
    waits = WaitingOrders(bench.db)
    assert named(waiting, waits.nearest({}, 10))[-1] == "sell at 102"
    assert named(waiting, waits.nearest({}, 10))[0] == "buy at 99"
    told = orders_json([bench.order(order.id) for order in waiting.values()], waits, BOOK)
    assert max(one["market"]["awayBps"] for one in told) == 10**15


def test_until_its_launch_time_an_order_is_as_far_from_a_price_as_it_is_listed(bench: Bench) -> None:
    """It is compared with nothing yet: no number of its own where it is taken up, either."""
    for launch_at in (None, datetime.now(UTC) + timedelta(days=1)):
        order = limit(bench, "0.9", launch_at=launch_at)
        armed = Armed(rule=Rule.SELL_LIMIT, price=order.target_price, data={"market": {"price": "160"}})
        if launch_at is None:
            feed(bench, order.pair)
        (listed,) = orders_json([order], WaitingOrders(bench.db), BOOK)
        said = armed_json(armed, order)
        assert said is not None
        assert (said["awayBps"] is None) == (listed["market"]["awayBps"] is None) == (launch_at is not None)


def test_what_nobody_has_a_price_for_comes_last_by_age(bench: Bench, waiting: dict[str, Order]) -> None:
    waits = WaitingOrders(bench.db)
    assert named(waiting, waits.nearest({}, 10)) == list(ORDERS)
    timed = bench.place()
    bench.set(timed.id, status="waiting")
    feed(bench, timed.pair)
    assert waits.nearest({}, 10)[-1].id == timed.id
    (told,) = orders_json([bench.order(timed.id)], waits, BOOK)
    assert (told["market"]["price"], told["market"]["awayBps"]) == ("100", None)


def test_how_far_each_price_has_to_move(bench: Bench, waiting: dict[str, Order]) -> None:
    waits = WaitingOrders(bench.db)
    for told in orders_json(list(waiting.values()), waits, BOOK):
        assert told["market"] is None
    feed(bench, waiting["buy at 99"].pair)
    bench.set(waiting["sell at 102"].id, target_price=Decimal(99))
    found = zip(waiting, orders_json(list(waiting.values()), waits, BOOK), strict=True)
    away = {name: (told["market"]["price"], told["market"]["awayBps"]) for name, told in found}
    assert away == {
        "buy at 99": ("101", 198),
        "buy at 90": ("101", 1089),
        # Met: what it was armed with is not what it waits for.
        "sell at 102": ("100", -100),
        "stop at 95": ("100", 500),
        "stop buy at 110": ("101", 891),
    }


@pytest.mark.parametrize(
    ("changes", "state", "stale"),
    [({}, "live", False), ({"priced_at": None}, "stale", True), ({"state": "blind"}, "blind", True)],
)
def test_a_price_that_is_too_old_is_told_so(
    bench: Bench, waiting: dict[str, Order], changes: dict[str, Any], state: str, stale: bool
) -> None:
    one, waits = waiting["buy at 99"], WaitingOrders(bench.db)
    feed(bench, one.pair, **changes)
    (told,) = orders_json([one], waits, BOOK)
    assert told["market"]["stale"] is stale
    (feed_told,) = feeds_json(waits.watch(), BOOK)["feeds"]
    assert feed_told["state"] == state
    bench.set(one.id, status="pending", arm_price=None, next_run_at=bench.ago(seconds=0))
    assert "market" not in orders_json([bench.order(one.id)], waits, BOOK)[0]


def test_who_watches_and_what_waits(bench: Bench, waiting: dict[str, Order]) -> None:
    waits = WaitingOrders(bench.db)
    assert feeds_json(waits.watch(), BOOK)["leader"] is None
    feed(bench, waiting["buy at 99"].pair)
    row = {"one": 1, "owner": "desk:1", "fence": 1, "lease_until": bench.ago(seconds=-60)}
    with bench.db.connect() as conn:
        conn.execute(insert(watch).values(row))
    told = feeds_json(waits.watch(), BOOK)
    Feeds.model_validate(told)
    assert (told["leader"], told["waiting"]) == ({"owner": "desk:1", "seenAt": None}, 5)
    (one,) = told["feeds"]
    assert (one["bid"], one["ask"], one["waiting"], one["nearestBps"]) == ("100", "101", 5, 198)
    assert 0 <= one["ageMs"] < 60_000


def test_gaps_are_told_of_the_time_in_which_it_waited(bench: Bench, waiting: dict[str, Order]) -> None:
    one = waiting["buy at 99"]
    rows: list[dict[str, Any]] = [
        {"begun": one.created_at - timedelta(hours=2), "ended": one.created_at - timedelta(hours=1)},
        {"begun": one.created_at - timedelta(minutes=1), "ended": one.created_at + timedelta(minutes=1)},
        {"begun": one.created_at + timedelta(minutes=2), "ended": None},
    ]
    with bench.db.connect() as conn:
        conn.execute(insert(gaps).values([row | {"pair": one.pair, "reason": "blind"} for row in rows]))
        other = {"pair": "A/B", "begun": one.created_at, "ended": None, "reason": "blind"}
        conn.execute(insert(gaps).values(other))
    assert [(begun, ended) for begun, ended, _ in WaitingOrders(bench.db).gaps(one.id)] == [
        (row["begun"], row["ended"]) for row in reversed(rows[1:])
    ]


def test_the_watch_at_a_glance_and_its_metrics(bench: Bench, waiting: dict[str, Order]) -> None:
    pair = next(iter(waiting.values())).pair
    feed(bench, pair)
    feed(bench, "A/B", state="blind", priced_at=None, bid=None, ask=None)
    with bench.db.connect() as conn:
        conn.execute(insert(gaps).values(pair=pair, begun=bench.ago(seconds=60), reason="stale"))
        found = waiting_sql.GLANCE.first(conn)
        told = watch_json(found, 5, BOOK)
        WatchState.model_validate(told)
        assert (told["leader"], told["pairs"], told["stale"], told["gaps"]) == (None, 2, ["A/B"], 1)
        assert (told["nearest"], told["nearestBps"]) == ("SOL/USDC", 198)
        lease = {"one": 1, "owner": "w", "fence": 1, "lease_until": bench.ago(seconds=-60), "fired": 3}
        lease |= {"deferred": 7, "deferred_since": bench.ago(seconds=61), "missed": 5}
        conn.execute(insert(watch).values(lease))
        conn.execute(insert(returned).values(code="no_route", total=2))
        conn.execute(update(orders).where(orders.c.id == waiting["buy at 99"].id).values(latched=True))
        leader = waiting_sql.LEADER.first(conn)
        assert leader is not None and 61 <= leader.deferred_s < 120
        lines = _watch_metrics(waiting_sql.GLANCE.first(conn), 5, BOOK)
    said = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert 0 <= float(said.pop('oee_feed_age_seconds{pair="SOL/USDC"}')) < 60
    assert said == {
        "oee_waiting_orders": "5", "oee_watch_leader": "1", "oee_fired_total": "3",
        "oee_feed_gaps_total": "1", "oee_feeds_stale": "1", "oee_near_misses_total": "5",
        "oee_deferred_orders": "7", "oee_latched_stops": "1", 'oee_returned_total{code="no_route"}': "2",
    }  # fmt: skip
