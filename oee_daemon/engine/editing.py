"""Editing an order that waits: read, compute its terms and bounds anew, and store them in one step.

What an edit asks for is checked as at placing: against the market where its price or amount changes, against
the limits for all orders, and not at all under a halt. Where the order has fired, was edited or has ended
meanwhile, the step finds another row and nothing is changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.contract import halt_mark
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.setting_protection import OF_WORKERS
from oee_daemon.contract.status import FINAL, Status
from oee_daemon.engine.engine_identity import Identity
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.engine.intake import CANCEL_S, moved_on
from oee_daemon.engine.placing import Placing
from oee_daemon.errors import AttemptFailed, Conflict, Halted, InvalidInput
from oee_daemon.networks.network import Network
from oee_daemon.orders.conditions import limit_text, rule_of
from oee_daemon.orders.edited_terms import as_compared, edited_terms
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms
from oee_daemon.orders.tokens import Token
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.store import editing_sql, order_rows
from oee_daemon.store.creating_sql import Armed
from oee_daemon.store.database import aside
from oee_daemon.store.editing_sql import Edited
from oee_daemon.store.engine_row import Where

#: Reads the changes of a body for the order that they are of, by column.
Read = Callable[[Order], Mapping[str, Any]]
#: What is compared with the market, by column.
_PRICED = ("target_price", "trail_bps", "amount")


@dataclass(eq=False)
class Editing:
    """For the daemon that accepts. `home`: where the mark of a halt would be; `soon` is told of what was
    edited, as `Intake.look_ahead`; see `Intake` for the rest."""

    db: Engine
    feed: Feed
    network: Network
    placing: Placing
    _: KW_ONLY
    identity: Identity | None = None
    limits: SpendingLimits | None = None
    home: Path | None = None
    keeps: Mapping[str, Any] | None = None
    soon: Callable[[Order], object] = lambda _: None

    async def edit(self, order_id: UUID, read: Read, expected: int | None = None) -> Order:
        """The order with what `read` says changed. `expected`: its newest event, where the caller names it.

        Raises `InvalidInput`, `NotFound`, `Conflict` where it waits no more or has come to another event,
        `OverLimit`, `Halted`, and `Unavailable` where the database may have forgotten what became of it.
        """
        until = time.monotonic() + CANCEL_S
        while True:
            # Each time: a database that took over in between may show what it has forgotten.
            seen = None
            if self.identity is not None:
                seen = await asyncio.to_thread(self.identity.must_be_settled)
            order = await aside(self.db, order_rows.must_find, order_id)
            _must_wait(order, expected)
            spent, bought = await self._tokens(order)
            changes = read(order)
            terms = edited_terms(order, changes, spent, bought).keeping(self.keeps)
            said = _differences(order, terms)
            if not said:
                return order
            if halt_mark.halts(self.home, self.network.name):
                raise Halted
            trails_on = order.trail_bps is not None and terms.trail_bps is not None and not order.latched
            armed = await self._arm(order, terms, trails_on=trails_on)
            stored = await self._store(order, Edited(terms, armed, said, trails_on), seen)
            if stored is not None:
                self.soon(stored)
                self.feed.publish(order_id)
                return stored
            # It moved between the two looks: it is looked at again, and refused where it waits no more.
            await asyncio.to_thread(moved_on, until)

    async def _tokens(self, order: Order) -> tuple[Token, Token]:
        """What it spends and what it buys, also where another daemon has met them: amounts and bounds of a
        token that is not known would be off by powers of ten. Raises `Conflict`."""
        await TokenDesk(self.db, self.network).know((order.input_mint, order.output_mint))
        try:
            spent, bought = map(self.network.tokens.traded, (order.input_mint, order.output_mint))
        except AttemptFailed as e:
            raise Conflict(e.message, code=e.code) from None
        return spent, bought

    async def _arm(self, order: Order, terms: Terms, *, trails_on: bool) -> Armed:
        """What it is compared with; the market is asked where that changes. Raises as `Placing.armed`."""
        compared, before = as_compared(terms, order), as_compared(order, order)
        if all(getattr(compared, name) == getattr(before, name) for name in _PRICED):
            listing = compared.token_address is not None
            rule = rule_of(compared.type, compared.side, listing=listing)
            return Armed(rule=rule, price=compared.target_price, data={})
        peak = await aside(self.db, editing_sql.peak_of, order.id) if trails_on else None
        try:
            armed = await self.placing.armed(compared, peak)
        except InvalidInput as e:
            if order.latched and e.field == "targetPrice":
                e.field = "limitPrice"
            raise
        assert armed is not None
        return armed

    async def _store(self, order: Order, edited: Edited, seen: Where | None) -> Order | None:
        failpoints.hit("before_edit")
        if self.limits is None:
            stored = await asyncio.to_thread(editing_sql.edit, self.db, order, edited, None, seen)
        else:
            stored = await self._store_within(self.limits, order, edited, seen)
        failpoints.hit("after_edit")
        return stored

    async def _store_within(
        self, limits: SpendingLimits, order: Order, edited: Edited, seen: Where | None
    ) -> Order | None:
        terms, reserving = await limits.admit(edited.terms, waits=True)
        # It is open already.
        reserving = reserving._replace(max_open=None)
        edited = edited._replace(terms=terms)
        stored = await limits.within(
            reserving, lambda: asyncio.to_thread(editing_sql.edit, self.db, order, edited, reserving, seen)
        )
        if reserving.usd is None:
            limits.look_again()
        return stored


def _must_wait(order: Order, expected: int | None) -> None:
    if order.status in FINAL:
        raise Conflict(f"The order is {order.status}, which is final.", code=f"order_{order.status}")
    if order.status is not Status.WAITING:
        fired = (
            "fired" if order.fired_at is None else f"fired at {order.fired_at.astimezone(UTC):%H:%M:%S} UTC"
        )
        raise Conflict(f"The order {fired} and is being executed.", code="order_pending")
    if order.expired_by_now:
        raise Conflict("The order's time to wait is over.", code="order_expired")
    if expected is not None and order.event_seq != expected:
        raise Conflict(f"The order has come to event {order.event_seq}.", code="order_changed")


def _differences(order: Order, terms: Terms) -> dict[str, Any]:
    """What is said of the edit: by column, before and after, prices and times as text; of the amount which
    token it counts. What it is under from now on is said by the names of the settings."""
    pairs = ((name, getattr(order, name), getattr(terms, name)) for name in editing_sql.EDITED)
    said = {name: [_plain(old), _plain(new)] for name, old, new in pairs if old != new}
    before, after = order.keeps or {}, terms.keeps or {}
    said |= {
        name: [before.get(name), after.get(name)]
        for name in OF_WORKERS
        if before.get(name) != after.get(name)
    }
    if "amount" in said:
        exact_out = order.swap_mode is SwapMode.EXACT_OUT
        said["amount"].append(order.output_mint if exact_out else order.input_mint)
    return said


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return limit_text(value)
    return rfc3339(value, "microseconds") if isinstance(value, datetime) else value
