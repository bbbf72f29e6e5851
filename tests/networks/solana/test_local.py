"""The whole way against localnet: quote, build, guard, sign, send, look; judged by localnet's own file."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

import pytest

from oee_daemon.contract.terms import SwapMode
from oee_daemon.errors import AttemptFailed, ChainUnavailable, UnsafeSwap, VenueError, VenueRefused
from oee_daemon.networks.chain import Chain
from oee_daemon.networks.solana.guard.solana_guard import SolanaGuard
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_chain import SolanaChain, anchor_of
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.cpmm_venue import CpmmVenue
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.raydium_venue import RaydiumVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.venue import Plan, Venue
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.swap import Landed, Lapsed, Outcome, QuoteRequest, Rejected, SignedSwap, Unknown
from oee_daemon.orders.tokens import MAX_UNITS, TOKENS
from tests.networks.solana.local import SLOT_MS, Local, localnet

FEE_CAP = 200_000
AnyVenue: TypeAlias = RaydiumVenue | JupiterVenue | CpmmVenue
#: Of each test under faults; a long proof takes more.
ORDERS = max(6, int(os.environ.get("OEE_FUZZ_EXAMPLES", "0")) // 10)
#: Seconds.
DEADLINE_S = 5.0


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with localnet(tmp_path_factory.mktemp("localnet")) as found:
        yield found


@dataclass
class Trader:
    """What a worker does with an order, by hand."""

    local: Local
    pool: Pool
    chain: SolanaChain
    venues: dict[str, AnyVenue]
    guard: SolanaGuard
    cases: Cases
    slots: asyncio.Semaphore

    async def signed(self, venue: str, request: QuoteRequest, order: UUID, bps: int = 100) -> SignedSwap:
        quote = await self.venues[venue].quote(request, DEADLINE_S)
        exact_in = request.mode is SwapMode.EXACT_IN
        bound = (
            quote.amount_out * (10_000 - bps) // 10_000
            if exact_in
            else quote.amount_in * (10_000 + bps) // 10_000
        )
        plan = Plan(
            order_id=order, request=request, quote=quote, bound=bound, payer=self.local.wallet.address
        )
        anchor = await self.chain.anchor(DEADLINE_S)
        unsigned = await self.venues[venue].build(plan, anchor, DEADLINE_S)
        await self.guard.check(unsigned, plan)
        return self.local.wallet.sign(unsigned, order, request.attempt)

    async def outcome(self, swap: SignedSwap, *, send: bool = True) -> Outcome:
        """Looks, and sends the same bytes again, until it is known."""
        while True:
            if send:
                with suppress(ChainUnavailable):
                    await self.chain.submit(swap, DEADLINE_S)
            try:
                outcome = self.cases.judge(swap, await self.chain.look(swap, 0.1))
            except ChainUnavailable:
                continue
            if not isinstance(outcome, Unknown):
                return outcome

    async def bought(self, venue: str, request: QuoteRequest) -> Landed:
        """The order until it has landed, by as many attempts as it takes; ten are traded at once."""
        order, attempt = uuid4(), 1
        async with self.slots:
            while attempt < 20:
                try:
                    swap = await self.signed(venue, replace(request, attempt=attempt), order)
                except UnsafeSwap:
                    # What a venue builds in good faith is never refused.
                    raise
                except (AttemptFailed, ChainUnavailable):
                    continue
                attempt += 1
                outcome = await self.outcome(swap)
                if isinstance(outcome, Landed):
                    assert outcome.fill.order_id == order
                    return outcome
        raise AssertionError("it never landed")


@asynccontextmanager
async def trading(local: Local, *nodes: str) -> AsyncIterator[Trader]:
    pool = open_pool([f"{local.address}/{node}" for node in nodes or ("",)], 1000.0, 1000)
    raydium = Api("raydium", Site(f"{local.address}/raydium"), Bucket(1000.0, 1000))
    jupiter = Api("jupiter", Site(f"{local.address}/jupiter"), Bucket(1000.0, 1000))
    wallet = local.wallet.address
    chain = SolanaChain(pool, wallet=wallet, genesis=local.genesis, fastest_slot_ms=SLOT_MS / 2, poll_s=0.03)
    pricing = Pricing(pool, fee_cap=FEE_CAP)
    venues: dict[str, AnyVenue] = {"raydium": RaydiumVenue(raydium, pricing)}
    venues["cpmm"] = CpmmVenue(pool, pricing)
    for name in ("meteora", "orca", "jupiter"):
        venues[name] = JupiterVenue(name, jupiter, pricing, wallet)
    try:
        yield Trader(
            local,
            pool,
            chain,
            venues,
            SolanaGuard(pool, fee_cap=FEE_CAP),
            Cases(chain.nodes),
            asyncio.Semaphore(10),
        )
    finally:
        for closing in (pool, raydium, jupiter):
            await closing.close()


def request_of(given: str, taken: str, amount: int, mode: SwapMode = SwapMode.EXACT_IN) -> QuoteRequest:
    return QuoteRequest(
        input_token=TOKENS[given], output_token=TOKENS[taken], amount=amount, mode=mode, number=1, attempt=1
    )


IN_AND_OUT = [
    ("raydium", "SOL", "USDC", 10**8, SwapMode.EXACT_IN),
    ("raydium", "USDC", "SOL", 10**7, SwapMode.EXACT_IN),
    ("raydium", "USDC", "BONK", 10**7, SwapMode.EXACT_IN),
    ("raydium", "SOL", "USDC", 10**7, SwapMode.EXACT_OUT),
    ("raydium", "USDC", "SOL", 10**8, SwapMode.EXACT_OUT),
    ("cpmm", "SOL", "USDC", 10**8, SwapMode.EXACT_IN),
    ("cpmm", "USDC", "SOL", 10**7, SwapMode.EXACT_IN),
    ("cpmm", "BONK", "USDC", 10**8, SwapMode.EXACT_IN),
    ("cpmm", "SOL", "USDC", 10**7, SwapMode.EXACT_OUT),
    ("cpmm", "USDC", "SOL", 10**8, SwapMode.EXACT_OUT),
    ("meteora", "SOL", "USDC", 10**8, SwapMode.EXACT_IN),
    ("meteora", "BONK", "USDC", 10**7, SwapMode.EXACT_IN),
    ("orca", "USDC", "SOL", 10**7, SwapMode.EXACT_IN),
    ("jupiter", "SOL", "BONK", 10**8, SwapMode.EXACT_IN),
]


@pytest.mark.parametrize(("venue", "given", "taken", "amount", "mode"), IN_AND_OUT)
def test_an_order_lands_to_the_unit(
    local: Local, venue: str, given: str, taken: str, amount: int, mode: SwapMode
) -> None:
    async def run() -> None:
        async with trading(local) as trader:
            request = request_of(given, taken, amount, mode)
            swap = await trader.signed(venue, request, order := uuid4())
            outcome = await trader.outcome(swap)
            assert isinstance(outcome, Landed), outcome
            fill = outcome.fill
            exact = fill.amount_in if mode is SwapMode.EXACT_IN else fill.amount_out
            assert (exact, fill.input_mint, fill.output_mint) == (
                amount, TOKENS[given].mint, TOKENS[taken].mint,
            )  # fmt: skip
            assert (fill.order_id, fill.signature) == (order, swap.signature)
            assert await trader.chain.fill(swap.signature) == fill
            page = await trader.chain.fills(limit=5)
            assert page.fills[0] == fill and page.height > 0
            assert (swap.signature, None) in local.landed()

    asyncio.run(run())


@pytest.mark.parametrize("mode", SwapMode)
@pytest.mark.parametrize("pair", [("SOL", "USDC"), ("USDC", "BONK"), ("JUP", "SOL")])
def test_a_pool_read_from_the_chain_quotes_what_its_api_quotes(
    local: Local, pair: tuple[str, str], mode: SwapMode
) -> None:
    async def run() -> None:
        async with trading(local) as trader:
            for amount in (1_000, 123_457, 10**7, 10**8 + 1):
                request = request_of(*pair, amount, mode)
                quotes = [
                    await trader.venues[name].quote(request, DEADLINE_S) for name in ("cpmm", "raydium")
                ]
                assert len({(quote.amount_in, quote.amount_out) for quote in quotes}) == 1, quotes

    asyncio.run(run())


def test_a_pool_swaps_to_the_unit_that_it_quotes(local: Local) -> None:
    """With no slippage at all, while nobody else trades."""

    async def run() -> None:
        async with trading(local) as trader:
            for mode, amount in ((SwapMode.EXACT_IN, 10**7), (SwapMode.EXACT_OUT, 10**6)):
                swap = await trader.signed("cpmm", request_of("SOL", "USDC", amount, mode), uuid4(), bps=0)
                assert isinstance(await trader.outcome(swap), Landed)

    asyncio.run(run())


def test_what_a_venue_has_not_is_refused(local: Local) -> None:
    async def run() -> None:
        async with trading(local) as trader:
            for name in ("meteora", "orca", "jupiter"):
                with pytest.raises(VenueRefused) as caught:
                    await trader.venues[name].quote(
                        request_of("SOL", "USDC", 10, SwapMode.EXACT_OUT), DEADLINE_S
                    )
                assert caught.value.code == "exact_out_unsupported"
            for venue in trader.venues.values():
                with pytest.raises(VenueRefused):
                    await venue.quote(request_of("SOL", "USDC", 1), DEADLINE_S)
            with pytest.raises(VenueRefused):
                await trader.venues["cpmm"].quote(
                    request_of("SOL", "USDC", MAX_UNITS, SwapMode.EXACT_OUT), DEADLINE_S
                )

    asyncio.run(run())


def test_a_swap_that_fails_on_the_chain_is_rejected_by_its_name(local: Local) -> None:
    """Its price was good when it was signed, and is not when it lands."""

    async def run() -> None:
        async with trading(local) as trader:
            order = uuid4()
            swap = await trader.signed("raydium", request_of("SOL", "USDC", 10**8), order, bps=0)
            await trader.bought("raydium", request_of("SOL", "USDC", 10**9))
            outcome = await trader.outcome(swap)
            assert isinstance(outcome, Rejected), outcome
            assert (outcome.code, outcome.retryable) == ("slippage_exceeded", True)
            assert await trader.chain.fill(swap.signature) is None
            assert all(fill.order_id != order for fill in (await trader.chain.fills(limit=50)).fills)

    asyncio.run(run())


def test_what_is_never_sent_lapses_and_then_never_lands(local: Local) -> None:
    async def run() -> None:
        async with trading(local) as trader:
            swap = await trader.signed("raydium", request_of("SOL", "USDC", 10**7), uuid4())
            assert await trader.outcome(swap, send=False) == Lapsed()
            await trader.chain.submit(swap, DEADLINE_S)
            assert await trader.outcome(swap) == Lapsed()
            assert swap.signature not in dict(local.landed())

    asyncio.run(run())


def test_a_node_of_another_chain_says_nothing(local: Local) -> None:
    async def run() -> None:
        async with trading(local) as trader:
            other = SolanaChain(trader.pool, wallet=local.wallet.address, genesis="another")
            swap = await trader.signed("raydium", request_of("SOL", "USDC", 10**7), uuid4())
            with pytest.raises(ChainUnavailable):
                await other.identity()
            with pytest.raises(ChainUnavailable):
                await other.anchor(DEADLINE_S)
            with pytest.raises(ChainUnavailable):
                await other.fills(limit=5)
            await trader.outcome(swap)
            assert await other.look(swap) == []

    asyncio.run(run())


#: Nodes as two operators may have them, and what goes wrong while they are asked.
WEATHER = {
    "a laggard": (
        [{"name": "behind", "lag": 60}],
        ["", "node/behind"],
    ),
    "slots for heights, and no history": (
        [{"name": "liar", "height_is_slot": 1}, {"name": "none", "history": "none"}],
        ["", "node/liar", "node/none"],
    ),
    "a balancer without batches": (
        [{"name": "late", "lag": 40}, {"name": "lb", "members": "main,late", "batches": 0}],
        ["node/lb", ""],
    ),
}
FAULTS = [
    {"target": "send", "kind": "drop", "percent": 20},
    {"target": "send", "kind": "cut", "landed": 1, "percent": 15},
    {"target": "send", "kind": "429", "percent": 10},
    {"target": "fate", "kind": "never", "percent": 15},
    {"target": "fate", "kind": "late", "blocks": 1, "percent": 20},
    {"target": "read", "kind": "503", "percent": 5},
    {"target": "read", "kind": "null", "percent": 5},
    {"target": "read", "kind": "html", "percent": 3},
]


@pytest.mark.parametrize(("nodes", "asked"), WEATHER.values(), ids=WEATHER)
def test_under_faults_no_order_is_doubled_or_lost(
    tmp_path: Path, nodes: list[dict[str, object]], asked: list[str]
) -> None:
    orders = ORDERS
    with localnet(tmp_path, "--slippage", "5") as local:
        for node in nodes:
            local.order("nodes", **node)
        for fault in FAULTS:
            local.order("faults", **fault)

        async def run() -> list[Landed]:
            async with trading(local, *asked) as trader:
                request = request_of("SOL", "USDC", 10**6)
                return await asyncio.gather(*(trader.bought("raydium", request) for _ in range(orders)))

        landed = asyncio.run(run())
        good = Counter(signature for signature, err in local.landed() if err is None)
        assert sorted(one.fill.signature for one in landed) == sorted(good)
        assert len({one.fill.order_id for one in landed}) == orders
        assert sum(good.values()) == orders


def test_a_venue_that_lies_or_is_broken_is_no_price(tmp_path: Path) -> None:
    kinds = ["empty", "huge", "wrong_mint", "html", "cut", "503", "429"]
    with localnet(tmp_path) as local:
        for kind in kinds:
            for target in ("raydium", "jupiter"):
                local.order("faults", target=target, kind=kind, remaining=1)

        async def run() -> None:
            async with trading(local) as trader:
                for venue in ("raydium", "meteora"):
                    for _ in kinds:
                        with pytest.raises(VenueError) as caught:
                            await trader.venues[venue].quote(request_of("SOL", "USDC", 10**7), DEADLINE_S)
                        assert caught.value.retryable
                        json.dumps(caught.value.as_dict())

        asyncio.run(run())


def test_an_anchor_whose_height_is_a_slot_is_refused(tmp_path: Path) -> None:
    """By its own blockhash, which another node of the same endpoint gave."""

    async def run(local: Local) -> None:
        async with trading(local) as trader:
            found = await trader.chain.anchor(DEADLINE_S)
            results = [local.genesis, {"value": {"blockhash": found.blockhash, "lastValidBlockHeight": 588}}]
            epoch = {"absoluteSlot": 460, "blockHeight": 438}
            assert anchor_of([*results, epoch], local.genesis).height == 438
            with pytest.raises(NoAnswer):
                anchor_of([*results, epoch | {"blockHeight": 588}], local.genesis)

    with localnet(tmp_path) as local:
        asyncio.run(run(local))


def test_a_node_that_gives_slots_for_heights_is_no_anchor(tmp_path: Path) -> None:
    """Its blockhash agrees with itself; what is signed on it is proven dead millions of blocks later."""

    async def run(local: Local) -> None:
        async with trading(local, "node/liar") as trader:
            with pytest.raises(ChainUnavailable):
                await trader.chain.anchor(DEADLINE_S)
        async with trading(local, "node/liar", "") as trader:
            found = await trader.chain.anchor(DEADLINE_S)
            assert found.height < found.slot

    with localnet(tmp_path) as local:
        local.order("nodes", name="liar", height_is_slot=1)
        asyncio.run(run(local))


def fits(chain: SolanaChain, venues: list[AnyVenue]) -> tuple[Chain, list[Venue]]:
    """By types alone: mypy reads it, nobody calls it."""
    return chain, [*venues]
