"""The limits that a user sets for all orders, checked where an order is accepted.

What an order counts is its input at its worst: what it spends exactly, or the most that it may spend. Under a
limit in US dollars an order that says no such bound gets one here, so that what is reserved is what the chain
enforces. USDC and USDT count 1; any other input is valued by one quote against USDC, and refused where there
is none: a limit that can't be computed is over.

Where no limit is set, nothing is asked and nothing is locked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

from sqlalchemy import Engine

from oee_daemon.contract.order_types import OrderType, Side, SwapMode
from oee_daemon.contract.ranking import BPS
from oee_daemon.engine import engine_quotes
from oee_daemon.engine.engine_earlier_spending import EarlierSpending
from oee_daemon.errors import AttemptFailed, InvalidInput, NoReferencePrice, OverLimit
from oee_daemon.networks.network import Network
from oee_daemon.orders.conditions import TIMED, past, trailed
from oee_daemon.orders.order import BY_LIMITS
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.terms import Terms
from oee_daemon.orders.tokens import MAX_UNITS
from oee_daemon.settings import Settings
from oee_daemon.store import spending_sql
from oee_daemon.store.spending_sql import Bucket, NoRoom, Reserving, Use

T = TypeVar("T")

#: Decimals of what is counted: millionths of a US dollar.
_DECIMALS = 6
#: Seconds after which what has ended is counted anew, so that the sum of what is reserved stays a short one.
SETTLE_S = 10.0
#: How long a bucket counts.
DAY = timedelta(hours=24, minutes=1)


@dataclass(frozen=True, slots=True)
class Report:
    """How much of each limit is used."""

    use: Use
    #: When parts of it free: with what is free from then on.
    frees: Sequence[tuple[datetime, Decimal]]


class SpendingLimits:
    """Of one daemon. All amounts inside are in millionths of a US dollar."""

    def __init__(self, settings: Settings, db: Engine, network: Network) -> None:
        self._settings = settings
        self._db = db
        self._network = network
        self.max_order = _millionths(settings.max_order)
        self.max_daily = _millionths(settings.max_daily)
        self._settled = 0.0
        self._earlier = EarlierSpending(db, network.tokens, self._value)
        self.any = any(
            getattr(settings, name) is not None
            for name in ("max_order", "max_daily", "max_slippage", "max_open", "tokens")
        )

    async def admit(self, terms: Terms, *, waits: bool) -> tuple[Terms, Reserving]:
        """The terms with the bound that they need, and what they reserve. `waits`: for its condition.

        Raises `OverLimit` and `NoReferencePrice`: nothing was stored.
        """
        self._check_tokens(terms)
        most = self._settings.max_slippage
        if most is not None and terms.slippage_bps > most:
            raise OverLimit(
                f"OEE_MAX_SLIPPAGE is {most} bps, and the order allows {terms.slippage_bps}.",
                field="slippageBps",
            )
        usd: int | None = None
        units, said = 0, terms.bound
        # A limit must not keep anyone in a position: a stop is counted, and never blocked.
        stop = terms.type is OrderType.STOP
        if self.max_daily is not None and not stop:
            await self._count_day()
        if self.max_order is not None or self.max_daily is not None:
            try:
                terms, units = await self._bound_terms(terms, waits)
                usd = await self._value(terms.input_mint, units)
            except NoReferencePrice:
                if not stop or self.max_order is not None:
                    raise
                # What no limit has seen is looked for: it counts once it can be valued.
            if self.max_order is not None and usd is not None and usd > self.max_order:
                raise OverLimit(
                    f"OEE_MAX_ORDER is {dollars(self.max_order)}, and the order may spend {dollars(usd)}."
                )
        daily = None if stop else self.max_daily
        reserved = None if self.max_daily is None else usd
        # What somebody set as the worst of a market order would allow any slippage as far as that.
        market = terms.type is OrderType.MARKET
        ours = terms.bound != said or (market and most is not None and said is not None)
        fixed_by = BY_LIMITS if ours else None
        return terms, Reserving(reserved, units, daily, None if stop else self._settings.max_open, fixed_by)

    async def check(self, terms: Terms, *, waits: bool) -> None:
        """Whether there is room for it now; reserves nothing. Raises `OverLimit` and `NoReferencePrice`."""
        _, reserving = await self.admit(terms, waits=waits)
        await asyncio.to_thread(self._must_fit, reserving)

    def _must_fit(self, reserving: Reserving) -> None:
        self.settle()
        with self._db.connect() as conn:
            use = spending_sql.use(conn)
        used, most, usd = int(use.spent + use.reserved), reserving.max_daily, reserving.usd
        over = most is not None and usd is not None and used + usd > most
        if over or (reserving.max_open is not None and use.opened >= reserving.max_open):
            raise self.over(NoRoom(used, use.opened), reserving)

    async def within(self, reserving: Reserving, store: Callable[[], Awaitable[T]]) -> T:
        """What `store` stores where there is room for what `reserving` asks; else it raises `NoRoom`, and is
        asked twice. Raises `OverLimit`."""
        try:
            return await store()
        except NoRoom:
            # What ended a moment ago may have left room.
            await asyncio.to_thread(self.settle)
        try:
            return await store()
        except NoRoom as full:
            raise await asyncio.to_thread(self.over, full, reserving) from None

    async def _count_day(self) -> None:
        """Orders that no limit has seen count, too. Raises `NoReferencePrice` where one can't be valued."""
        await self._earlier.count()
        if time.monotonic() - self._settled > SETTLE_S:
            await asyncio.to_thread(self.settle)

    def look_again(self) -> None:
        """An order has lost what it reserved: it is to be valued before the next one is placed."""
        self._earlier.look_again()

    def settle(self) -> None:
        """What orders that have ended did not spend is free again."""
        self._settled = time.monotonic()
        spending_sql.settle(self._db)

    async def report(self) -> Report:
        """Settles, and says how much of each limit is used."""
        if self.max_daily is not None:
            with suppress(NoReferencePrice):
                await self._earlier.count()
        return await asyncio.to_thread(self._report)

    def _report(self) -> Report:
        self.settle()
        with self._db.connect() as conn:
            use, buckets = spending_sql.use(conn), spending_sql.buckets(conn)
        return Report(use, _frees(buckets))

    def _check_tokens(self, terms: Terms) -> None:
        allowed = self._settings.tokens
        if allowed is None:
            return
        known = set()
        for name in allowed.split(","):
            try:
                known.add(self._network.tokens.find(name, "OEE_TOKENS").mint)
            except InvalidInput:
                # It may be added later; until then it allows nothing.
                continue
        for field, mint in (("inputToken", terms.input_mint), ("outputToken", terms.output_mint)):
            if mint not in known:
                symbol = self._network.tokens.by_mint(mint).symbol
                raise OverLimit(f"OEE_TOKENS is {allowed}: {symbol} is not among them.", field=field)

    async def _bound_terms(self, terms: Terms, waits: bool) -> tuple[Terms, int]:
        """The terms with a bound on what is spent, and that bound, in base units. A trailing stop is valued
        by the worst price at which it may fire, and bound by that of then."""
        if terms.swap_mode is SwapMode.EXACT_IN:
            return terms, terms.amount
        if terms.max_spend is not None:
            return terms, terms.max_spend
        if waits and terms.type in TIMED:
            raise OverLimit(
                "Under a limit in USD an order that buys an exact amount later has to say maxSpend.",
                field="maxSpend",
                hint="Its price is another by then.",
            )
        answers = await engine_quotes.ask(
            self._network.venues, engine_quotes.request_of(terms, self._network.tokens)
        )
        try:
            best = engine_quotes.choose(answers, terms.swap_mode, None)
        except AttemptFailed as e:
            raise NoReferencePrice(e.message) from None
        if waits:
            later = terms.launch_at is not None and terms.launch_at > datetime.now(UTC)
            if later and self.max_order is not None:
                raise OverLimit(
                    "Under OEE_MAX_ORDER what trails from a later time on has to say what it spends.",
                    field="amount",
                    hint="What an exact amount costs by then nobody knows.",
                )
            return terms, _at_worst(best.amount_in, terms)
        most = engine_quotes.bound_of(best, terms.swap_mode, terms.slippage_bps)
        return replace(terms, max_spend=most), most

    async def _value(self, mint: str, units: int) -> int:
        """What so much of a token is worth, rounded up."""
        token = self._network.tokens.by_mint(mint)
        if token.stable:
            return _rounded_up(token.amount(units))
        dollar = next(listed for listed in self._network.tokens if listed.stable)
        request = QuoteRequest(
            input_token=token,
            output_token=dollar,
            amount=min(units, MAX_UNITS),
            mode=SwapMode.EXACT_IN,
        )
        try:
            # A bound of 0: nothing is sold here, so it may be a thin venue's price however far that moves.
            best = engine_quotes.choose(
                await engine_quotes.ask(self._network.venues, request), SwapMode.EXACT_IN, 0
            )
        except AttemptFailed as e:
            raise NoReferencePrice(f"{token.symbol} can't be valued in USD. {e.message}") from None
        return _rounded_up(dollar.amount(_before_impact(best)))

    def over(self, full: NoRoom, reserving: Reserving) -> OverLimit:
        """Which of the limits it is, its use, and when how much frees."""
        if reserving.max_open is not None and (full.opened or 0) >= reserving.max_open:
            return OverLimit(
                f"OEE_MAX_OPEN is {reserving.max_open:,}, and {full.opened:,} orders have not ended.",
                hint="It frees as they end. Those that are not sent yet: oee cancel",
            )
        assert reserving.usd is not None and self.max_daily is not None
        with self._db.connect() as conn:
            frees = _frees(spending_sql.buckets(conn))
        need = full.spent + reserving.usd - self.max_daily
        enough = next((at for at, free in frees if free >= need), None)
        message = (
            f"OEE_MAX_DAILY is {dollars(self.max_daily)}: {dollars(full.spent)} of it are used in the last"
            f" 24 hours or reserved, and the order may spend {dollars(reserving.usd)}."
        )
        if reserving.usd > self.max_daily:
            return OverLimit(message, hint="It is more than a whole day allows.")
        if not frees:
            return OverLimit(message, hint="It frees as orders end. See: oee limits")
        first_at, first = frees[0]
        told = f"{dollars(int(first))} frees at {first_at:%d %b %H:%M} UTC"
        if enough is not None and first < need:
            told += f", enough for it at {enough:%d %b %H:%M} UTC"
        return OverLimit(message, hint=f"{told}. See: oee limits")


def _before_impact(quote: Quote) -> int:
    """What it would give if its amount moved no price: by a thin venue, which may hold a few dollars where
    another pair is deep, a limit would else count too little."""
    if not quote.thin:
        return quote.amount_out
    impact = min(quote.price_impact_bps or 0, BPS - 1)
    return -(-quote.amount_out * BPS // (BPS - impact))


def _at_worst(units: int, terms: Terms) -> int:
    """What a trailing stop spends at its worst where it would be so many now: it fires no further from the
    price of now than it trails, and no worse than past that."""
    worst = past(trailed(Decimal(1), terms.side, terms.trail_bps or 0), terms.side)
    most = units * worst if terms.side is Side.BUY else units / worst
    return int(most.to_integral_value(ROUND_CEILING))


def _frees(buckets: Sequence[Bucket]) -> list[tuple[datetime, Decimal]]:
    found, total = [], Decimal(0)
    for bucket in buckets:
        total += bucket.amount
        found.append((bucket.minute + DAY, total))
    return found


def _millionths(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd.scaleb(_DECIMALS))


def _rounded_up(usd: Decimal) -> int:
    return int(usd.scaleb(_DECIMALS).to_integral_value(ROUND_CEILING))


def dollars(millionths: int) -> str:
    """As people read it: cents, and more only where there are more."""
    usd = Decimal(millionths).scaleb(-_DECIMALS)
    cents = usd.quantize(Decimal("0.01"))
    return f"{cents if cents == usd else usd:,f} USD"
