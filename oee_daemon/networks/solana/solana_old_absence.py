"""Whether an endpoint that shows nothing of an old swap knows that it never landed.

That a status is unknown says nothing once it is out of a node's cache: nodes prune their history and fail to
read it in silence, and a balancer, or a gateway that splits a batch, puts the silence of one node beside the
memory of another. So an old absence counts by what one answer tells by itself: a list of the wallet that paid
that begins after the swap's time, ends before it and lacks it; or else each block in which it could be.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from solders.transaction import VersionedTransaction

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_block_shelf import BlockShelf
from oee_daemon.networks.solana.solana_block_walk import BlockWalk
from oee_daemon.networks.solana.solana_endpoint_look import FINALIZED
from oee_daemon.networks.solana.solana_look_evidence import CACHED_SLOTS, Anchored, Answer, Status
from oee_daemon.networks.solana.solana_wallet_list import FAR_SLOTS, LAG_SLOTS, LISTED
from oee_daemon.networks.verdict import MARGIN_BLOCKS
from oee_daemon.orders.swap import SignedSwap

#: Swaps of an endpoint's about which it is remembered how far one has come.
_KEPT = 1_000


class _Row(NamedTuple):
    signature: str
    slot: int
    failed: bool


@dataclass(slots=True)
class _Search:
    """How far one has come at one endpoint with one swap: behind which of the wallet's landings, all of them
    later ones, its list goes on; and which blocks were read."""

    blocks: BlockWalk
    before: str | None = None
    last: _Row | None = None
    #: The list has not come in time: the next time is the blocks' alone, and then its turn is again.
    late: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about: a swap that is on no later height than `last`, and where its endpoint is now."""

    swap: SignedSwap
    wallet: str
    anchored: Anchored
    slot: int
    height: int

    @property
    def last(self) -> int:
        return self.swap.last_valid_height + MARGIN_BLOCKS

    def is_past(self, slot: int) -> bool:
        """Whether it can't land in that slot any more, however few of the slots since had a block."""
        return self.height - (self.slot - slot) > self.last


@dataclass(frozen=True, slots=True)
class OldAbsence:
    """What was found out so far, of the endpoints of one chain."""

    _searches: OrderedDict[tuple[str, str], _Search] = field(default_factory=OrderedDict)
    #: Of each endpoint, by its name, for as long as one of its searches goes on.
    _shelves: WeakValueDictionary[str, BlockShelf] = field(default_factory=WeakValueDictionary)
    #: The pages that are being asked for: orders that are in doubt together need the same ones.
    _pages: dict[tuple[str, str | None, int, str], asyncio.Future[list[_Row]]] = field(default_factory=dict)

    def is_asked(self, signature: str, name: str | None = None) -> bool:
        """Whether that is such a swap, and its end is searched for, at the endpoint `name` or at any."""
        return any(one == signature and name in (None, at) for at, one in self._searches)

    async def proven(
        self,
        endpoints: Mapping[str, Endpoint],
        answers: Sequence[Answer],
        swap: SignedSwap,
        anchored: Anchored,
        deadline_s: float,
    ) -> list[Answer]:
        """`answers` with what more each of those `endpoints`, by their names, proves of the swap."""

        async def told(answer: Answer) -> Answer:
            is_over = answer.height > swap.last_valid_height + MARGIN_BLOCKS
            is_old = answer.context - anchored.slot > CACHED_SLOTS
            if answer.status is not None or not (is_over and is_old):
                return answer
            return await self._ask_about(endpoints[answer.node], answer, swap, anchored, deadline_s)

        return await asyncio.gather(*(told(answer) for answer in answers))

    async def _ask_about(
        self, endpoint: Endpoint, answer: Answer, swap: SignedSwap, anchored: Anchored, deadline_s: float
    ) -> Answer:
        try:
            # Not of the wallet that is set by now.
            wallet = str(VersionedTransaction.from_bytes(swap.raw).message.account_keys[0])
        except ValueError:
            return answer
        asked = _Asked(swap, wallet, anchored, answer.slot, answer.height)
        search = self._search(endpoint.name, asked)
        until = asyncio.get_running_loop().time() + deadline_s
        found: Status | bool = False
        was_late, search.late = search.late, False
        if not (was_late or search.blocks.are_read):
            try:
                told = await self._ask_list(endpoint, asked, search, deadline_s * 2 / 3)
                if told is True:
                    left_s = until - asyncio.get_running_loop().time()
                    told = await search.blocks.is_whole(endpoint, asked.slot, left_s)
                # Not before that is answered: whoever counts no blocks now may lack some.
                found = told
            except NoAnswer:
                search.late = True
        left_s = until - asyncio.get_running_loop().time()
        # In less than that no block would come, and fewer would be asked for than come in a look.
        if search.blocks.are_read or (found is False and left_s > deadline_s / 4):
            found = await search.blocks.go_on(endpoint, left_s)
            # What each block says counts whenever it is said, whichever node told the status and as of when.
            answer = replace(answer, context=max(answer.context, answer.slot)) if found is True else answer
        if isinstance(found, Status):
            return replace(answer, status=found)
        return replace(answer, knows_all=found)

    async def _ask_list(
        self, endpoint: Endpoint, asked: _Asked, search: _Search, deadline_s: float
    ) -> Status | bool:
        """What the wallet's list says: that it landed, or whether the list proves that it did not. Page by
        page, each of which begins with the last row of the one before: between two rows one node tells that
        there is nothing. Raises `NoAnswer`."""
        until = asyncio.get_running_loop().time() + deadline_s
        before, last = search.before, search.last
        is_later = last is not None or asked.is_past(asked.slot - FAR_SLOTS)
        while True:
            left_s = until - asyncio.get_running_loop().time()
            rows = await self._page(endpoint, asked, before, left_s)
            if last is not None and rows[:1] != [last]:
                raise NoAnswer("a list that does not go on where it is asked to")
            for row in rows:
                if row.signature == asked.swap.signature:
                    return Status(slot=row.slot, failed=row.failed, final=True)
            is_later = is_later or (bool(rows) and asked.is_past(rows[0].slot))
            if any(row.slot <= asked.anchored.slot for row in rows):
                return is_later
            if len(rows) < LISTED:
                return False
            # The last one once more: who lists it knows where to go on from.
            before, last = rows[-2].signature, rows[-1]
            if asked.is_past(last.slot):
                search.before, search.last = before, last

    async def _page(
        self, endpoint: Endpoint, asked: _Asked, before: str | None, deadline_s: float
    ) -> list[_Row]:
        """Of the wallet's list, by a node that is as far as the look was, asked for once for all that were
        looked at together. Raises `NoAnswer`."""
        key = endpoint.name, before, asked.slot, asked.wallet
        if (coming := self._pages.get(key)) is not None:
            return await asyncio.shield(coming)
        options: dict[str, Any] = {
            **FINALIZED, "limit": LISTED, "minContextSlot": max(0, asked.slot - LAG_SLOTS),
        }  # fmt: skip
        place = {} if before is None else {"before": before}
        call: Call = ("getSignaturesForAddress", [asked.wallet, options | place])
        self._pages[key] = coming = asyncio.get_running_loop().create_future()
        try:
            (said,) = await endpoint.ask([call], deadline_s, urgent=True)
            coming.set_result(rows := _rows(said))
        except NoAnswer as e:
            coming.set_exception(NoAnswer(e.reason))
            raise
        except asyncio.CancelledError:
            coming.set_exception(NoAnswer("whoever asked for it waits no longer"))
            raise
        finally:
            del self._pages[key]
            # It may be that nobody else waits for it.
            coming.exception()
        return rows

    def _search(self, name: str, asked: _Asked) -> _Search:
        key = name, asked.swap.signature
        search = self._searches.pop(key, None)
        if search is None:
            shelf = self._shelves.setdefault(name, BlockShelf())
            search = _Search(BlockWalk(asked.swap.signature, asked.anchored, asked.last, shelf))
        self._searches[key] = search
        while len(self._searches) > _KEPT:
            self._searches.popitem(last=False)
        return search


def _rows(said: Result) -> list[_Row]:
    """Raises `NoAnswer` where that is no list."""
    try:
        rows = [_Row(str(row["signature"]), row["slot"], row["err"] is not None) for row in said]
    except (KeyError, TypeError):
        raise NoAnswer("no list of signatures") from None
    if not all(type(row.slot) is int and row.slot > 0 for row in rows):
        raise NoAnswer("a landing of no slot")
    return rows
