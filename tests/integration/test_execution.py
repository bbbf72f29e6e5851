"""One order's way to its end, through every fault that the simulated network can be told to have.

Judged by the chain's ledger as well as by the engine's tables: what the engine believes proves nothing.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from oee_daemon.api import order_wire, request_wire
from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.status import Status
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.order import Order
from oee_daemon.orders.tokens import TOKENS, Token
from oee_daemon.reads.reads_history import History
from oee_daemon.reads.reads_quality import Stats
from oee_daemon.store.listing_sql import Filter
from oee_daemon.store.report_sql import Scope
from tests.kit.engine import BOOK, Bench
from tests.kit.executions import CONFIRMED, data, discard, quotes_of
from tests.kit.now import now

# When all goes well.


@pytest.mark.parametrize("sell", [True, False])
def test_an_order_goes_its_five_steps_and_says_what_it_did(bench: Bench, sell: bool) -> None:
    order = bench.place() if sell else bench.buy()
    chain = bench.chain()
    assert bench.execution(chain).run(order.id) is None
    assert bench.trail(order.id) == CONFIRMED
    best, other = quotes_of(order)
    found = bench.order(order.id)
    given, taken = BOOK.by_mint(order.input_mint), BOOK.by_mint(order.output_mint)
    (signature,) = bench.ledgered(order.id)
    assert chain.sent == [signature]
    assert (found.venue, found.signature, found.error) == (best.venue, signature, None)
    assert (found.filled_in, found.filled_out, found.fee) == (best.amount_in, best.amount_out, best.fee)
    pending, routing, building, submitted, confirmed = (event_data(e, BOOK) for e in bench.events(order.id))
    assert (pending, routing, submitted) == ({}, {}, {"signature": signature})
    assert building["venue"] == best.venue
    assert [q["venue"] for q in building["quotes"]] == ["raydium", "meteora"]
    for q in building["quotes"]:
        one = best if q["venue"] == best.venue else other
        assert q["amountIn"] == given.text(one.amount_in)
        assert q["amountOut"] == taken.text(one.amount_out)
        assert q["fee"] == given.text(one.fee or 0)
        assert (q["error"], q["priceImpactBps"]) == (None, one.price_impact_bps)
        assert isinstance(q["latencyMs"], int)
    assert confirmed["signature"] == signature
    assert confirmed["filledIn"] == given.text(best.amount_in)
    assert confirmed["filledOut"] == taken.text(best.amount_out)
    assert confirmed["fee"] == given.text(best.fee or 0)
    assert set(confirmed) == {"signature", "filledIn", "filledOut", "price", "fee", "slot"}
    assert confirmed["price"] == next(q["price"] for q in building["quotes"] if q["venue"] == best.venue)


@pytest.mark.parametrize("sell", [True, False])
def test_the_first_choice_fixes_the_worst_amount(bench: Bench, sell: bool) -> None:
    order = bench.place(slippage_bps=100) if sell else bench.buy(slippage_bps=100)
    bench.execution().run(order.id)
    best = quotes_of(order)[0]
    found = bench.order(order.id)
    if sell:
        assert found.max_spend is None
        assert found.min_receive == -(-best.amount_out * 9900 // 10_000)
    else:
        assert found.min_receive is None
        assert found.max_spend == best.amount_in * 10_100 // 10_000
    assert bench.instruction(order.id, 1)["limit"] == str(found.bound)


def test_an_amount_that_a_float_would_bend_is_filled_to_the_unit(bench: Bench) -> None:
    units = 1_234_123_456_789
    order = bench.place(amount=units)
    bench.execution().run(order.id)
    assert bench.order(order.id).filled_in == units
    assert data(bench, order.id, Status.CONFIRMED)[0]["filledIn"] == "1234.123456789"
    assert bench.instruction(order.id, 1)["amountIn"] == str(units)


def test_ten_threads_run_ten_orders_at_once(bench: Bench) -> None:
    placed = [bench.place() for _ in range(10)]
    chain = bench.chain()
    together = threading.Barrier(10)
    # Passes only if ten are between their claim and their submission at the same moment.
    chain.before_anchor = lambda: discard(together.wait(30))
    execution = bench.execution(chain)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(execution.run, [o.id for o in placed]))
    for order in placed:
        assert bench.trail(order.id) == CONFIRMED
        assert len(bench.ledgered(order.id)) == 1


def test_ten_threads_and_two_workers_on_one_order_send_one_swap(bench: Bench) -> None:
    for _ in range(3):
        order = bench.place()
        chain = bench.chain()
        executions = [bench.execution(chain, owner="one"), bench.execution(chain, owner="two")]
        together = threading.Barrier(10)

        def run(n: int, order: Order = order, together: Any = together, executions: Any = executions) -> None:
            together.wait(30)
            executions[n % 2].run(order.id)

        with ThreadPoolExecutor(10) as pool:
            list(pool.map(run, range(10)))
        assert bench.trail(order.id) == CONFIRMED
        assert bench.ledgered(order.id) == list(dict.fromkeys(chain.sent))
        assert bench.swaps(order.id) == [(1, "landed")]


def test_running_what_is_final_or_not_there_does_nothing(bench: Bench) -> None:
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    execution.run(order.id)
    before = bench.row(order.id)
    assert execution.run(order.id) is None
    assert execution.run(UUID(int=1)) is None
    assert bench.row(order.id) == before
    assert len(chain.sent) == 1


# The worst price is fixed once.


def test_the_bound_of_the_first_choice_holds_in_the_second_attempt(bench: Bench) -> None:
    order = bench.place()
    bench.execution(bench.chain(failure_rate="1")).run(order.id)
    first = bench.order(order.id).min_receive
    bench.wake(order.id)
    bench.execution().run(order.id)
    assert quotes_of(order, 1)[0].amount_out != quotes_of(order, 2)[0].amount_out
    assert bench.order(order.id).min_receive == first
    assert bench.instruction(order.id, 1)["limit"] == bench.instruction(order.id, 2)["limit"] == str(first)
    assert bench.order(order.id).slippage_bps == 50


@pytest.mark.parametrize("sell", [True, False])
def test_a_second_attempt_whose_price_is_worse_than_the_bound_sends_nothing(bench: Bench, sell: bool) -> None:
    def worse(order: Order) -> bool:
        one, two = quotes_of(order, 1)[0], quotes_of(order, 2)[0]
        return two.amount_out < one.amount_out if sell else two.amount_in > one.amount_in

    # The price drifts up for some orders and down for others: one for which it gets worse.
    order = bench.place(slippage_bps=0) if sell else bench.buy(slippage_bps=0)
    while not worse(order):
        order = bench.place(slippage_bps=0) if sell else bench.buy(slippage_bps=0)
    bench.execution(bench.chain(failure_rate="1")).run(order.id)
    bench.wake(order.id)
    chain = bench.chain()
    bench.execution(chain, max_attempts=2).run(order.id)
    found = bench.order(order.id)
    assert found.status is Status.FAILED
    assert found.error is not None and found.error["code"] == "slippage_exceeded"
    assert chain.sent == []
    assert bench.trail(order.id)[-2:] == ["routing", "failed"]
    assert len(data(bench, order.id, Status.FAILED)[0]["quotes"]) == 2


@pytest.mark.parametrize("off", [0, 1])
def test_a_bound_that_the_order_sets_is_kept_to_the_unit(bench: Bench, off: int) -> None:
    probe = bench.place()
    # The next order's number is known, and with it the market's answer.
    best = quotes_of(replace(probe, number=probe.number + 1))[0]
    order = bench.place(min_receive=best.amount_out + off)
    execution = bench.execution(max_attempts=1)
    execution.run(order.id)
    assert bench.order(order.id).status is (Status.FAILED if off else Status.CONFIRMED)
    assert bench.order(order.id).min_receive == best.amount_out + off
    assert len(bench.ledgered(order.id)) == 1 - off


MINT = "Mint1111111111111111111111111111111111111111"


def test_a_token_that_is_known_by_its_mint_alone_is_traded_as_any(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = Token(MINT, MINT, 3)
    book = TokenBook("simulated", [*TOKENS.values(), nameless])
    monkeypatch.setattr("tests.kit.engine.BOOK", book)
    body = {"inputToken": "SOL", "outputToken": MINT, "amount": Decimal(1)}
    order, _ = bench.accept(request_wire.read_order(body, book), None)
    bench.run_to_end(bench.execution(), order.id)
    assert bench.trail(order.id) == CONFIRMED
    found = bench.order(order.id)
    assert (found.output_mint, found.pair) == (MINT, f"{TOKENS['SOL'].mint}/{MINT}")
    shown = order_wire.order_json(found, book)
    assert (shown["outputToken"], shown["pair"]) == (MINT, f"SOL/{MINT}")
    assert found.filled_out is not None and shown["filledOut"] == nameless.text(found.filled_out)
    confirmed = data(bench, order.id, Status.CONFIRMED)
    assert confirmed
    (fill,) = now(bench.chain().fills(limit=10)).fills
    assert order_wire.fill_json(fill, book)["outputToken"] == MINT
    history = History(bench.db)
    for wanted in (Filter(token=MINT), Filter(pair=request_wire.read_pair(f"sol/{MINT}", book))):
        assert [o.id for o in history.page(wanted, limit=10, cursor=None)[0]] == [order.id]
    assert Stats(bench.db).report(Scope()).total.fees == {TOKENS["SOL"].mint: found.fee}
