"""Counts what orders of before the limit of the day was set have spent, and may spend.

A stored order says what it spent. US dollars count one for one on either side of a swap; another input is
valued by a quote of now, one for all orders that spent that token. `spending_limits` says when to count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import ROUND_CEILING, Decimal

from sqlalchemy import Engine

from oee_daemon.contract.ranking import BPS
from oee_daemon.contract.terms import Side
from oee_daemon.errors import NoReferencePrice
from oee_daemon.networks.tokens import TokenBook
from oee_daemon.orders.conditions import past, trailed
from oee_daemon.store import uncounted_sql
from oee_daemon.store.uncounted_sql import Uncounted, Valued


class EarlierSpending:
    """`value`: millionths of a US dollar for so many units of a mint; raises `NoReferencePrice`."""

    def __init__(self, db: Engine, tokens: TokenBook, value: Callable[[str, int], Awaitable[int]]) -> None:
        self._db = db
        self._tokens = tokens
        self._value = value
        self._counting = asyncio.Lock()
        self._done = False

    async def count(self) -> None:
        """Once; what comes later is counted as it comes.

        Raises `NoReferencePrice` where something can't be valued now: then the rest is counted, and that is
        tried again the next time.
        """
        async with self._counting:
            if not self._done:
                await self._count()
                self._done = True

    async def _count(self) -> None:
        orders = await asyncio.to_thread(self._read)
        most: dict[str, int] = {}
        for order in orders:
            mint, units = self._basis(order)
            most[mint] = max(units, most.get(mint, 1))
        worth, unknown = {}, None
        for mint, units in most.items():
            try:
                worth[mint] = Decimal(await self._value(mint, units)) / units
            except NoReferencePrice as e:
                unknown = e
        valued = [self._valued(order, worth) for order in orders if self._basis(order)[0] in worth]
        if valued:
            await asyncio.to_thread(uncounted_sql.note, self._db, valued)
        if unknown is not None:
            raise NoReferencePrice(f"Orders of the last 24 hours can't be counted. {unknown.message}")

    def _read(self) -> Sequence[Uncounted]:
        with self._db.connect() as conn:
            return uncounted_sql.uncounted(conn)

    def _basis(self, order: Uncounted) -> tuple[str, int]:
        """The mint by which it is valued, and how many units of it."""
        dollars = self._tokens.by_mint(order.output_mint).stable and not self._is_stable(order.input_mint)
        if order.spends is None or (order.ended and order.gets is not None and dollars):
            assert order.gets is not None
            return order.output_mint, int(order.gets)
        return order.input_mint, int(order.spends)

    def _is_stable(self, mint: str) -> bool:
        return self._tokens.by_mint(mint).stable

    def _valued(self, order: Uncounted, worth: dict[str, Decimal]) -> Valued:
        mint, units = self._basis(order)
        usd = worth[mint] * units
        if order.spends is None:
            usd *= _worst(order)
        return Valued(order.id, int(usd.to_integral_value(ROUND_CEILING)), int(order.spends or 0))


def _worst(order: Uncounted) -> Decimal:
    """By how much more than its price of now an order of an exact amount may pay that has no bound yet."""
    side = Side(order.side)
    if order.trail_bps is None:
        return 1 + Decimal(order.slippage_bps) / BPS
    worst = past(trailed(Decimal(1), side, order.trail_bps), side)
    return worst if side is Side.BUY else 1 / worst
