"""The whole way against localnet: quote, build, guard, sign, send, look; judged by localnet's own file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import ChainUnavailable, VenueRefused
from oee_daemon.networks.chain import Chain
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.venue import Venue
from oee_daemon.orders.swap import Landed, Lapsed, Rejected
from oee_daemon.orders.tokens import MAX_UNITS, TOKENS
from tests.networks.solana.local import Local, localnet
from tests.networks.solana.trader import DEADLINE_S, AnyVenue, request_of, trading

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
    ("orca", "SOL", "USDC", 10**7, SwapMode.EXACT_OUT),
    ("orca", "USDC", "SOL", 10**8, SwapMode.EXACT_OUT),
    ("jupiter", "USDC", "BONK", 10**7, SwapMode.EXACT_OUT),
]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with localnet(tmp_path_factory.mktemp("localnet")) as found:
        yield found


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
            with pytest.raises(VenueRefused) as caught:
                await trader.venues["meteora"].quote(
                    request_of("SOL", "USDC", 10, SwapMode.EXACT_OUT), DEADLINE_S
                )
            assert caught.value.code == "exact_out_unsupported"
            for venue in trader.venues.values():
                with pytest.raises(VenueRefused):
                    await venue.quote(request_of("SOL", "USDC", 1), DEADLINE_S)
            for name in ("cpmm", "orca", "jupiter"):
                with pytest.raises(VenueRefused):
                    await trader.venues[name].quote(
                        request_of("SOL", "USDC", MAX_UNITS, SwapMode.EXACT_OUT), DEADLINE_S
                    )

    asyncio.run(run())


@pytest.mark.parametrize(
    ("venue", "amount", "mode"),
    [("raydium", 10**8, SwapMode.EXACT_IN), ("orca", 10**7, SwapMode.EXACT_OUT)],
)
def test_a_swap_that_fails_on_the_chain_is_rejected_by_its_name(
    local: Local, venue: str, amount: int, mode: SwapMode
) -> None:
    """Its price was good when it was signed, and is not when it lands."""

    async def run() -> None:
        async with trading(local) as trader:
            order = uuid4()
            swap = await trader.signed(venue, request_of("SOL", "USDC", amount, mode), order, bps=0)
            await trader.bought(venue, request_of("SOL", "USDC", 10**9))
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


def fits(chain: SolanaChain, venues: list[AnyVenue]) -> tuple[Chain, list[Venue]]:
    """By types alone: mypy reads it, nobody calls it."""
    return chain, [*venues]
