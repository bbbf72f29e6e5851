"""Several RPC endpoints: asked all at once where each one's word counts, or one after another for any answer.

One endpoint that hangs costs the others nothing; what none of them answers is `ChainUnavailable`. Where one
endpoint's word is enough, and why, is listed in docs/networks.md, One endpoint's word.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, Results
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.rpc.shared_bucket import Turnstile, bucket_for

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Seconds that the others have once one endpoint has answered.
GRACE_S = 0.5


class Pool:
    """Asks `endpoints`, of one event loop."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = endpoints
        #: Those that answered last come first.
        self._order = list(endpoints)

    async def each(
        self,
        calls: Sequence[Call],
        deadline_s: float,
        *,
        grace_s: float = GRACE_S,
        urgent: int = True,
    ) -> dict[str, Results]:
        """What each endpoint that answers says, by its name; `grace_s`: that the others have once one did.
        Raises `ChainUnavailable` where none does."""
        heard: dict[str, Results] = {}
        silent: list[str] = []

        async def ask(endpoint: Endpoint) -> None:
            try:
                heard[endpoint.name] = await endpoint.ask(calls, deadline_s, urgent=urgent)
            except NoAnswer as e:
                silent.append(f"{endpoint.name}: {e.reason}")

        loop = asyncio.get_running_loop()
        waiting = {loop.create_task(ask(endpoint)) for endpoint in self.endpoints}
        try:
            while waiting and not heard:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            if waiting:
                # One that hangs must not hold up what the others say.
                done, waiting = await asyncio.wait(waiting, timeout=grace_s)
                for task in done:
                    task.result()
        finally:
            await _end(waiting)
        if not heard:
            raise ChainUnavailable(f"No RPC endpoint answers ({'; '.join(silent)}).")
        if silent:
            log.debug("endpoints are silent", extra={"reason": "; ".join(silent)})
        return heard

    async def any(
        self,
        calls: Sequence[Call],
        read: Callable[[list[Result]], T],
        deadline_s: float,
        *,
        urgent: int = True,
        turn: int = 0,
    ) -> T:
        """What `read` makes of the first answer that it can use; it raises `NoAnswer` for one that it can't.
        `turn`: by how many the first one asked is another than usual.

        Raises `ChainUnavailable` where there is none.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        reasons = []
        first = turn % len(self._order)
        for n, endpoint in enumerate(order := self._order[first:] + self._order[:first]):
            # Each leaves time for those after it.
            share_s = (until - loop.time()) / (len(order) - n)
            try:
                found = read(await endpoint.ask(calls, max(share_s, 0.001), urgent=urgent))
            except NoAnswer as e:
                reasons.append(f"{endpoint.name}: {e.reason}")
                self._ask_last(endpoint)
            else:
                return found
        raise ChainUnavailable(f"No RPC endpoint answers ({'; '.join(reasons)}).")

    async def two(
        self,
        calls: Sequence[Call],
        read: Callable[[list[Result]], T],
        deadline_s: float,
        *,
        urgent: int = True,
    ) -> list[T]:
        """As `any`, of two endpoints at once, of two operators where there are: what `read` makes of each.

        One answer alone, where nobody else tells, or not within `GRACE_S` after it. What `read` raises but
        `NoAnswer` is raised, of either.
        """
        left, found, reasons = self._apart(), [], []
        share_s = deadline_s / -(-len(left) // 2)
        until = asyncio.get_running_loop().time() + deadline_s

        async def ask(endpoint: Endpoint) -> None:
            left_s = until - asyncio.get_running_loop().time()
            try:
                found.append(read(await endpoint.ask(calls, max(min(share_s, left_s), 0.001), urgent=urgent)))
            except NoAnswer as e:
                reasons.append(f"{endpoint.name}: {e.reason}")
                self._ask_last(endpoint)
            except asyncio.CancelledError:
                # Else each question would wait for one that hangs.
                self._ask_last(endpoint)
                raise

        waiting: set[asyncio.Task[None]] = set()
        try:
            while True:
                while left and len(waiting) + len(found) < 2:
                    waiting.add(asyncio.create_task(ask(left.pop(0))))
                if not waiting:
                    break
                done, waiting = await asyncio.wait(
                    waiting, timeout=GRACE_S if found else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
                if not done:
                    break
        finally:
            await _end(waiting)
        if not found:
            raise ChainUnavailable(f"No RPC endpoint answers ({'; '.join(reasons)}).")
        return found

    def _apart(self) -> list[Endpoint]:
        """The endpoints in their order, but second comes the first one of another operator."""
        first, *rest = self._order
        return [first, *sorted(rest, key=lambda one: one.operator == first.operator)]

    def _ask_last(self, endpoint: Endpoint) -> None:
        self._order.remove(endpoint)
        self._order.append(endpoint)

    async def close(self) -> None:
        for endpoint in self.endpoints:
            await endpoint.close()


async def _end(waiting: Collection[asyncio.Task[None]]) -> None:
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.gather(*waiting, return_exceptions=True)


def open_pool(addresses: Sequence[str], per_s: float, burst: int, turnstile: Turnstile | None = None) -> Pool:
    """The pool of these addresses, each with a bucket of its own, which all workers share where there is a
    turnstile. Raises `ValueError`, without an address."""
    sites = [Site(address) for address in addresses]
    hosts = Counter(site.name for site in sites)
    seen: Counter[str] = Counter()
    endpoints = []
    for site in sites:
        seen[site.name] += 1
        # Two keys at one provider are two endpoints of one name.
        name = f"{site.name} ({seen[site.name]})" if hosts[site.name] > 1 else site.name
        endpoints.append(Endpoint(site, bucket_for(site, name, (per_s, burst), turnstile), name))
    return Pool(endpoints)
