"""One walk over the wallet's landings, newest first, for all orders of this worker that are in doubt.

What a walk has come past names orders by their ids; what it has not found to the depth of an order, of which
nothing could land any more when it began, is not there. Whoever asks takes it on by some pages; one that has
begun too early to say so for an order is left for a new one, unless others count on it. `recall` decides what
an answer means.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from oee_daemon.errors import BadCursor
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.network_bounded import BoundedChain
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Fill

#: Between two questions about one order, at least and at most.
PAUSE = (timedelta(seconds=5), timedelta(seconds=60))
#: Landings that are asked for at once.
_PAGE = 1000
#: Seconds after which a walk is left, and gone on with after a pause: well within a lease, and before its
#: worker is taken for hung. Anybody can make it long, by transactions that name the wallet.
SEARCH_S, GO_ON = 6.0, timedelta(seconds=1)
#: Seconds that one who asks waits for another who takes the walk on.
TURN_S = 1.0
#: Where many are in doubt: seconds between two looks at the newest page, and for how long they count as many.
GLANCE_S, _MANY_S = 1.0, 300.0
#: Seconds after which what was begun for others says too little of an order that has just come into doubt.
_STALE_S = 60.0
#: Seconds for which one that was put off half way is waited for.
_WANTED_S = 2 * PAUSE[1].total_seconds()
#: Pages in which a landing is looked for again that was seen in the first of them.
_AGAIN = 3
_NEVER = datetime.max.replace(tzinfo=UTC)
#: The most that the chain's clock may differ from Postgres's.
_CLOCKS_APART = timedelta(hours=1)


class StillInDoubt(Exception):
    """Nothing can be said yet; ask again after `pause`."""

    def __init__(self, pause: timedelta) -> None:
        super().__init__()
        self.pause = pause


async def _all(ids: Collection[UUID]) -> Collection[UUID]:
    return ids


@dataclass(slots=True)
class _Walk:
    """How far one has come, of all up to `height`. `firm`: when it began nothing of the order that it began
    for could land any more."""

    height: int
    firm: bool
    before: str | None = None
    back_to: datetime = _NEVER
    reach_s: float = math.inf
    begun_s: float = field(default_factory=time.monotonic)
    #: When one that needs more of it was last put off.
    wanted_s: float = -math.inf
    found: dict[UUID, Fill] = field(default_factory=dict)
    #: Orders of which something landed that can't be read by itself, and where its page begins.
    unread: dict[UUID, str | None] = field(default_factory=dict)

    def covers(self, begun: datetime) -> bool:
        """Whether nothing of an order of `begun` is on a later page."""
        return self.before is None or self.back_to < begun

    def reaches(self, begun: datetime) -> bool:
        """Whether somebody who told the pages remembers that time."""
        return self.back_to < begun or (datetime.now(UTC) - begun).total_seconds() <= self.reach_s

    def is_stale(self) -> bool:
        now = time.monotonic()
        return now - self.begun_s > _STALE_S and now - self.wanted_s > _WANTED_S


class WalletWalk:
    """`concerned`: which of the orders that landings name may be in doubt, or of a group of such."""

    def __init__(
        self,
        chain: BoundedChain,
        concerned: Callable[[Collection[UUID]], Awaitable[Collection[UUID]]] = _all,
    ) -> None:
        self._chain = chain
        self._concerned = concerned
        self._walk: _Walk | None = None
        self._turn = asyncio.Lock()
        self._many_until = self._glanced = 0.0

    @property
    def many(self) -> bool:
        """Whether so many are in doubt that each is better asked about once, and late, than often."""
        return time.monotonic() < self._many_until

    def are_many(self) -> None:
        self._many_until = time.monotonic() + _MANY_S

    async def search(
        self, order: Order, group: Mapping[UUID, datetime], past: int | None
    ) -> tuple[Fill | None, UUID | None, int]:
        """The landing whose bytes name the order; or else which of its group one names; and the height up to
        which that is all. `group`: since when there are its orders; `past`: the height that such a one has to
        exceed, where it is known.

        By the order's id, not by a signature: whatever swap it had may be forgotten here. Raises
        `StillInDoubt`, and `ChainUnavailable`.
        """
        begun, until = min([order.created_at, *group.values()]) - _CLOCKS_APART, time.monotonic() + SEARCH_S
        await self._take_turn()
        try:
            walk, read = await self._walk_for(begun, past)
            while (fill := await self._of(walk, order)) is None and not walk.covers(begun):
                if read and time.monotonic() > until:
                    walk.wanted_s = time.monotonic()
                    raise StillInDoubt(GO_ON)
                await self._note(walk, await self._read(walk.before), walk.before)
                read = True
        except BadCursor:
            self._walk = None
            raise StillInDoubt(PAUSE[0]) from None
        finally:
            self._turn.release()
        # That another's landed is enough, though what it moved is not to be read by itself.
        named = walk.found.keys() | walk.unread.keys()
        another = next((one for one in group if one in named), None)
        if fill is None and another is None and not walk.reaches(begun):
            # Whoever has forgotten what was then shows nothing as well.
            raise StillInDoubt(PAUSE[1])
        return fill, None if fill is not None else another, walk.height

    async def _take_turn(self) -> None:
        if self._turn.locked() and self.many:
            raise StillInDoubt(PAUSE[1])
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            raise StillInDoubt(PAUSE[0]) from None

    async def _walk_for(self, begun: datetime, past: int | None) -> tuple[_Walk, bool]:
        """The one to go on with, and whether a page of it was read just now."""
        walk = self._walk
        if walk is None or (past is None and walk.covers(begun) and walk.is_stale()):
            return await self._begin(await self._read(None), past), True
        if past is None or walk.height > past or (walk.firm and not walk.covers(begun)):
            return walk, False
        if self.many and time.monotonic() - self._glanced < GLANCE_S:
            return walk, False
        # It began too early to say what is not there. What has landed since is in the newest page.
        page, self._glanced = await self._read(None), time.monotonic()
        if page.height > past:
            return await self._begin(page, past), True
        await self._note_landings(walk, page, None)
        return walk, False

    async def _begin(self, page: FillPage, past: int | None) -> _Walk:
        walk = _Walk(page.height, firm=past is not None and page.height > past)
        await self._note(walk, page, None)
        self._walk = walk
        return walk

    async def _read(self, before: str | None, mints: Sequence[str] = ()) -> FillPage:
        return await self._chain.fills(limit=_PAGE, before=before, mints=mints)

    async def _note(self, walk: _Walk, page: FillPage, place: str | None) -> None:
        """Of a page of the walk that begins there."""
        await self._note_landings(walk, page, place)
        walk.before, walk.reach_s = page.before, page.reach_s
        walk.back_to = min(walk.back_to, _back_to(page))

    async def _note_landings(self, walk: _Walk, page: FillPage, place: str | None) -> None:
        fills = {fill.order_id: fill for fill in reversed(page.fills) if fill.order_id is not None}
        if not fills and not page.unread:
            return
        for one in await self._concerned([*fills, *page.unread]):
            if one in fills:
                walk.found.setdefault(one, fills[one])
            else:
                walk.unread[one] = place

    async def _of(self, walk: _Walk, order: Order) -> Fill | None:
        """Its landing; one that moved a third token is read by its mints, from where its page began."""
        if (fill := walk.found.get(order.id)) is not None or order.id not in walk.unread:
            return fill
        place = walk.unread[order.id]
        for _ in range(_AGAIN):
            page = await self._read(place, (order.input_mint, order.output_mint))
            if (found := next((one for one in page.fills if one.order_id == order.id), None)) is not None:
                return found
            if order.id in page.unread or page.before is None:
                break
            place = page.before
        else:
            # So much has landed since that it is seen anew.
            self._walk = None
        raise StillInDoubt(PAUSE[1])


def _back_to(page: FillPage) -> datetime:
    """Nothing of after that is on a later page. Of some blocks nobody tells the time: such a one says nothing
    of how far back this is."""
    told = [fill.at for fill in page.fills if fill.at.timestamp() > 0]
    return page.back_to or (told[-1] if told else _NEVER)
