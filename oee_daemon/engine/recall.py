"""Asks the chain about orders that may have been executed without a trace here, before any is signed again.

A database forgets: a standby takes over without the last second, a folder is put back from a snapshot, a
backup is restored while its original went on. Then each live order is *in doubt*: it is `submitted`, which
means that it may be on the chain, though no swap of it may be stored. It leaves that only with a fill that
the chain knows for the order, or when nothing that was signed before can land any more. One of a group ends
where the chain knows a fill of another: that one may be asked about later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine

from oee_daemon.engine.engine_wallet_walk import PAUSE, StillInDoubt, WalletWalk
from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.networks.network_bounded import BoundedChain
from oee_daemon.networks.verdict import MARGIN_BLOCKS
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Landed, Lapsed, Rejected
from oee_daemon.store import doubt_sql, engine_row
from oee_daemon.store.database import aside
from oee_daemon.store.doubt_sql import Doubt
from oee_daemon.store.engine_row import Where

P = ParamSpec("P")
T = TypeVar("T")

#: So many may be in doubt, and each is asked about every few seconds; of more each is left until it can be
#: told what became of it.
FEW, LATER = 20, timedelta(seconds=75)


class There:
    """The database where it was seen last. One that lost its place to another may still answer on some
    connections: there an order may have ended, or be in no doubt, and what landed for it be passed over."""

    def __init__(self, db: Engine, where: Callable[[], Where | None]) -> None:
        self._db = db
        self._where = where

    async def ask(self, call: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs) -> T:
        """As `aside`; raises `StillInDoubt` where another database answers."""

        def asked(conn: Connection) -> T:
            if not engine_row.is_there(conn, self._where()):
                raise StillInDoubt(PAUSE[0])
            return call(conn, *args, **named)

        return await aside(self._db, asked)


async def ask(
    db: There, chain: BoundedChain, order: Order, said: Rejected | Lapsed | None, walk: WalletWalk
) -> Landed:
    """What the order came to, where its stored swap, if it has one, has `said` that it moved nothing.

    Raises `AttemptFailed`: nothing of it can land any more; or, with the code `restored_unknown`, no chain
    that can be asked will ever know, or another engine may sign for it for ever. Raises `StillInDoubt` where
    that is not known yet.
    """
    doubt = await db.ask(doubt_sql.doubt_of, order.id)
    if doubt is None:
        if said is None:
            raise AssertionError(f"order {order.id} is submitted without a live swap")
        raise _moved_nothing(said)
    try:
        landed = await _find_landing(db, chain, order, doubt, walk)
    except ChainUnavailable:
        raise StillInDoubt(PAUSE[0]) from None
    if landed is None:
        raise _moved_nothing(said)
    return landed


async def elsewhere(db: There, chain: BoundedChain, order: Order) -> bool:
    """Whether what is stored of it is for another chain, so that this one never says what became of it.
    False where that can't be asked."""
    try:
        doubt = await db.ask(doubt_sql.doubt_of, order.id)
        return doubt is not None and await chain.identity() != doubt.chain
    except (ChainUnavailable, StillInDoubt):
        return False


async def _find_landing(
    db: There, chain: BoundedChain, order: Order, doubt: Doubt, walk: WalletWalk
) -> Landed | None:
    """Its landing; none where it is certain that there is none."""
    group = await db.ask(doubt_sql.group_of, order.group_id)
    past = None if doubt.last_height is None else doubt.last_height + MARGIN_BLOCKS
    fill, another, height = await walk.search(order, group, past)
    if fill is not None:
        return Landed(fill)
    if another is not None:
        message = f"Order {another} of its group was filled, which the database had forgotten."
        raise AttemptFailed(message, code="group_turn")
    # In a copy of the database even the same chain is a copy, which knows nothing of what came after.
    if await chain.identity() != doubt.chain or (chain.inside and doubt.until is not None):
        raise AttemptFailed(
            "This database was restored or copied, and the engine that it came from may have executed the"
            " order since: this one can't know.",
            code="restored_unknown",
        )
    if doubt.left is not None and doubt.left > doubt_sql.FOR_EVER:
        raise AttemptFailed(
            "This database was copied, and the engine that it came from may execute the order whenever its"
            " price is met: here it is ended, so that it is not executed twice.",
            code="restored_unknown",
        )
    if doubt.left is not None and doubt.left > timedelta(0):
        raise StillInDoubt(min(PAUSE[1], max(PAUSE[0], doubt.left)))
    if past is None:
        raise StillInDoubt(await _bound(db, chain, order, walk))
    if height <= past:
        raise StillInDoubt(PAUSE[0])
    return None


async def _bound(db: There, chain: BoundedChain, order: Order, walk: WalletWalk) -> timedelta:
    """Notes the last height at which what was signed can land, for all of which it is not known. Returns for
    how long the order is left."""
    known = await db.ask(doubt_sql.unbound, await chain.identity())
    last = await chain.last_height()
    if len(known) <= FEW:
        known = []
    else:
        walk.are_many()
    await db.ask(doubt_sql.bound, [(order.id, order.fence), *known], last, LATER)
    return LATER if walk.many else PAUSE[0]


def _moved_nothing(said: Rejected | Lapsed | None) -> AttemptFailed:
    if isinstance(said, Rejected):
        return AttemptFailed(said.message, code=said.code, retryable=said.retryable)
    message = "The swap did not land in time and never can any more."
    return AttemptFailed(message, code="swap_lapsed", retryable=True)
