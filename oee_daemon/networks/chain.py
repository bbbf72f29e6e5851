"""What every chain offers. `submit` is the one call in the engine with an effect.

The rules that make an order safe rest on two promises, which the suite in `networks.conformance` checks on
every chain: the same bytes land at most once, and what is shown as final never changes. A chain says what its
nodes show and no more: they lag, forget, follow forks that lose, and answer from several times at once. What
all that amounts to is decided in `verdict`, for every chain alike. A chain knows signatures, mints and
amounts; whose they are, the engine knows. Its coroutines run on the loop of everybody's orders: none may
block it, and each ends when it is cancelled.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple, Protocol
from uuid import UUID

from oee_daemon.orders.swap import Anchor, Fill, Look, SignedSwap


@dataclass(frozen=True, slots=True)
class FillPage:
    """Fills, newest first. `before`: where to go on from, where there are more. `height`: up to which
    block all are known, and `reach_s`: for how many seconds back, where there are no more. `unread`: orders
    of which something landed that can't be read. `back_to`: nothing that landed after it is on a later page,
    and where there is none, what landed since is remembered; none: as the last of the fills says."""

    fills: Sequence[Fill]
    before: str | None
    height: int = 0
    unread: Sequence[UUID] = ()
    reach_s: float = math.inf
    back_to: datetime | None = None


class ListedLanding(NamedTuple):
    """What may be a swap of the wallet's, before it is read. `at` begins time where its block says none."""

    signature: str
    at: datetime


class LandingPage(NamedTuple):
    """Some of them, newest first. `before`: where to go on from, where there may be more. `shared`: those
    that every node lists; none: all."""

    landings: Sequence[ListedLanding]
    before: str | None
    shared: Collection[str] | None = None


def newer(listed: Sequence[ListedLanding], before: str | None, until: str | None) -> LandingPage:
    """The page of a chain that has one list, which ends at the signature `until`."""
    found = list(takewhile(lambda one: one.signature != until, listed))
    return LandingPage(found, before if len(found) == len(listed) else None)


class Chain(Protocol):
    #: It is kept in the engine's own database: whoever copies that has a copy of the chain, not the chain.
    inside: bool
    #: How many nodes it asks, whether they answer or not.
    nodes: int

    async def identity(self) -> str:
        """Which chain this is, among all of its kind. Raises `ChainUnavailable`."""
        ...

    async def anchor(self, deadline_s: float) -> Anchor:
        """A recent blockhash to build on, within `deadline_s` seconds. Raises `ChainUnavailable`."""
        ...

    async def last_height(self, deadline_s: float) -> int:
        """The last height, of blocks, at which anything can land that was signed until now, by whomever:
        asked within `deadline_s` seconds, never what was told before. Raises `ChainUnavailable`."""
        ...

    async def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        """Hands in the signed bytes within `deadline_s` seconds; harmless to repeat with the same swap.

        Raises `ChainUnavailable` where the answer is missing or a refusal: neither decides anything,
        for an earlier or lost send of the same bytes may still land.
        """
        ...

    async def look(self, swap: SignedSwap, wait_s: float = 0) -> Sequence[Look]:
        """What each node that answers shows of the swap, after up to `wait_s` seconds for it to become final.

        Raises `ChainUnavailable` where none can be asked.
        """
        ...

    async def fill(self, signature: str, mints: Sequence[str] = ()) -> Fill | None:
        """What that signature has moved for good; none where it is not known to have landed. `mints`: of the
        swap that it is, where that is known, as in `fills`. For who looks: what is due for execution goes
        first.

        Raises `ChainUnavailable`.
        """
        ...

    async def fills(
        self, *, limit: int, before: str | None = None, mints: Sequence[str] = (), urgent: bool = True
    ) -> FillPage:
        """What has landed for good, newest first: `limit` of them, from the signature or
        earlier page's place `before` on. `mints`: of the swap looked for, which is read by them where dust of
        another token came along. `urgent`: an order waits for it; else what is due for execution goes first.

        Raises `ChainUnavailable`, and `BadCursor` where no swap of that signature has landed.
        """
        ...

    async def landings(
        self, *, limit: int, before: str | None = None, until: str | None = None
    ) -> LandingPage:
        """What may be a fill, newest first, out of `limit` landings of each node that are older than `before`
        and newer than the signature `until`: `fills` without reading each. `before` is of an earlier page.
        Each node's list ends by itself: none of them hides a landing that another tells.

        Raises `ChainUnavailable`.
        """
        ...

    async def fills_of(self, signatures: Sequence[str]) -> FillPage:
        """The fills that some of `landings` were, a handful at a time, and the orders of those that can't be
        read. Raises `ChainUnavailable`."""
        ...

    def expected_s(self) -> float:
        """Seconds from a submission to its confirmation, when all goes well."""
        ...
