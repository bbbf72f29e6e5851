"""A chain behind a deadline: whatever it does wrong is an answer that is missing.

What is late is ended: a call that never returns costs its caller a few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.chain import Chain, FillPage, LandingPage
from oee_daemon.orders.swap import Anchor, Fill, Look, SignedSwap

T = TypeVar("T")

#: Seconds that the chain has to answer; that a look has beyond its wait, which asks several things one after
#: another; and a page of what has landed, which has many calls.
CHAIN_S, ROUND_S, PAGE_S = 4.0, 7.0, 6.0


class BoundedChain:
    """A `Chain` that knows its deadlines: its calls end in time, and raise nothing but what a `Chain` may."""

    def __init__(self, chain: Chain, faults: FaultLog) -> None:
        self._chain = chain
        self._faults = faults
        self.inside = chain.inside
        self.nodes = chain.nodes

    def expected_s(self) -> float:
        return self._chain.expected_s()

    async def identity(self) -> str:
        return await self._ask(CHAIN_S, self._chain.identity())

    async def anchor(self) -> Anchor:
        return await self._ask(CHAIN_S, self._chain.anchor(CHAIN_S))

    async def last_height(self) -> int:
        return await self._ask(CHAIN_S, self._chain.last_height(CHAIN_S))

    async def submit(self, swap: SignedSwap) -> None:
        await self._ask(CHAIN_S, self._chain.submit(swap, CHAIN_S))

    async def look(self, swap: SignedSwap, wait_s: float = 0) -> Sequence[Look]:
        return await self._ask(wait_s + ROUND_S, self._chain.look(swap, wait_s=wait_s))

    async def fill(self, signature: str, mints: Sequence[str] = ()) -> Fill | None:
        return await self._ask(CHAIN_S, self._chain.fill(signature, mints))

    async def fills(
        self, *, limit: int, before: str | None = None, mints: Sequence[str] = (), urgent: bool = True
    ) -> FillPage:
        return await self._ask(
            PAGE_S, self._chain.fills(limit=limit, before=before, mints=mints, urgent=urgent)
        )

    async def landings(
        self, *, limit: int, before: str | None = None, until: str | None = None
    ) -> LandingPage:
        return await self._ask(CHAIN_S, self._chain.landings(limit=limit, before=before, until=until))

    async def fills_of(self, signatures: Sequence[str]) -> FillPage:
        return await self._ask(CHAIN_S, self._chain.fills_of(signatures))

    async def _ask(self, deadline_s: float, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(deadline_s):
                return await call
        except (ChainUnavailable, BadCursor):
            raise
        except TimeoutError:
            raise ChainUnavailable(f"The chain did not answer within {deadline_s:g} s.") from None
        except Exception as e:
            self._faults.say("the chain failed", e)
            raise ChainUnavailable(f"The chain failed: {type(e).__name__}.") from e
