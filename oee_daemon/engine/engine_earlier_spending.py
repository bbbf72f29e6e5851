"""Counts what orders of before the limit of the day was set have spent, and may spend.

A stored order says what it spent. US dollars count one for one on either side of a swap; another input is
valued by a quote of now, one for all orders that spent that token, and where nobody gives one by what the
order got for it. `engine_spending_limits` says when to count.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal

from sqlalchemy import Engine

from oee_daemon.contract.order_types import Side
from oee_daemon.contract.ranking import BPS
from oee_daemon.errors import NoReferencePrice
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.conditions import past, trailed
from oee_daemon.store import uncounted_sql
from oee_daemon.store.database import aside
from oee_daemon.store.uncounted_sql import Uncounted, Valued

#: Seconds for which a look holds, and its failure. A daemon without the limit may place orders meanwhile.
LOOK_S = 10.0
#: Tokens that are asked for at once.
AT_ONCE = 8


class EarlierSpending:
    """`value`: millionths of a US dollar for so many units of a mint; raises `NoReferencePrice`."""

    def __init__(self, db: Engine, tokens: TokenBook, value: Callable[[str, int], Awaitable[int]]) -> None:
        self._db = db
        self._tokens = tokens
        self._value = value
        self._counting = asyncio.Lock()
        self._few = asyncio.Semaphore(AT_ONCE)
        self._looked: float | None = None
        #: Why not all of them are counted, and what would do.
        self._failed: tuple[str, str | None] | None = None

    async def count(self) -> None:
        """What no limit has seen, at most once in `LOOK_S`.

        Raises `NoReferencePrice` where something can't be valued now: then the rest is counted.
        """
        async with self._counting:
            if self._looked is None or time.monotonic() - self._looked >= LOOK_S:
                self._failed = await self._count()
                self._looked = time.monotonic()
        if self._failed is not None:
            message, hint = self._failed
            raise NoReferencePrice(message, hint=hint)

    def look_again(self) -> None:
        self._looked = None

    async def _count(self) -> tuple[str, str | None] | None:
        worth: dict[str, Decimal] = {}
        unpriced: dict[str, str] = {}
        left, after = None, 0
        while orders := await aside(self._db, uncounted_sql.uncounted, after):
            after = orders[-1].number
            left = await self._count_some(orders, worth, unpriced) or left
        if left is None:
            return None
        why = unpriced.get(left.input_mint) or unpriced[left.output_mint]
        message = f"Orders of the last 24 hours can't be counted: {left.id}. {why}"
        return message, None if left.ended else f"Unless it is needed: oee cancel {left.id}"

    async def _count_some(
        self, orders: Sequence[Uncounted], worth: dict[str, Decimal], unpriced: dict[str, str]
    ) -> Uncounted | None:
        """One of them that can't be valued now, where there is one."""
        # Twice: what an order got may have a price where its input has none.
        for _ in range(2):
            await self._ask([self._basis(order, unpriced) for order in orders], worth, unpriced)
        valued = [
            self._value_order(order, unpriced, worth)
            for order in orders
            if self._basis(order, unpriced)[0] in worth
        ]
        if valued:
            await asyncio.to_thread(uncounted_sql.note, self._db, valued)
        return next((order for order in orders if self._basis(order, unpriced)[0] not in worth), None)

    async def _ask(
        self, bases: Sequence[tuple[str, int]], worth: dict[str, Decimal], unpriced: dict[str, str]
    ) -> None:
        """Adds what a unit of each mint is worth, or why nobody can tell."""
        most: dict[str, int] = {}
        for mint, units in bases:
            if mint not in worth and mint not in unpriced:
                most[mint] = max(units, most.get(mint, 1))
        told = await asyncio.gather(*(self._price(mint, units) for mint, units in most.items()))
        for mint, price in zip(most, told, strict=True):
            if isinstance(price, str):
                unpriced[mint] = price
            else:
                worth[mint] = price

    async def _price(self, mint: str, units: int) -> Decimal | str:
        async with self._few:
            try:
                return Decimal(await self._value(mint, units)) / units
            except NoReferencePrice as e:
                return e.message.removesuffix(" Nothing was stored.")

    def _basis(self, order: Uncounted, unpriced: Mapping[str, str]) -> tuple[str, int]:
        """The mint by which it is valued, and how many units of it."""
        dollars = self._tokens.by_mint(order.output_mint).stable and not self._is_stable(order.input_mint)
        better = dollars or order.input_mint in unpriced
        if order.spends is None or (order.ended and order.gets and better):
            assert order.gets is not None
            return order.output_mint, int(order.gets)
        return order.input_mint, int(order.spends)

    def _is_stable(self, mint: str) -> bool:
        return self._tokens.by_mint(mint).stable

    def _value_order(
        self, order: Uncounted, unpriced: Mapping[str, str], worth: Mapping[str, Decimal]
    ) -> Valued:
        mint, units = self._basis(order, unpriced)
        usd = worth[mint] * units
        if order.spends is None:
            usd *= _worst(order)
        # What counts nothing would never be noted as counted.
        return Valued(order.id, max(1, int(usd.to_integral_value(ROUND_CEILING))), int(order.spends or 0))


def _worst(order: Uncounted) -> Decimal:
    """By how much more than its price of now an order of an exact amount may pay that has no bound yet."""
    side = Side(order.side)
    if order.trail_bps is None:
        return 1 + Decimal(order.slippage_bps) / BPS
    worst = past(trailed(Decimal(1), side, order.trail_bps), side)
    return worst if side is Side.BUY else 1 / worst
