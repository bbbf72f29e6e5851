"""The paper chain: the suite of every chain, and what is its own: a price asked for again, and balances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import ChainUnavailable, UnsafeSwap
from oee_daemon.networks.conformance import chain_suite as chains
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.paper.paper_balance import begun_with
from oee_daemon.networks.paper.paper_chain import AGAIN_MS, EXPECTED_S, SLOT_MS, PaperChain
from oee_daemon.networks.paper.paper_ledger import Ledger
from oee_daemon.networks.paper.paper_schema import open_schema
from oee_daemon.networks.paper.paper_swap import PaperGuard, unsigned_of
from oee_daemon.networks.verdict import ALONE_BLOCKS, ALONE_SIGHTS
from oee_daemon.orders.swap import Anchor, Landed, Lapsed, Look, Rejected, Unknown
from oee_daemon.orders.tokens import TOKENS
from tests.kit.clock import FakeClock
from tests.kit.databases import EMPTY, Databases
from tests.kit.now import now
from tests.networks.paper.bench import BEGUN_WITH, FEE, SOL, USDC, PaperRig, plan_of

Check = Callable[[chains.Rig], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def shared_tables(databases: Databases) -> Iterator[Engine]:
    """Made once: a database whose schema a test has changed is dropped after it."""
    url = databases.take()
    engine = open_schema(url)
    yield engine
    engine.dispose()
    databases.give(url)


@pytest.fixture
def tables(shared_tables: Engine) -> Engine:
    with shared_tables.connect() as conn:
        conn.exec_driver_sql(EMPTY)
    return shared_tables


@pytest.fixture
def rig(tables: Engine, clock: FakeClock) -> PaperRig:
    return PaperRig(tables, clock)


@pytest.mark.parametrize("check", chains.CHECKS, ids=lambda check: check.__name__)
def test_the_paper_chain_conforms(check: Check, rig: PaperRig) -> None:
    now(check(rig))


# The price is asked for again.


def test_it_lands_at_the_price_of_its_landing_and_not_of_its_quote(rig: PaperRig) -> None:
    swap = now(rig.swap(bound=90_000_000))
    rig.market.price = 97
    landed = rig.land(swap)
    assert isinstance(landed, Landed)
    assert (landed.fill.amount_in, landed.fill.amount_out) == (10**9, 97 * 10**6)
    assert landed.fill.signature.startswith("paper:") and landed.fill.fee is None
    asked = rig.market.asked
    assert [(one.input_mint, one.amount, one.venue) for one in asked] == [(SOL.mint, 10**9, "raydium")]
    rig.market.price = 500
    assert rig.outcome(swap) == landed and len(asked) == 1, "it was decided once"


def test_it_is_not_asked_before_its_time_and_then_to_the_millisecond(rig: PaperRig) -> None:
    swap = now(rig.swap())
    now(rig.chain.submit(swap, 4))
    begun = rig.clock.now_ms()
    rig.clock.wind(ms=round(EXPECTED_S * 1000) - 1)
    assert isinstance(rig.outcome(swap), Unknown) and not rig.market.asked
    assert isinstance(rig.outcome(swap, wait_s=10), Landed)
    assert rig.clock.now_ms() == begun + EXPECTED_S * 1000


@pytest.mark.parametrize(("mode", "price", "out"), [(SwapMode.EXACT_IN, 99, 0), (SwapMode.EXACT_OUT, 101, 0)])
def test_beyond_the_bound_it_fails_and_costs_the_networks_fee(
    rig: PaperRig, mode: SwapMode, price: int, out: int
) -> None:
    swap = now(rig.swap(mode=mode))
    rig.market.price = price
    rejected = rig.land(swap)
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.retryable) == ("slippage_exceeded", True)
    assert rig.held() == BEGUN_WITH | {SOL.mint: BEGUN_WITH[SOL.mint] - FEE}
    assert not rig.truth()


def test_a_venue_that_says_nothing_lands_nothing_and_is_asked_again(rig: PaperRig) -> None:
    swap = now(rig.swap())
    rig.market.price = None
    assert isinstance(rig.land(swap), Unknown)
    assert isinstance(rig.outcome(swap), Unknown) and len(rig.market.asked) == 1, "not at every look"
    rig.market.price = 100
    rig.clock.wind(ms=AGAIN_MS)
    assert isinstance(rig.outcome(swap), Landed) and len(rig.market.asked) == 2


def test_a_venue_that_stays_silent_lets_it_lapse_for_good(rig: PaperRig) -> None:
    swap = now(rig.swap())
    rig.market.price = None
    assert isinstance(rig.land(swap), Unknown)
    rig.lapse(swap)
    rig.market.price = 100
    for _ in range(ALONE_SIGHTS - 1):
        assert isinstance(rig.outcome(swap), Unknown)
    rig.clock.wind(ms=ALONE_BLOCKS * SLOT_MS)
    assert rig.outcome(swap) == Lapsed()
    # As a clock that goes back, and another process that has not looked at its clock for long, would have it.
    rig.clock.wind(s=-120)
    assert isinstance(rig.outcome(swap), Unknown)
    with pytest.raises(ChainUnavailable):
        now(rig.chain.submit(swap, 4))
    assert not rig.truth() and rig.held() == BEGUN_WITH


def test_a_price_that_comes_too_late_lands_nothing(rig: PaperRig) -> None:
    swap = now(rig.swap())
    requote = rig.market.requote

    async def late(*asked: Any) -> Any:
        rig.lapse(swap)
        return await requote(*asked)

    rig.chain._requote = late
    assert isinstance(rig.land(swap), Unknown)
    assert not rig.truth() and rig.held() == BEGUN_WITH


def test_two_who_look_at_once_decide_once(rig: PaperRig) -> None:
    swap = now(rig.swap())
    now(rig.chain.submit(swap, 4))
    rig.clock.wind(ms=round(EXPECTED_S * 1000))
    prices = iter((100, 120, 140, 160))
    requote = rig.market.requote

    together = asyncio.Barrier(4)

    async def dearer(*asked: Any) -> Any:
        # None has decided before all of them ask.
        await together.wait()
        rig.market.price = next(prices)
        return await requote(*asked)

    rig.chain._requote = dearer

    async def all_at_once() -> list[list[Look]]:
        return await asyncio.gather(*(rig.chain.look(swap) for _ in range(4)))

    shown = {look.seen for looks in now(all_at_once()) for look in looks}
    assert len(shown) == 1 and len(rig.truth()) == 1
    ((_, given, taken),) = rig.truth()
    held = rig.held()
    assert held[SOL.mint] == BEGUN_WITH[SOL.mint] - given - FEE
    assert held[USDC.mint] == BEGUN_WITH[USDC.mint] + taken


# Balances.


def test_what_lands_is_spent_and_received_with_the_networks_fee(rig: PaperRig) -> None:
    assert isinstance(rig.land(now(rig.swap(amount=3 * 10**9))), Landed)
    assert isinstance(rig.land(now(rig.swap(amount=10**9, mode=SwapMode.EXACT_OUT))), Landed)
    assert rig.held() == {SOL.mint: 98 * 10**9 - 2 * FEE, USDC.mint: 10_200 * 10**6}
    assert now(rig.ledger.balances()) == rig.held()


@pytest.mark.parametrize("amount", [100 * 10**9, 100 * 10**9 - FEE + 1, 200 * 10**9])
def test_what_the_balance_does_not_hold_lands_and_moves_nothing(rig: PaperRig, amount: int) -> None:
    rejected = rig.land(now(rig.swap(amount=amount)))
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.retryable) == ("insufficient_funds", False)
    assert rig.held()[USDC.mint] == BEGUN_WITH[USDC.mint]


def test_all_that_there_is_can_be_spent(rig: PaperRig) -> None:
    assert isinstance(rig.land(now(rig.swap(amount=100 * 10**9 - FEE))), Landed)
    assert rig.held()[SOL.mint] == 0


def test_a_ledger_begins_once(rig: PaperRig, tables: Engine) -> None:
    began = now(rig.chain.identity())
    rig.clock.wind(s=100)
    other = PaperChain(Ledger(tables, {SOL.mint: 1}), rig.market.requote, rig.clock)
    assert now(other.identity()) == began and rig.held() == BEGUN_WITH


def test_what_it_begins_with_is_read_to_the_unit() -> None:
    tokens = TokenBook("paper", TOKENS.values())
    assert begun_with("100 SOL, 10000.5 usdc", tokens) == {SOL.mint: 10**11, USDC.mint: 10_000_500_000}
    assert begun_with("1 SOL,0.5 SOL", tokens) == {SOL.mint: 15 * 10**8}


# Bytes.


def test_the_guard_allows_the_plan_and_nothing_else(rig: PaperRig) -> None:
    plan, anchor = plan_of(uuid4()), now(rig.chain.anchor(4))
    unsigned = unsigned_of(plan, anchor, FEE)
    guard = PaperGuard()
    now(guard.check(unsigned, plan))
    others = (replace(plan, bound=1), replace(plan, order_id=uuid4()), plan_of(plan.order_id, amount=10**8))
    for other in others:
        with pytest.raises(UnsafeSwap):
            now(guard.check(unsigned, other))
    with pytest.raises(UnsafeSwap):
        now(guard.check(replace(unsigned, message=unsigned.message[:-1]), plan))


def test_how_long_a_swap_lives_is_what_its_bytes_say(rig: PaperRig) -> None:
    anchor = now(rig.chain.anchor(4))
    unsigned = unsigned_of(plan_of(uuid4()), Anchor("1" * 32, anchor.last_valid_height), FEE)
    swap = rig.wallet.sign(unsigned, uuid4(), 1)
    with pytest.raises(ChainUnavailable):
        now(rig.chain.submit(swap, 4))
