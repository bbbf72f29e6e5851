"""Orders that may have been executed without a trace here: the chain is asked before any is signed again.

A database forgets: a standby takes over without the last second, a folder is put back from a snapshot, a
backup is restored while its original went on. Then each live order is *in doubt*: it is `submitted`, which
means that it may be on the chain, though no swap of it may be stored. It leaves that only with a fill that
the chain knows for the order, or when nothing that was signed before can land any more. One of a group ends
where the chain knows a fill of another: that one may be asked about later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon.errors import AttemptFailed, BadCursor, ChainUnavailable
from oee_daemon.networks.bounded_network import BoundedChain
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.verdict import MARGIN_BLOCKS
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Fill, Landed, Lapsed, Rejected
from oee_daemon.store import doubt_sql
from oee_daemon.store.database import aside
from oee_daemon.store.doubt_sql import Doubt

#: Between two questions about one order, at least and at most.
PAUSE = (timedelta(seconds=5), timedelta(seconds=60))
#: Landings that are asked for at once.
_PAGE = 1000
#: Seconds after which a search is left, and gone on with after a pause: well within a lease, and before its
#: worker is taken for hung. Anybody can make it long, by transactions that name the wallet.
SEARCH_S, GO_ON = 8.0, timedelta(seconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
#: The most that the chain's clock may differ from Postgres's.
_CLOCKS_APART = timedelta(hours=1)


class StillInDoubt(Exception):
    """Nothing can be said yet; ask again after `pause`."""

    def __init__(self, pause: timedelta) -> None:
        super().__init__()
        self.pause = pause


class Place(NamedTuple):
    """Where a search was left: after which landing, what it had found of the group, and up to which height
    it knows."""

    before: str
    another: UUID | None
    height: int


#: By order. Of one worker: whoever has another place begins anew.
Places = dict[UUID, Place]


async def ask(
    db: Engine, chain: BoundedChain, order: Order, said: Rejected | Lapsed | None, places: Places
) -> Landed:
    """What the order came to, where its stored swap, if it has one, has `said` that it moved nothing.

    Raises `AttemptFailed`: nothing of it can land any more; or, with the code `restored_unknown`, no chain
    that can be asked will ever know, or another engine may sign for it for ever. Raises `StillInDoubt` where
    that is not known yet.
    """
    doubt = await aside(db, doubt_sql.doubt_of, order.id)
    if doubt is None:
        if said is None:
            raise AssertionError(f"order {order.id} is submitted without a live swap")
        raise _moved_nothing(said)
    try:
        landed = await _found(db, chain, order, doubt, places)
    except ChainUnavailable:
        raise StillInDoubt(PAUSE[0]) from None
    if landed is None:
        raise _moved_nothing(said)
    return landed


async def elsewhere(db: Engine, chain: BoundedChain, order: Order) -> bool:
    """Whether what is stored of it is for another chain, so that this one never says what became of it.
    False where that can't be asked."""
    doubt = await aside(db, doubt_sql.doubt_of, order.id)
    try:
        return doubt is not None and await chain.identity() != doubt.chain
    except ChainUnavailable:
        return False


async def _found(
    db: Engine, chain: BoundedChain, order: Order, doubt: Doubt, places: Places
) -> Landed | None:
    """Its landing; none where it is certain that there is none."""
    group = await aside(db, doubt_sql.group_of, order.group_id)
    fill, another, height = await _search(chain, order, group, places)
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
    if doubt.last_height is None:
        # All that was signed until now has an older anchor than this one.
        last = (await chain.anchor()).last_valid_height
        await aside(db, doubt_sql.bound, order.id, order.fence, last)
        raise StillInDoubt(PAUSE[0])
    if height <= doubt.last_height + MARGIN_BLOCKS:
        raise StillInDoubt(PAUSE[0])
    return None


async def _search(
    chain: BoundedChain, order: Order, group: Mapping[UUID, datetime], places: Places
) -> tuple[Fill | None, UUID | None, int]:
    """The landing whose bytes name the order; or else which of its group one names; and the height up to
    which that is all. `group`: since when there are its orders; `places`: where a search was left.

    By the order's id, not by a signature: whatever swap it had may be forgotten here.
    """
    mints, until = (order.input_mint, order.output_mint), time.monotonic() + SEARCH_S
    begun = min([order.created_at, *group.values()]) - _CLOCKS_APART
    place = places.pop(order.id, None)
    while True:
        try:
            page = await chain.fills(limit=_PAGE, before=None if place is None else place.before, mints=mints)
        except BadCursor:
            raise StillInDoubt(PAUSE[0]) from None
        except ChainUnavailable:
            if place is not None:
                places[order.id] = place
            raise
        height, another = (page.height, None) if place is None else (place.height, place.another)
        for fill in page.fills:
            if fill.order_id == order.id:
                return fill, None, height
        if order.id in page.unread:
            raise StillInDoubt(PAUSE[1])
        # That another's landed is enough, though what it moved is not to be read by the mints of this one.
        named = (*(fill.order_id for fill in page.fills), *page.unread)
        another = next((one for one in named if one in group), another)
        if _back_to(page) < begun:
            return None, another, height
        if page.before is None:
            if another is None and (datetime.now(UTC) - begun).total_seconds() > page.reach_s:
                # Whoever has forgotten what was then shows nothing as well.
                raise StillInDoubt(PAUSE[1])
            return None, another, height
        place = Place(page.before, another, height)
        if time.monotonic() > until:
            # What was before does not change any more.
            places[order.id] = place
            raise StillInDoubt(GO_ON)


def _back_to(page: FillPage) -> datetime:
    """Nothing of after that is on a later page. Of some blocks nobody tells the time: such a one says nothing
    of how far back this is."""
    told = [fill.at for fill in page.fills if fill.at.timestamp() > 0]
    return page.back_to or (told[-1] if told else _NEVER)


def _moved_nothing(said: Rejected | Lapsed | None) -> AttemptFailed:
    if isinstance(said, Rejected):
        return AttemptFailed(said.message, code=said.code, retryable=said.retryable)
    message = "The swap did not land in time and never can any more."
    return AttemptFailed(message, code="swap_lapsed", retryable=True)
