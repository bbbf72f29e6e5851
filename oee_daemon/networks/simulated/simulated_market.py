"""The simulated market: prices as pure functions of seed, pair, mode, amount, order number and attempt.

Integers and fractions only, so that the same question has the same answer on every machine. Each venue is
a constant-product pool of a stated depth around its own mid price; the mids of two venues stand 2 to 5 %
apart around a reference price. Between an order's attempts prices drift a little, as markets do. A pair that
somebody watches moves along its path instead, and is one market for all who ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.ranking import BPS
from oee_daemon.errors import VenueRefused
from oee_daemon.networks.simulated.simulated_path import Moved, factor, is_turned, key_of
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import MAX_UNITS, Token

#: US dollars for one whole token; the reference prices of the simulated market.
REFERENCE_USD: Mapping[str, Fraction] = MappingProxyType({
    "SOL": Fraction("142.5"), "USDC": Fraction(1), "USDT": Fraction("0.9996"), "JUP": Fraction("0.8775"),
    "BONK": Fraction("0.00002344"), "RAY": Fraction("2.318"), "WIF": Fraction("0.9142"),
    "PYTH": Fraction("0.3327"), "JTO": Fraction("2.105"), "mSOL": Fraction("181.3"),
    "JitoSOL": Fraction("172.6"), "ORCA": Fraction("2.044"), "MET": Fraction("0.5218"),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pool:
    """A venue's pools. `depth_usd`: the worth of each side; `lean`: on which side of the reference."""

    venue: str
    fee_bps: int
    depth_usd: int
    lean: int


RAYDIUM = Pool("raydium", fee_bps=25, depth_usd=4_000_000, lean=1)
METEORA = Pool("meteora", fee_bps=20, depth_usd=2_500_000, lean=-1)
POOLS: tuple[Pool, ...] = (RAYDIUM, METEORA)

#: How far apart the venues' mid prices stand, bps. Inside 2 to 5 % even after fees and impact.
APART_BPS = (210, 490)
#: The most that the reference moves between two attempts of one order, bps either way.
DRIFT_BPS = 10
#: Slots for which a venue of a watched pair stays the better one.
MINUTE = 150


def _draw(*parts: object) -> int:
    """64 bits that depend on every part and on nothing else."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _draw_between(low: int, high: int, *parts: object) -> int:
    return low + _draw(*parts) % (high - low + 1)


def usd(token: Token) -> Fraction:
    """US dollars for one whole token; drawn by its mint where there is no reference price."""
    known = REFERENCE_USD.get(token.symbol)
    return _usd_of(token.mint) if known is None else known


@lru_cache(maxsize=1024)
def _usd_of(mint: str) -> Fraction:
    return Fraction(_draw_between(1, 10**6, "usd", mint), 1000)


def mid_price(seed: int, pool: Pool, ask: QuoteRequest) -> Fraction:
    """Whole output tokens for one whole input token, before fee and impact, of a pair that nobody watches."""
    given, taken = ask.input_token, ask.output_token
    drift, apart, upper = _draw_market(
        seed, given.symbol, taken.symbol, ask.mode, ask.amount, ask.number, attempt=ask.attempt
    )
    one, other = usd(given), usd(taken)
    # low * (1 + apart) = high, with the reference in the middle of the two. One fraction, made once: each
    # that is made on the way costs as much as all the rest of a quote.
    above = one.numerator * other.denominator * (BPS + drift) * 2
    below = one.denominator * other.numerator * (2 * BPS + apart)
    if pool.lean == upper:
        return Fraction(above * (BPS + apart), below * BPS)
    return Fraction(above, below)


@lru_cache(maxsize=64)
def _draw_market(*about: object, attempt: int) -> tuple[int, int, int]:
    """How far the price has drifted, how far the venues stand apart, and on which side the better one does:
    all venues are asked for the same."""
    drift = _draw_between(-DRIFT_BPS, DRIFT_BPS, "drift", *about, attempt)
    return drift, _draw_between(*APART_BPS, "apart", *about), 1 if _draw("upper", *about) % 2 else -1


def _moved_price(seed: int, pool: Pool, ask: QuoteRequest, at: Moved) -> tuple[int, int]:
    """Above and below the line, not in lowest terms: this is asked four times a pair and slot.

    The same for every amount, order and attempt, and for both ways of counting: what is watched is what
    is traded. Which venue is the better one changes each minute."""
    given, taken = ask.input_token, ask.output_token
    key, turned, above, below = _way(given, taken)
    apart, upper = _draw_watched(seed, key, given.mint, taken.mint, at.slots // MINUTE)
    moved = factor(seed, key, at)
    below *= 2 * BPS + apart
    if turned:
        above, below = above * moved.denominator, below * moved.numerator
    else:
        above, below = above * moved.numerator, below * moved.denominator
    return (above * (BPS + apart), below * BPS) if pool.lean == upper else (above, below)


@lru_cache(maxsize=1024)
def _way(given: Token, taken: Token) -> tuple[str, bool, int, int]:
    """The path of a pair, whether it is gone the other way round, and the reference price, above and below
    the line, but for how far the venues stand apart."""
    one, other = usd(given), usd(taken)
    above, below = one.numerator * other.denominator * 2 * BPS, one.denominator * other.numerator
    return key_of(given, taken), is_turned(given, taken), above, below


@lru_cache(maxsize=1024)
def _draw_watched(seed: int, key: str, given: str, taken: str, minute: int) -> tuple[int, int]:
    """How far the venues of a watched pair stand apart, and on which side the better one does."""
    return _draw_between(*APART_BPS, "apart", seed, key), 1 if _draw(
        "upper", seed, given, taken, minute
    ) % 2 else -1


def quote(seed: int, pool: Pool, ask: QuoteRequest, at: Moved | None = None) -> Quote:
    """The pool's answer. Raises `VenueRefused` where it can't fill the amount, or nothing would come."""
    if at is not None:
        return _swap(pool, ask, *_moved_price(seed, pool, ask, at))
    return swap(pool, ask, mid_price(seed, pool, ask))


def swap(pool: Pool, ask: QuoteRequest, mid: Fraction) -> Quote:
    """The same of a pool whose mid price is known, in whole output tokens for one of the input."""
    return _swap(pool, ask, mid.numerator, mid.denominator)


def _swap(pool: Pool, ask: QuoteRequest, above: int, below: int) -> Quote:
    unit_in, unit_out = 10**ask.input_token.decimals, 10**ask.output_token.decimals
    worth = usd(ask.input_token)
    reserve_in = pool.depth_usd * unit_in * worth.denominator // worth.numerator
    reserve_out = reserve_in * above * unit_out // (unit_in * below)
    if ask.mode is SwapMode.EXACT_IN:
        amount_in = ask.amount
        fee = _ceil(amount_in * pool.fee_bps, BPS)
        net = amount_in - fee
        amount_out = reserve_out * net // (reserve_in + net)
        if amount_out <= 0:
            raise _too_small(pool, ask.output_token)
    else:
        amount_out = ask.amount
        if amount_out >= reserve_out:
            raise _too_much(pool, ask.output_token)
        net = _ceil(reserve_in * amount_out, reserve_out - amount_out)
        amount_in = _ceil(net * BPS, BPS - pool.fee_bps)
        fee = amount_in - net
        if amount_in > MAX_UNITS:
            raise _too_much(pool, ask.output_token)
    return Quote(
        venue=pool.venue,
        amount_in=amount_in,
        amount_out=amount_out,
        fee=fee,
        price_impact_bps=_ceil(net * BPS, reserve_in + net),
    )


def moves_away(seed: int, number: int, attempt: int, rate: Decimal) -> bool:
    """Whether the price leaves the slippage limit between quote and fill in this attempt."""
    return _draw("failure", seed, number, attempt) < rate * 2**64


def _too_small(pool: Pool, token: Token) -> VenueRefused:
    message = f"{pool.venue} would give less than the smallest unit of {token.symbol}."
    return VenueRefused(message, code="amount_too_small")


def _too_much(pool: Pool, token: Token) -> VenueRefused:
    message = f"{pool.venue} does not hold that much {token.symbol}."
    return VenueRefused(message, code="insufficient_liquidity")


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
