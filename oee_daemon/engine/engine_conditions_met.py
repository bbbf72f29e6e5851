"""Which of the orders that a marginal price has reached may fire: a limit by the firm price of its own size,
a stop by the marginal price that held over two slots.

Nothing here reads or writes Postgres, and what is confirmed is known in memory alone: a new leader begins
anew, which costs at most the time for which a price has to hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from oee_daemon.contract.decimals import decimal_text
from oee_daemon.contract.order_types import OrderType, Side, SwapMode
from oee_daemon.engine import engine_quotes
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.prices import Price, price_of
from oee_daemon.orders import conditions
from oee_daemon.orders.conditions import FALLING, Rule, is_unbound
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Quote
from oee_daemon.orders.tokens import MAX_UNITS

#: How far a price may be from the last one before a second look has to show it too.
JUMP = Decimal("0.1")
#: A bid so far above the ask contradicts itself.
CROSSED = Decimal("1.02")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that the marginal price has reached: as it is armed."""

    order: Order
    rule: Rule
    armed: Decimal

    @property
    def is_limit(self) -> bool:
        return self.rule in (Rule.BUY_LIMIT, Rule.SELL_LIMIT)


class Held:
    """For how long each stop's condition has held."""

    def __init__(self) -> None:
        #: By order, with its fence since an edited one begins anew: the first slot and the time, seconds, of
        #: a clock that only goes on.
        self._since: dict[tuple[UUID, int], tuple[int, float]] = {}

    def keep(self, still: Sequence[Order]) -> None:
        """Whatever is not met any more begins anew."""
        known = {(order.id, order.fence) for order in still}
        self._since = {name: since for name, since in self._since.items() if name in known}

    def drop(self, order: Order) -> None:
        """It begins anew."""
        self._since.pop((order.id, order.fence), None)

    def ms(self, order: Order, slot: int, now_s: float) -> int | None:
        """For how many milliseconds its condition has held; none where that is not long enough."""
        name = order.id, order.fence
        first_slot, first_s = self._since.get(name, (slot, now_s))
        if slot < first_slot:
            # Who shows it is behind: what was before says nothing of what came after.
            first_slot, first_s = slot, now_s
        self._since[name] = first_slot, first_s
        wanted = order.confirm_ms or 0
        held = round((now_s - first_s) * 1000)
        if wanted and (held < wanted or slot == first_slot):
            return None
        return held


def believable(price: Price, last: Price | None, ordered: bool) -> bool:
    """Whether a price may fire anything; one that jumped is believed once another slot shows it again."""
    if price.bid <= 0 or price.ask <= 0 or (ordered and price.bid > price.ask * CROSSED):
        return False
    return last is None or all(
        abs(new - old) <= old * JUMP for new, old in ((price.bid, last.bid), (price.ask, last.ask))
    )


def is_met(order: Order, quote: Quote) -> bool:
    """Whether a firm quote for the order's own size keeps the price that it waits for."""
    return order.bound is not None and engine_quotes.keeps(quote, order.swap_mode, order.bound)


def learned(candidate: Candidate, quote: Quote, price: Price, tokens: TokenBook) -> Decimal:
    """The marginal price at which the order would be met at today's cost of its size: always beyond the
    marginal price of now, or it would be asked about at every tick."""
    order = candidate.order
    buy = order.side is Side.BUY
    base, against = pair_tokens(order, tokens)
    marginal = price.ask if buy else price.bid
    cost = price_of(quote, order.side, base, against)
    wanted = order.limit_price if order.latched else order.target_price
    assert wanted is not None
    found = wanted * marginal / cost
    return min(found, marginal * _LESS) if buy else max(found, marginal * _MORE)


_LESS, _MORE = Decimal("0.99999"), Decimal("1.00001")


def pair_tokens(order: Order, tokens: TokenBook) -> tuple[Any, Any]:
    """The tokens of the order's pair, base and quote."""
    base, quote = (tokens.by_mint(mint) for mint in order.pair.split("/"))
    return base, quote


def fixed_at(candidate: Candidate, tokens: TokenBook) -> tuple[Decimal | None, int | None, int | None]:
    """What a trailing stop's firing fixes: its limit, and with it the least to receive or the most to spend;
    nothing of an order that has a bound."""
    order = candidate.order
    if order.bound is not None:
        return None, None, None
    worst = conditions.past(candidate.armed, order.side)
    base, quote = pair_tokens(order, tokens)
    units = conditions.bound_at(worst, order.side, order.swap_mode, order.amount, base, quote)
    # More than there can be keeps this one from being filled; stored it would keep all others from firing.
    units = min(units, MAX_UNITS)
    exact_in = order.swap_mode is SwapMode.EXACT_IN
    return worst, units if exact_in else None, None if exact_in else units


def trigger(
    candidate: Candidate, price: Price, source: str, *, held_ms: int | None, fence: int
) -> Mapping[str, Any]:
    """What event `pending` says of why it fired and by whose lead, but for how often."""
    falls = candidate.rule in FALLING
    of_ask = candidate.order.side is Side.BUY
    return {
        "rule": "at_or_below" if falls else "at_or_above",
        "basis": "executable" if candidate.is_limit else "marginal",
        "target": decimal_text(price.ask if of_ask else price.bid)
        if is_unbound(wanted(candidate))
        else decimal_text(wanted(candidate)),
        "bid": decimal_text(price.bid),
        "ask": decimal_text(price.ask),
        "venue": price.ask_venue if of_ask else price.bid_venue,
        "source": source,
        "slot": price.slot,
        "age_ms": round(price.age_s * 1000),
        "held_ms": held_ms,
        "fence": fence,
    }


def wanted(candidate: Candidate) -> Decimal:
    """The price that it waits for, whatever was learned: a trailing stop's is where it stands."""
    order = candidate.order
    wanted = order.limit_price if order.latched else order.target_price
    return candidate.armed if wanted is None or order.type is OrderType.MARKET else wanted
