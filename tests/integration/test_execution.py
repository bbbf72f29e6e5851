"""One order's way to its end, through every fault that the simulated network can be told to have.

Judged by the chain's ledger as well as by the engine's tables: what the engine believes proves nothing.
"""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest

from oee_daemon import failpoints
from oee_daemon.api import request_wire, wire
from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.status import Status
from oee_daemon.contract.terms import SwapMode
from oee_daemon.engine.execution import Execution
from oee_daemon.engine.moving import backoff
from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.tokens import TokenBook
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap
from oee_daemon.orders.tokens import TOKENS, Token
from oee_daemon.reads.order_history import History
from oee_daemon.reads.quality_figures import Stats
from oee_daemon.store.database import open_database
from oee_daemon.store.line import Line
from oee_daemon.store.listing_sql import Filter
from oee_daemon.store.report_sql import Scope
from oee_daemon.timing import USUAL
from tests.kit.engine import BOOK, Bench
from tests.kit.now import now
from tests.kit.proxy import Proxy

CONFIRMED = ["pending", "routing", "building", "submitted", "confirmed"]


@pytest.fixture
def impatient(bench: Bench) -> None:
    """A thread lets go at once of what it can't learn: real seconds, which the held clock doesn't rule."""
    bench.timing = replace(USUAL, ask_s=-1.0, resend_s=0.01)


def discard(_: object) -> None:
    """For a hook whose call gives something."""


def data(bench: Bench, order_id: UUID, status: Status) -> list[dict[str, Any]]:
    """What the events of a status say."""
    return [event_data(e, BOOK) for e in bench.events(order_id) if e.status is status]


def quotes_of(request: Order, attempt: int = 1) -> list[Quote]:
    """What the venues answer for an order, best first."""
    ask = QuoteRequest(
        input_token=BOOK.by_mint(request.input_mint),
        output_token=BOOK.by_mint(request.output_mint),
        amount=request.amount,
        mode=request.swap_mode,
        number=request.number,
        attempt=attempt,
    )
    exact_in = request.swap_mode is SwapMode.EXACT_IN
    found = [simulated_market.quote(0, pool, ask) for pool in simulated_market.POOLS]
    return sorted(found, key=lambda q: -q.amount_out if exact_in else q.amount_in)


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


# Attempts and retries.


def test_an_order_fails_when_its_attempts_are_used_up_and_nothing_has_moved(bench: Bench) -> None:
    order = bench.place()
    execution = bench.execution(bench.chain(failure_rate="1"), max_attempts=3)
    waits = []
    for attempt in (1, 2):
        wait = execution.run(order.id)
        assert wait is not None
        waits.append(round(wait.total_seconds() * 1000))
        assert bench.order(order.id).attempt == attempt + 1
        assert execution.run(order.id) is None, "its pause is not over"
        bench.wake(order.id)
    assert execution.run(order.id) is None
    found = bench.order(order.id)
    assert (found.status, found.attempt) == (Status.FAILED, 3)
    assert found.error is not None
    assert (found.error["code"], found.error["retryable"]) == ("slippage_exceeded", True)
    assert bench.trail(order.id) == (["pending", "routing", "building", "submitted"] * 3 + ["failed"])
    assert bench.swaps(order.id) == [(1, "rejected"), (2, "rejected"), (3, "rejected")]
    assert (bench.ledgered(order.id), len(bench.ledgered(order.id, "rejected"))) == ([], 3)
    retries = data(bench, order.id, Status.PENDING)[1:]
    for said, waited in zip(retries, waits, strict=True):
        assert set(said) == {"retryInMs", "error", "quotes"}
        assert said["error"] == found.error
        assert abs(said["retryInMs"] - waited) <= 20
    assert [e.attempt for e in bench.events(order.id)] == [1] * 4 + [2] * 4 + [3] * 5
    assert data(bench, order.id, Status.FAILED)[0]["error"] == found.error


def test_the_waits_double_up_to_their_bound_with_a_jitter_of_a_quarter() -> None:
    first, most = USUAL.backoff_s
    for attempt in range(1, 40):
        full = min(most, first * 2 ** (attempt - 1))
        for _ in range(20):
            assert 0.75 * full <= backoff(attempt, USUAL.backoff_s).total_seconds() <= full
    assert backoff(10**9, USUAL.pause_s) <= timedelta(seconds=USUAL.pause_s[1])
    assert len({backoff(1, USUAL.backoff_s) for _ in range(20)}) > 1


def test_an_attempt_after_a_rejected_one_succeeds_with_another_signature(bench: Bench) -> None:
    order = bench.place()
    rejecting, fair = bench.chain(failure_rate="1"), bench.chain()
    bench.execution(rejecting).run(order.id)
    bench.wake(order.id)
    bench.execution(fair).run(order.id)
    assert bench.trail(order.id) == CONFIRMED[:4] + CONFIRMED
    assert bench.swaps(order.id) == [(1, "rejected"), (2, "landed")]
    assert rejecting.sent != fair.sent
    assert bench.ledgered(order.id) == fair.sent
    assert bench.order(order.id).signature == fair.sent[0]


def test_when_every_venue_refuses_the_order_fails_at_once(bench: Bench) -> None:
    bench.fault("raydium", "refuse")
    bench.fault("meteora", "refuse")
    order = bench.place()
    assert bench.execution().run(order.id) is None
    found = bench.order(order.id)
    assert (found.status, found.attempt) == (Status.FAILED, 1)
    assert found.error == {
        "code": "no_route",
        "message": "No venue can fill it. raydium is down; meteora is down.",
        "retryable": False,
    }
    assert bench.trail(order.id) == ["pending", "routing", "failed"]
    (said,) = data(bench, order.id, Status.FAILED)
    assert [q["error"]["code"] for q in said["quotes"]] == ["venue_down", "venue_down"]


def test_while_one_merely_did_not_answer_the_order_is_retried(bench: Bench) -> None:
    bench.fault("raydium", "refuse", remaining=1)
    bench.fault("meteora", "hang", remaining=1)
    order = bench.place()
    execution = bench.execution()
    assert execution.run(order.id) is not None
    (said,) = data(bench, order.id, Status.PENDING)[1:]
    assert (said["error"]["code"], said["error"]["retryable"]) == ("no_route", True)
    assert [q["error"]["code"] for q in said["quotes"]] == ["venue_down", "venue_late"]
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED


@pytest.mark.parametrize(("kind", "code"), [("refuse", "venue_down"), ("hang", "venue_late")])
@pytest.mark.parametrize("down", ["raydium", "meteora"])
def test_with_one_venue_down_the_other_is_used_and_the_events_say_why(
    bench: Bench, down: str, kind: str, code: str
) -> None:
    bench.fault(down, kind)
    order = bench.place()
    bench.execution().run(order.id)
    (said,) = data(bench, order.id, Status.BUILDING)
    assert said["venue"] != down
    (lost,) = [q for q in said["quotes"] if q["venue"] == down]
    assert lost["error"]["code"] == code
    assert lost["amountIn"] is lost["amountOut"] is lost["price"] is None
    assert bench.order(order.id).status is Status.CONFIRMED


def test_a_chain_without_an_anchor_costs_an_attempt_and_sends_nothing(bench: Bench) -> None:
    chain = bench.chain()

    def away() -> None:
        chain.before_anchor = lambda: None
        raise ChainUnavailable("no anchor")

    chain.before_anchor = away
    order = bench.place()
    execution = bench.execution(chain)
    execution.run(order.id)
    assert bench.trail(order.id) == ["pending", "routing", "building", "pending"]
    assert bench.swaps(order.id) == []
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED


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


# Unknown is not failed.


@pytest.mark.parametrize("kind", ["refuse", "lose", "drop", "hang"])
def test_a_send_without_a_good_answer_ends_nothing_and_is_repeated(bench: Bench, kind: str) -> None:
    bench.fault("chain", kind, remaining=1)
    order = bench.place()
    chain = bench.chain()
    bench.execution(chain).run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert len(set(chain.sent)) == 1
    assert (len(chain.sent) == 1) is (kind == "lose")
    assert bench.ledgered(order.id) == [chain.sent[0]]


@pytest.mark.usefixtures("impatient")
def test_an_unknown_outcome_is_let_go_of_with_growing_pauses_and_found_in_the_end(bench: Bench) -> None:
    bench.fault("chain", "mute", remaining=3)
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    pauses = []
    for asks in (1, 2, 3):
        assert execution.run(order.id) is None
        row = bench.row(order.id)
        assert (row.status, row.attempt, row.asks) == ("submitted", 1, asks)
        assert row.lease_owner is row.lease_until is None
        pauses.append((row.next_run_at - bench.events(order.id)[-1].at).total_seconds())
        bench.set(order.id, next_run_at=bench.ago(seconds=0))
    assert bench.trail(order.id)[-1] == "submitted"
    # 2, 4 and 8 s, less a jitter of a quarter, counted from one moment.
    assert 1.5 <= pauses[0] < 3 <= pauses[1] < 6 <= pauses[2]
    chain.before_outcome = lambda: bench.clock.wind(s=1)
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert len(set(chain.sent)) == 1
    assert bench.ledgered(order.id) == [chain.sent[0]]


@pytest.mark.usefixtures("impatient")
def test_ten_unknown_outcomes_do_not_stop_trading(bench: Bench) -> None:
    bench.fault("chain", "mute", remaining=10)
    execution = bench.execution()
    stuck = [bench.place() for _ in range(10)]
    for order in stuck:
        execution.run(order.id)
    assert {bench.order(o.id).status for o in stuck} == {Status.SUBMITTED}
    bench.clock.wind(s=1)
    more = bench.place()
    chain = bench.chain()
    chain.before_outcome = lambda: bench.clock.wind(s=1)
    bench.execution(chain).run(more.id)
    assert bench.order(more.id).status is Status.CONFIRMED


def test_a_swap_that_can_never_land_gives_way_to_a_new_attempt_with_a_new_signature(bench: Bench) -> None:
    order = bench.place()
    bench.fault("chain", "drop", number=order.number)
    dropped, fair = bench.chain(), bench.chain()
    wait = bench.execution(dropped).run(order.id)
    assert wait is not None
    assert bench.swaps(order.id) == [(1, "lapsed")]
    (said,) = data(bench, order.id, Status.PENDING)[1:]
    assert (said["error"]["code"], said["error"]["retryable"]) == ("swap_lapsed", True)
    # The same bytes again and again, until they could not land any more.
    assert len(dropped.sent) > 5 and len(set(dropped.sent)) == 1
    bench.fault("chain", "lose", remaining=1)
    with bench.ledger.connect() as conn:
        conn.exec_driver_sql("DELETE FROM sim_faults WHERE kind = 'drop'")
    bench.wake(order.id)
    bench.execution(fair).run(order.id)
    assert bench.swaps(order.id) == [(1, "lapsed"), (2, "landed")]
    assert fair.sent[0] != dropped.sent[0]
    assert bench.ledgered(order.id) == [fair.sent[0]]


def test_a_lagging_chain_makes_no_second_swap(bench: Bench) -> None:
    bench.fault("chain", "lag", ms=5_000)
    order = bench.place()
    chain = bench.chain()
    bench.execution(chain).run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]


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
    shown = wire.order_json(found, book)
    assert (shown["outputToken"], shown["pair"]) == (MINT, f"SOL/{MINT}")
    assert found.filled_out is not None and shown["filledOut"] == nameless.text(found.filled_out)
    confirmed = data(bench, order.id, Status.CONFIRMED)
    assert confirmed
    (fill,) = now(bench.chain().fills(limit=10)).fills
    assert wire.fill_json(fill, book)["outputToken"] == MINT
    history = History(bench.db)
    for wanted in (Filter(token=MINT), Filter(pair=request_wire.read_pair(f"sol/{MINT}", book))):
        assert [o.id for o in history.page(wanted, limit=10, cursor=None)[0]] == [order.id]
    assert Stats(bench.db).report(Scope()).total.fees == {TOKENS["SOL"].mint: found.fee}


# What a crash leaves.


def test_what_died_in_building_uses_the_stored_quote(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id, "dead"), Status.ROUTING)
    quote = Quote(venue="meteora", amount_in=order.amount, amount_out=4711, fee=42, price_impact_bps=0)
    moved = bench.advance(order, Status.BUILDING, quote=quote, bound=4000)
    assert moved is not None
    bench.set(order.id, lease_until=bench.ago(seconds=1))
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    said = bench.instruction(order.id, 1)
    assert (said["venue"], said["amountOut"], said["fee"], said["limit"]) == ("meteora", "4711", "42", "4000")
    assert bench.order(order.id).filled_out == 4711


class Router(SimulatedVenue):
    """It gives a route with each quote, says no fee, and builds nothing without the route that it gave."""

    given: ClassVar[list[bytes]] = []
    asked: ClassVar[list[bytes]] = []

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        self.given.append(b"\x00 by way of %d" % len(self.given))
        return replace(
            await super().quote(request, deadline_s), route=self.given[-1], fee=None, price_impact_bps=None
        )

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        self.asked.append(plan.quote.route)
        return await super().build(plan, anchor, deadline_s)


def test_after_a_crash_a_venue_gets_back_the_route_that_it_gave(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Router)
    monkeypatch.setattr(simulated_market, "POOLS", simulated_market.POOLS[:1])
    order = bench.place()
    failpoints.arm("after_building=lose*1", tmp_path)
    bench.execution().run(order.id)
    assert bench.order(order.id).status is Status.BUILDING
    (route,) = Router.given
    assert (bench.row(order.id).route, Router.asked) == (route, [])
    bench.wake(order.id)
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert (Router.given, Router.asked) == ([route], [route])
    # It has served its purpose.
    found = bench.order(order.id)
    assert (found.route, found.quote_fee, found.fee) == (None, None, None)


def test_what_died_in_routing_asks_the_venues_again(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id, "dead"), Status.ROUTING)
    bench.set(order.id, lease_until=bench.ago(seconds=1))
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.order(order.id).attempt == 1


@pytest.mark.parametrize(
    "point", ["claimed", "after_routing", "after_building", "signed", "after_submitted", "sent", "landed"]
)
def test_wherever_it_breaks_off_the_order_goes_on_to_one_swap(
    bench: Bench, point: str, tmp_path: Path
) -> None:
    failpoints.arm(f"{point}=lose*1", tmp_path)
    order = bench.place()
    chain = bench.chain()
    bench.execution(chain, owner="dead").run(order.id)
    before = bench.trail(order.id)
    # The chain's own answer may be lost: that is no fault of a run.
    assert (before == CONFIRMED) == (point == "landed")
    bench.wake(order.id)
    bench.execution(chain, owner="heir").run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.trail(order.id)[: len(before)] == before
    assert bench.swaps(order.id) == [(1, "landed")]
    assert len(bench.ledgered(order.id)) == 1
    assert len(set(chain.sent)) == 1


def test_a_lost_answer_to_the_write_ahead_sends_nothing_until_it_is_claimed_again(
    bench: Bench, tmp_path: Path
) -> None:
    failpoints.arm("after_submitted=lose*1", tmp_path)
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    assert execution.run(order.id) is not None
    assert chain.sent == []
    bench.wake(order.id)
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]
    assert bench.ledgered(order.id) == chain.sent


@pytest.fixture
def proxied(bench: Bench, shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same bench, whose executions reach Postgres through a line that can be cut."""
    with tempfile.TemporaryDirectory(prefix="oee-p", dir="/tmp") as folder:
        proxy = Proxy(shared_url, Path(folder))
        direct = bench.db, bench.line
        bench.db, bench.line = open_database(proxy.url, pool_size=5), Line(proxy.url)
        yield proxy
        bench.db.dispose()
        now(bench.line.close())
        bench.db, bench.line = direct
        proxy.close()


@pytest.mark.parametrize("heard", [True, False])
def test_a_connection_cut_at_the_write_ahead_sends_nothing_unstored_and_goes_on_to_one_swap(
    bench: Bench, proxied: Proxy, heard: bool
) -> None:
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    proxied.lose(b"INSERT INTO swaps", heard=heard)
    assert execution.run(order.id) is not None
    assert proxied.cut == 1
    assert bench.trail(order.id) == CONFIRMED[: 4 if heard else 3]
    assert bench.swaps(order.id) == ([(1, "signed")] if heard else [])
    assert chain.sent == []
    # The slot of the chain is another one by now: signed anew, the bytes would be others.
    bench.clock.wind(s=1)
    stored = bench.order(order.id).signature
    # Its own worker takes it again without waiting for a lease.
    bench.wake(order.id)
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.ledgered(order.id) == chain.sent
    assert not heard or chain.sent == [stored]


@pytest.mark.parametrize(
    "at", [b"FOR UPDATE SKIP LOCKED", b"INSERT INTO order_events", b"INSERT INTO swaps", b"UPDATE swaps"]
)
@pytest.mark.parametrize("heard", [True, False])
def test_wherever_the_connection_is_cut_the_order_goes_on_to_one_swap(
    bench: Bench, proxied: Proxy, at: bytes, heard: bool
) -> None:
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    proxied.lose(at, heard=heard)
    execution.run(order.id)
    assert proxied.cut == 1
    bench.wake(order.id)
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]
    assert len(bench.ledgered(order.id)) == 1


# Two holders.


@pytest.mark.parametrize("when", ["before_anchor", "before_submit", "before_outcome"])
def test_a_second_holder_finishes_it_and_the_first_finds_no_row_and_stops(bench: Bench, when: str) -> None:
    order = bench.place()
    frozen, other = bench.chain(), bench.chain()

    def meanwhile() -> None:
        setattr(frozen, when, lambda: None)
        bench.set(order.id, lease_until=bench.ago(seconds=1))
        bench.execution(other, owner="two").run(order.id)
        assert bench.order(order.id).status is Status.CONFIRMED

    setattr(frozen, when, meanwhile)
    assert bench.execution(frozen, owner="one").run(order.id) is None
    assert bench.trail(order.id) == CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]
    assert len(bench.ledgered(order.id)) == 1
    # At most the stored bytes were sent once more.
    assert set(frozen.sent) <= set(other.sent)


def test_a_cancel_while_it_is_being_built_wins_and_nothing_is_sent(bench: Bench) -> None:
    order = bench.place()
    chain = bench.chain()
    chain.before_anchor = lambda: discard(bench.intake.cancel(order.id))
    assert bench.execution(chain).run(order.id) is None
    assert bench.trail(order.id) == ["pending", "routing", "building", "cancelled"]
    assert (chain.sent, bench.swaps(order.id)) == ([], [])


# An order's time.


@pytest.mark.parametrize("steps", [(), (Status.ROUTING,), (Status.ROUTING, Status.BUILDING)])
def test_what_is_out_of_time_and_unsent_expires_when_it_is_claimed(
    bench: Bench, steps: tuple[Status, ...]
) -> None:
    order = bench.place()
    if steps:
        bench.to(bench.held(order.id, "dead"), *steps)
        bench.set(order.id, lease_until=bench.ago(seconds=1))
    bench.set(order.id, expires_at=bench.ago(seconds=1))
    chain = bench.chain()
    assert bench.execution(chain).run(order.id) is None
    assert bench.trail(order.id) == ["pending", *[s.value for s in steps], "expired"]
    assert chain.sent == []
    assert bench.order(order.id).finished_at is not None


def test_what_runs_out_of_time_while_it_is_being_built_expires_unsent(bench: Bench) -> None:
    order = bench.place()
    chain = bench.chain()
    chain.before_anchor = lambda: bench.set(order.id, expires_at=bench.ago(seconds=0))
    bench.execution(chain).run(order.id)
    assert bench.trail(order.id) == ["pending", "routing", "building", "expired"]
    assert (chain.sent, bench.swaps(order.id)) == ([], [])


def test_between_attempts_an_order_expires_too(bench: Bench) -> None:
    order = bench.place()
    bench.execution(bench.chain(failure_rate="1")).run(order.id)
    bench.wake(order.id)
    bench.set(order.id, expires_at=bench.ago(seconds=0))
    bench.execution().run(order.id)
    assert bench.trail(order.id)[-2:] == ["pending", "expired"]
    assert bench.ledgered(order.id) == []


def _submitted_and_out_of_time(bench: Bench, tmp_path: Path, point: str) -> Order:
    failpoints.arm(f"{point}=lose*1", tmp_path)
    order = bench.place()
    bench.execution(bench.chain(), owner="dead").run(order.id)
    bench.set(order.id, next_run_at=bench.ago(seconds=1), expires_at=bench.ago(seconds=1), faults=0)
    return bench.order(order.id)


def test_past_its_time_nothing_is_sent_any_more_and_it_ends_expired(bench: Bench, tmp_path: Path) -> None:
    order = _submitted_and_out_of_time(bench, tmp_path, "after_submitted")
    chain = bench.chain()
    execution = bench.execution(chain, owner="heir")
    assert bench.run_to_end(execution, order.id).status is Status.EXPIRED
    assert chain.sent == []
    assert bench.trail(order.id) == [*CONFIRMED[:4], "pending", "expired"]
    assert bench.swaps(order.id) == [(1, "lapsed")]
    assert bench.ledgered(order.id) == []


def test_past_its_time_what_was_sent_before_is_still_found(bench: Bench, tmp_path: Path) -> None:
    order = _submitted_and_out_of_time(bench, tmp_path, "sent")
    chain = bench.chain()
    bench.execution(chain, owner="heir").run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert chain.sent == []
    assert len(bench.ledgered(order.id)) == 1


# What is not a venue's or the chain's.


def test_a_venue_that_is_gone_costs_an_attempt(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id, "dead"), Status.ROUTING, Status.BUILDING)
    bench.set(order.id, lease_until=bench.ago(seconds=1), venue="orca")
    execution = bench.execution()
    execution.run(order.id)
    assert data(bench, order.id, Status.PENDING)[1]["error"]["code"] == "venue_gone"
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED


def test_a_venue_that_breaks_does_not_take_the_other_with_it(bench: Bench) -> None:
    order = bench.place()
    network = bench.network(bench.chain())

    class Broken:
        name, fee_bps = "broken", 0

        async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
            raise RuntimeError("a bug, or a body that does not read")

        build = network.venues[0].build

    execution = Execution(
        bench.db,
        bench.line,
        bench.loop,
        replace(network, venues=[Broken(), *network.venues]),
        bench.feed,
        owner="one",
        max_attempts=3,
        max_active=10,
    )
    execution.run(order.id)
    assert bench.order(order.id).status is Status.CONFIRMED


def test_what_an_attempt_failed_with_is_an_error_object() -> None:
    failure = AttemptFailed("why", code="x", retryable=True)
    assert failure.as_dict() == {"code": "x", "message": "why", "retryable": True}
