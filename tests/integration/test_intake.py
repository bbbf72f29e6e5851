"""Accepting: one order a key, and nothing stored that was refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import URL, Engine, func, make_url, select
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request

from oee_daemon import failpoints
from oee_daemon.api.api_problems import as_problem
from oee_daemon.api.order_routes import EXECUTE
from oee_daemon.api.order_wire import pair_text
from oee_daemon.contract.order_types import Side, SwapMode
from oee_daemon.contract.protocol import KEY_HEADER
from oee_daemon.contract.status import Status
from oee_daemon.engine.intake import Intake
from oee_daemon.errors import InvalidInput, KeyConflict
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.orders.tokens import TOKENS, read_decimal, units
from oee_daemon.queue.queue_broker import open_broker
from oee_daemon.store.postgres_line import Line
from tests.integration.test_scale import cost
from tests.kit.daemons import until
from tests.kit.engine import BOOK, Bench
from tests.kit.now import now
from tests.kit.proxy import Proxy
from tests.kit.tables import order_events, orders

SOL, USDC, USDT = TOKENS["SOL"], TOKENS["USDC"], TOKENS["USDT"]
KEY = "a-key-of-mine"


def new(amount: str = "1.5", **what: Any) -> Terms:
    """As the API reads it from a body."""
    what = {"input_token": SOL, "output_token": USDC} | what
    return terms_of(what | {"amount": units(read_decimal(amount, "amount"), what["input_token"], "amount")})


def stored(bench: Bench) -> int:
    with bench.db.connect() as conn:
        return int(conn.execute(select(func.count()).select_from(orders)).scalar_one())


def test_what_was_accepted_is_durable_with_its_first_event_and_was_rung(bench: Bench, redis_url: str) -> None:
    order, created = bench.accept(new(), None)
    assert created
    assert bench.order(order.id) == order
    assert (order.status, order.attempt, order.number, order.fence) == (Status.PENDING, 1, 1, 0)
    assert (order.side, pair_text(order.pair, BOOK)) == (Side.SELL, "SOL/USDC")
    assert (order.slippage_bps, order.valid_for_s) == (50, 300)
    assert order.bound is None
    assert order.expires_at is not None
    assert (order.expires_at - order.created_at).total_seconds() == pytest.approx(300, abs=0.1)
    (first,) = bench.events(order.id)
    assert (first.seq, first.status, first.data, first.at) == (1, Status.PENDING, {}, order.created_at)
    with redis.Redis.from_url(redis_url) as client:
        until(lambda: client.llen("oee:orders") == 1, what="the ring")


def test_amounts_that_a_float_would_bend_come_back_from_postgres_as_they_went_in(bench: Bench) -> None:
    for text in ("123456789.123456789", "0.000000001", "18446744073.709551615", "0.1"):
        order, _ = bench.accept(new(text), None)
        again = bench.order(order.id)
        assert SOL.text(again.amount) == text
        assert type(again.amount) is int
        with bench.db.connect() as conn:
            raw = conn.exec_driver_sql("SELECT amount::text FROM orders WHERE number = %s", (order.number,))
            assert raw.scalar_one() == str(int(Decimal(text) * 10**9))


def test_without_a_key_every_request_is_a_new_order(bench: Bench) -> None:
    one, _ = bench.accept(new(), None)
    two, created = bench.accept(new(), None)
    assert created and one.id != two.id


def test_a_key_that_comes_again_gives_the_same_order_as_it_is_now(bench: Bench) -> None:
    order, created = bench.accept(new(), KEY)
    assert created
    bench.to(bench.held(order.id), Status.ROUTING)
    again, created = bench.accept(new(), KEY)
    assert not created
    assert (again.id, again.status) == (order.id, Status.ROUTING)
    assert stored(bench) == 1
    assert bench.trail(order.id) == ["pending", "routing"]


def test_a_key_lasts_beyond_the_orders_end(bench: Bench) -> None:
    order, _ = bench.accept(new(), KEY)
    bench.intake.cancel(order.id)
    again, created = bench.accept(new(), KEY)
    assert (again.id, again.status, created) == (order.id, Status.CANCELLED, False)


def test_sixteen_that_come_with_one_key_make_one_order_and_use_up_one_number(bench: Bench) -> None:
    together = threading.Barrier(16)

    def accept(_: int) -> tuple[Order, bool]:
        together.wait(30)
        return bench.accept(new(), KEY)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(accept, range(16)))
    assert len({order.id for order, _ in found}) == 1
    assert sum(created for _, created in found) == 1
    assert stored(bench) == 1
    following, _ = bench.accept(new(), None)
    assert following.number == 2


def test_sixteen_keys_at_once_make_sixteen_orders_without_a_gap(bench: Bench) -> None:
    together = threading.Barrier(16)

    def accept(n: int) -> int:
        together.wait(30)
        return bench.accept(new(), f"key-{n:05}")[0].number

    with ThreadPoolExecutor(16) as pool:
        assert sorted(pool.map(accept, range(16))) == list(range(1, 17))


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "1.500000001"},
        {"output_token": USDT},
        {"swap_mode": SwapMode.EXACT_OUT},
        {"slippage_bps": 50},  # the default, but it was not sent before
        {"slippage_bps": 0},
        {"valid_for_s": 300},
        {"min_receive": 1},
        {"side": Side.SELL},
    ],
    ids=str,
)
def test_a_key_with_other_values_is_a_conflict_and_stores_nothing(
    bench: Bench, other: dict[str, Any]
) -> None:
    order, _ = bench.accept(new(), KEY)
    with pytest.raises(KeyConflict) as caught:
        bench.accept(new(**other), KEY)
    assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")
    assert str(order.id) in caught.value.message
    assert stored(bench) == 1
    assert bench.accept(new(), None)[0].number == 2


def test_values_are_compared_and_not_how_they_were_written(bench: Bench) -> None:
    order, _ = bench.accept(new("1.5"), KEY)
    for text in ("1.50", "1.500000000", "15e-1", "0001.5"):
        assert bench.accept(new(text), KEY)[0].id == order.id
    assert new("1.5").request_hash == new("1.50").request_hash
    assert new("1.5").request_hash != new("1.51").request_hash


@pytest.mark.parametrize(
    ("what", "code", "field"),
    [
        ({"output_token": SOL}, "same_token", "outputToken"),
        ({"side": Side.BUY}, "side_contradicts", "side"),
        ({"max_spend": 1}, "bound_contradicts", "maxSpend"),
        ({"swap_mode": SwapMode.EXACT_OUT, "min_receive": 1}, "bound_contradicts", "minReceive"),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_field_and_uses_up_no_number(
    bench: Bench, what: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        bench.accept(new(**what), KEY)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.hint
    assert stored(bench) == 0
    assert bench.accept(new(), KEY)[0].number == 1


def test_a_bound_that_was_given_is_kept_as_given(bench: Bench) -> None:
    sell, _ = bench.accept(new(min_receive=200_000_001), None)
    buy, _ = bench.accept(
        new(
            "0.000001", input_token=USDC, output_token=SOL, swap_mode=SwapMode.EXACT_OUT, max_spend=2**64 - 1
        ),
        None,
    )
    assert (bench.order(sell.id).bound, bench.order(buy.id).bound) == (200_000_001, 2**64 - 1)


def test_checking_stores_nothing(bench: Bench) -> None:
    bench.loop.run(bench.intake.check(new(), KEY))
    assert stored(bench) == 0


def test_an_order_is_accepted_though_the_queue_is_away(bench: Bench) -> None:
    broker = open_broker("unix:///nowhere/valkey.sock")
    intake = Intake(bench.db, bench.line, broker, bench.feed, network="simulated")
    order, created = bench.loop.run(intake.accept(new(), None))
    intake.close()
    assert created and bench.order(order.id).status is Status.PENDING
    broker.close()


def test_what_dies_between_the_commit_and_the_ring_is_found_again_by_its_key(
    bench: Bench, redis_url: str, tmp_path: Any
) -> None:
    failpoints.arm("accepted=lose*1", tmp_path)
    with pytest.raises(failpoints.Lost):
        bench.accept(new(), KEY)
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("oee:orders") == 0
    order, created = bench.accept(new(), KEY)
    assert not created
    assert (order.number, stored(bench)) == (1, 1)


def test_the_first_event_is_in_the_orders_own_commit(bench: Bench, shared_db: Engine) -> None:
    """Nobody ever sees an order without its event."""
    stop = threading.Event()
    alone: list[Any] = []

    def look() -> None:
        lonely = ~select(1).where(order_events.c.order_id == orders.c.id).exists()
        with shared_db.connect() as conn:
            while not stop.is_set():
                alone.extend(conn.execute(select(orders.c.id).where(lonely)).all())

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for _ in range(50):
            bench.place()
        stop.set()
        looking.result(30)
    assert stored(bench) == 50
    assert alone == []


def test_accepting_reads_no_table_row_by_row(bench: Bench) -> None:
    for n in range(50):
        bench.place(key=f"a-key-of-mine-{n}")
    keys = iter(("another-key", "one-more-key"))
    assert cost(bench.db, lambda: bench.place(key=next(keys))).rows == 0
    assert cost(bench.db, bench.place).rows == 0


@pytest.mark.parametrize("heard", [True, False])
def test_an_order_whose_commit_was_not_answered_is_never_said_not_to_be_stored(
    bench: Bench, empty_url: str, homes: Path, heard: bool
) -> None:
    proxy = Proxy(empty_url, homes)
    assert told(bench, proxy.url, lambda: proxy.lose(b"create_", heard=heard)) == "outcome_unknown"
    proxy.close()
    assert stored(bench) == 1 + heard


def test_an_order_that_could_not_even_be_asked_for_is_said_not_to_be_stored(
    bench: Bench, tmp_path: Path
) -> None:
    nowhere = make_url(bench.db.url).update_query_dict({"host": str(tmp_path)})
    assert told(bench, nowhere) == "database_unavailable"


def told(bench: Bench, url: str | URL, lose: Callable[[], None] | None = None) -> str:
    """The code of the problem by which a client without a key hears of an order that came to nothing. `lose`
    is called once another one was placed."""
    line = Line(url)
    intake = Intake(bench.db, line, bench.broker, bench.feed, network="simulated")
    try:
        if lose is not None:
            bench.loop.run(intake.accept(new(), None))
            lose()
        with pytest.raises(DBAPIError) as lost:
            bench.loop.run(intake.accept(new(), None))
    finally:
        now(line.close())
        intake.close()
    scope = {"type": "http", "method": "POST", "path": EXECUTE, "query_string": b"", "server": ("x", 1)}
    codes = set()
    for headers in ([], [(KEY_HEADER.lower().encode(), KEY.encode())]):
        problem = as_problem(lost.value, Request(scope | {"headers": headers}))
        said = json.loads(bytes(problem.body))
        # Who sends no key and repeats it has asked for two orders.
        repeats = bool(headers) or said["code"] != "outcome_unknown"
        assert (problem.status_code, said["retryable"]) == (503, repeats)
        assert ("retry-after" in problem.headers) is repeats
        codes.add(said["code"])
    return str(codes.pop()) if len(codes) == 1 else ""
