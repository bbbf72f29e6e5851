"""The network's fee, and what is offered: in lamports, rounded against nobody."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.networks.solana import solana_unit_pricing
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_fee_estimate import FeeEstimate
from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_priority_fees import fee_of, limit_of, price_of
from oee_daemon.networks.solana.solana_programs import TOKEN, TOKEN_2022
from oee_daemon.networks.solana.solana_swap_assembly import assembled
from oee_daemon.networks.solana.solana_swap_memo import Memo, read_memo
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.orders.swap import Anchor, Toll
from tests.networks.solana import crafted
from tests.networks.solana.crafted import WALLET
from tests.networks.solana.server import Handler, rpc, serving

#: Of a chain at slot 460, height 438; its blockhash is that of nobody.
ANCHOR = Anchor("1" * 32, 588, 460, 438)


def test_swaps_over_one_way_share_a_moment_s_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is simulated each time is what the guard judges, beside this."""
    plan, passed_s = crafted.order(), 0.0
    real = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: real() + passed_s)

    async def run() -> None:
        nonlocal passed_s
        told = {
            "simulateTransaction": lambda _: {"value": {"err": None, "unitsConsumed": 100_000, "logs": []}},
            "getRecentPrioritizationFees": lambda _: [],
        }
        async with serving(rpc(told)) as (address, asked):
            pool = open_pool([address], 1000.0, 1000)
            pricing = Pricing(pool, fee_cap=100_000)

            async def simulates(amount: int, *, attempt: int = 1, pool_of: int = 17) -> bool:
                before = len(asked)
                request = replace(plan.request, amount=amount, attempt=attempt)
                place = Pubkey.from_bytes(bytes([pool_of]) * 32)
                steps = [*crafted.wrap(amount), crafted.call(crafted.CPMM, b"8 bytes." + bytes(8), place)]
                await assembled(
                    replace(plan, request=request), ANCHOR, steps, [], pricing, hint=0, left_s=lambda: 5.0
                )
                return len(asked) > before

            assert await simulates(1_000_000)
            assert not await simulates(1_000_000) and not await simulates(3)
            # More may take more; another pool is another way; a second attempt may be because of it.
            assert await simulates(1_000_001) and await simulates(5, pool_of=18)
            assert await simulates(5, attempt=2)
            passed_s = solana_unit_pricing.FRESH_S + 1
            assert await simulates(5)
            await pool.close()

    asyncio.run(run())


def test_a_token_s_program_is_remembered_where_no_endpoint_tells_another() -> None:
    """None of one that is behind, and no word of one that makes a program up."""

    async def run() -> None:
        there: list[list[Any]] = [[None], [None]]

        def node(which: int) -> Handler:
            return rpc({"getMultipleAccounts": lambda _: {"value": there[which]}})

        async with serving(node(0)) as (one, _), serving(node(1)) as (other, _):
            pool = open_pool([one, other], 1000.0, 1000)
            pricing = Pricing(pool, fee_cap=100_000)
            for told, fault in (
                ((None, None), AttemptFailed),
                (("made up", "made up"), AttemptFailed),
                ((TOKEN, TOKEN_2022), ChainUnavailable),
            ):
                there[:] = [[owner and {"owner": owner}] for owner in told]
                with pytest.raises(fault) as caught:
                    await pricing.programs(["mint"], 5.0)
                assert caught.value.retryable
            for n, beside in enumerate((None, "made up")):
                there[:] = [[beside and {"owner": beside}], [{"owner": TOKEN_2022}]]
                assert await pricing.programs([str(n)], 5.0) == [TOKEN_2022]
            await pool.close()

    asyncio.run(run())


@pytest.mark.parametrize("units", [-(10**9), 2**70, 1.5, None])
def test_units_that_no_swap_takes_are_no_answer(units: Any) -> None:
    """Else no limit could be made of them, and each attempt failed by that endpoint alone."""

    def node(told: Any) -> Handler:
        said = {"value": {"err": None, "unitsConsumed": told}}
        return rpc({"simulateTransaction": lambda _: said, "getRecentPrioritizationFees": lambda _: []})

    async def run() -> None:
        async with serving(node(units)) as (liar, _), serving(node(100_000)) as (honest, _):
            pool = open_pool([liar, honest], 1000.0, 1000)
            plan = crafted.order()
            steps = [crafted.cpmm(1, 1, WALLET, WALLET)]
            pricing = Pricing(pool, fee_cap=100_000)
            made = await assembled(plan, ANCHOR, steps, [], pricing, hint=0, left_s=lambda: 5.0)
            assert limit_of(100_000).to_bytes(4, "little") in made.message
            await pool.close()

    asyncio.run(run())


def test_a_fee_is_rounded_up() -> None:
    assert fee_of(200_000, 0) == 5_000
    assert fee_of(36_714, 50_000) == 6_836
    assert fee_of(1, 1) == 5_001


def test_a_limit_has_room() -> None:
    assert limit_of(100_000) == 116_000
    assert limit_of(1) == 1_002
    assert limit_of(1_399_999) == 1_400_000


def test_a_price_is_three_quarters_up_and_doubles() -> None:
    landed = [0, 0, 100, 200, 300, 400]
    assert price_of(landed, 0, 1, 200_000, 100_000) == 400
    assert price_of(landed, 1_000, 1, 200_000, 100_000) == 1_000
    assert price_of(landed, 1_000, 3, 200_000, 100_000) == 4_000
    assert price_of([], 0, 9, 200_000, 100_000) == 0


def test_an_order_that_was_accepted_under_a_smaller_fee_offers_no_more() -> None:
    pricing = Pricing(open_pool(["http://127.0.0.1:1"], 1000.0, 1000), fee_cap=100_000)
    for least, most in ((50_000, 50_000), (10**9, 100_000), (None, 100_000)):
        price = pricing.price([10**9], 0, replace(crafted.order(), fee_cap=least), 200_000)
        assert fee_of(200_000, price) == most


def estimated(landed: dict[str, Any], *tolls: Toll) -> tuple[list[int], int]:
    """The estimates, and how many requests they took. `landed`: what was paid, by the account written."""

    async def run() -> tuple[list[int], int]:
        node = rpc({"getRecentPrioritizationFees": lambda params: landed[params[0][0]]})
        async with serving(node) as (address, asked):
            pool = open_pool([address], 1000.0, 1000)
            try:
                return list(await FeeEstimate(pool, fee_cap=100_000).about(tolls, 2.0)), len(asked)
            finally:
                await pool.close()

    return asyncio.run(run())


def test_an_estimate_is_what_was_paid_for_the_accounts_that_a_swap_writes() -> None:
    paid = {
        "busy": [{"slot": 1, "prioritizationFee": 40_000}],
        "idle": [{"slot": 1, "prioritizationFee": 0}],
        "dear": [{"slot": 1, "prioritizationFee": 10**9}],
    }
    tolls = Toll(("busy",), 2), Toll(("idle",)), Toll(("idle",), 1, 10_000), Toll(("dear",))
    found, requests = estimated(paid, *tolls)
    # 250,000 units at 0.04 lamports; the signature alone; 155,000 at a venue's hint; the cap.
    assert found == [15_000, 5_000, 6_550, 100_000]
    assert requests == 1
    assert estimated(paid) == ([], 0)


@pytest.mark.parametrize("said", [None, {}, "0"])
def test_no_estimate_where_nobody_tells(said: Any) -> None:
    with pytest.raises(ChainUnavailable):
        estimated({"one": said}, Toll(("one",)))


@given(
    st.lists(st.integers(0, 10**9)), st.integers(0, 10**9), st.integers(1, 99), st.integers(1, 1_400_000),
    st.integers(0, 10**6),
)  # fmt: skip
def test_no_price_passes_the_cap(landed: list[int], hint: int, attempt: int, limit: int, cap: int) -> None:
    price = price_of(landed, hint, attempt, limit, cap)
    assert price >= 0
    assert fee_of(limit, price) <= max(cap, 5_000)


MEMOS = st.builds(
    Memo,
    st.uuids(),
    st.integers(1, 99_999),
    st.builds(Anchored, slot=st.integers(0, 10**12 - 1), height=st.integers(0, 10**12 - 1)),
)


@given(MEMOS)
def test_a_memo_is_read_as_it_was_written(memo: Memo) -> None:
    assert read_memo(memo.text()) == memo
    assert len(memo.text()) <= 60


@pytest.mark.parametrize(
    "text", [b"", b"oee1", b"oee2 AAAAAAAAAAAAAAAAAAAAAA 1 1 1", b"oee1 AAAAAAAAAAAAAAAAAAAAAA 01 1 1",
             b"oee1 AAAAAAAAAAAAAAAAAAAAAB 1 1 1", b"oee1 AAAAAAAAAAAAAAAAAAAAAA 1 1 1 ",
             "oee1 AAAAAAAAAAAAAAAAAAAAAA 1 ١ 1".encode()]
)  # fmt: skip
def test_what_is_no_memo_of_ours_is_none(text: bytes) -> None:
    assert read_memo(text) is None


def test_two_attempts_have_two_memos() -> None:
    at = Anchored(slot=2, height=1)
    assert Memo(UUID(int=1), 1, at).text() != Memo(UUID(int=1), 2, at).text()
