"""Where the marginal prices come from that waiting orders are compared with: one source for all pairs.

A source is asked for every pair at once, however many orders wait. It says how old each price is, never how
fresh it looks. Its coroutines run on the loop of everybody's orders: none may block it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Protocol

from oee_daemon.contract.order_types import Side, SwapMode
from oee_daemon.contract.ranking import standing
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import MAX_UNITS, Token

#: US dollars that a probe for the marginal price is worth: little, so that it moves nothing.
PROBE_USD = 10
_DOWN, _UP = (Context(prec=18, rounding=way) for way in (ROUND_FLOOR, ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class Watched:
    """A pair that somebody waits on. `name` is `BASE/QUOTE` by mints."""

    name: str
    base: Token
    quote: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The best of a pair's venues for a small amount, quote per base in whole tokens, net of everything.

    `bid`: selling base; `ask`: buying it. `slot` grows with the market's own time; two prices of one slot are
    one observation. `age_s`: seconds since it was so, when it was answered.
    """

    bid: Decimal
    ask: Decimal
    slot: int
    age_s: float
    bid_venue: str
    ask_venue: str


class PriceSource(Protocol):
    @property
    def name(self) -> str: ...

    #: Seconds between two looks at its quickest, and after which a price is too old to fire anything.
    cadence_s: float
    max_age_s: float
    #: Whether a bid far above the ask contradicts itself; where venues stand apart it does not.
    must_be_ordered: bool
    #: Whether what `prices` says is an estimate: then nothing fires by it alone, but by a firm price.
    estimates: bool
    #: Orders of one pair and rule that are asked a firm price for at a tick.
    most_firm: int

    async def prices(self, pairs: Sequence[Watched]) -> Mapping[str, Price]:
        """The prices of pairs, by name; one that no venue answers for is missing. Never raises."""
        ...

    async def firm(self, request: QuoteRequest, may: Callable[[Quote], bool] | None = None) -> Quote | None:
        """The best quote for that amount now, of those that one `may` take; none where no venue has one.
        Never raises."""
        ...

    async def probed(self, pair: Watched, side: Side) -> Quote | None:
        """The best quote for a little of the pair now, for whoever is about to fire. Never raises."""
        ...


def best_of(
    quotes: Sequence[Quote], mode: SwapMode, may: Callable[[Quote], bool] | None = None
) -> Quote | None:
    """The best of those that one `may` take, as orders rank them."""
    allowed = [quote for quote in quotes if may is None or may(quote)]
    return min(allowed, key=lambda q: standing(mode, q.venue, q.amount_in, q.amount_out), default=None)


def price_of(quote: Quote, side: Side, base: Token, against: Token) -> Decimal:
    """Quote per base of a quote, to 18 digits, rounded to the trader's disadvantage."""
    units_base, units_quote = (
        (quote.amount_out, quote.amount_in) if side is Side.BUY else (quote.amount_in, quote.amount_out)
    )
    return _divide_prices(units_quote * 10**base.decimals, units_base * 10**against.decimals, side)


def rounded(exact: Fraction, side: Side) -> Decimal:
    """To 18 digits, to the trader's disadvantage."""
    return _divide_prices(exact.numerator, exact.denominator, side)


def _divide_prices(one: int, other: int, side: Side) -> Decimal:
    way = _UP if side is Side.BUY else _DOWN
    return way.divide(Decimal(one), Decimal(other))


def probe(pair: Watched, side: Side, usd_of_base: Fraction) -> QuoteRequest:
    """What is asked to know the marginal price: a little base, sold or bought."""
    worth = PROBE_USD * 10**pair.base.decimals * usd_of_base.denominator // usd_of_base.numerator
    units = min(MAX_UNITS, max(1, worth))
    given, taken = (pair.base, pair.quote) if side is Side.SELL else (pair.quote, pair.base)
    mode = SwapMode.EXACT_IN if side is Side.SELL else SwapMode.EXACT_OUT
    return QuoteRequest(input_token=given, output_token=taken, amount=units, mode=mode)
