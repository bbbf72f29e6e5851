"""The drill's own market, which shares no code with the one that it judges: both say the same."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oee_cli.drill.drill_market import TOKENS as JUDGED
from oee_cli.drill.drill_market import VENUES, Ask, Market, Shift, path_of
from oee_daemon.contract.order_types import Side, SwapMode
from oee_daemon.networks.prices import Watched, price_of, probe
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_path import Moved, key_of
from oee_daemon.orders.swap import QuoteRequest
from oee_daemon.orders.tokens import TOKENS

PAIRS = [("SOL", "USDC"), ("JUP", "USDT"), ("JTO", "SOL"), ("SOL", "JUP")]


def theirs(seed: int, request: QuoteRequest, slot: int, volatility: int, shift: dict[str, int]) -> Decimal:
    quotes = []
    for pool in simulated_market.POOLS:
        at = Moved(slot, volatility, shift.get(pool.venue, 0) + shift.get("market", 0))
        quotes.append(simulated_market.quote(seed, pool, request, at))
    out = request.mode is SwapMode.EXACT_OUT
    best = min(quotes, key=lambda q: q.amount_in if out else -q.amount_out)
    side = Side.BUY if out else Side.SELL
    base, quote = (
        (request.output_token, request.input_token) if out else (request.input_token, request.output_token)
    )
    return price_of(best, side, base, quote)


@given(
    seed=st.integers(0, 2**62),
    pair=st.sampled_from(PAIRS),
    slot=st.integers(0, 6000),
    volatility=st.integers(0, 100),
    venue=st.sampled_from(["market", *VENUES]),
    bps=st.integers(-900, 900),
)
def test_it_reckons_the_prices_that_the_engine_is_told(
    seed: int, pair: tuple[str, str], slot: int, volatility: int, venue: str, bps: int
) -> None:
    base, quote = pair
    market = Market(seed, volatility, begun={path_of(base, quote): 7})
    shift = {venue: bps}
    watched = Watched("", TOKENS[base], TOKENS[quote])
    for side, found in zip((Side.SELL, Side.BUY), market.prices(base, quote, slot + 7, shift), strict=True):
        asked = probe(watched, side, simulated_market.usd(TOKENS[base]))
        assert abs(Fraction(theirs(seed, asked, slot, volatility, shift)) / found - 1) < Fraction(1, 10**16)
        own = Ask(asked.input_token.symbol, asked.output_token.symbol, asked.amount, side is Side.BUY)
        assert market.price(own, base, slot + 7, shift) == found


def test_its_tables_are_the_markets() -> None:
    for symbol, (worth, mint, decimals, stable) in JUDGED.items():
        token = TOKENS[symbol]
        assert (token.mint, token.decimals, token.stable) == (mint, decimals, stable)
        assert simulated_market.usd(token) == worth
    assert path_of("JTO", "SOL") == key_of(TOKENS["JTO"], TOKENS["SOL"])
    pools = {p.venue: (p.fee_bps, p.depth_usd, p.lean) for p in simulated_market.POOLS}
    assert pools == dict(VENUES)


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ((0, 50), [{}]),
        ((95, 105), [{}, {"market": 300}]),
        ((150, 160), [{"market": 300}]),
        ((350, 360), [{"market": 300}, {"market": 300, "raydium": 9}]),
        ((700, 800), [{}]),
        # Written by a slow disk: whoever looked meanwhile may have missed it.
        ((1100, 1110), [{}, {"meteora": 7}]),
        ((1250, 1260), [{"meteora": 7}]),
    ],
)
def test_what_a_look_may_have_found(at: tuple[int, int], found: list[dict[str, int]]) -> None:
    shifts = [
        Shift("market", 300, 100, 500, (100, 500)),
        Shift("raydium", 9, 355, 600, (355, 600)),
        Shift("meteora", 7, 1000, 1400, (1200, 1300)),
    ]
    assert Market(0, 12, shifts=shifts).moved(*at) == found
