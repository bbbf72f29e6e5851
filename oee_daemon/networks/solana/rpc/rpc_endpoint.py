"""One RPC endpoint: several calls in one request where it takes that, else one after another.

One request is answered by one node, whatever stands in front of it: what has to be of one time is asked for
in one batch. How many calls an endpoint takes in one is found out by halving and remembered for a while: free
plans of some providers take three (https://drpc.org, https://1rpc.io), others none, and plans change.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence

from oee_daemon.networks.solana.rpc.endpoint_date import Dated
from oee_daemon.networks.solana.rpc.endpoint_operator import operator_of
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import (
    PAUSE_S,
    BatchRefused,
    Call,
    NoAnswer,
    Result,
    Results,
    TooOften,
    body_of,
    check_status,
    pause_of,
    results_of,
)
from oee_daemon.networks.solana.rpc.rpc_deadline import Within
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site, now

#: Seconds after which an endpoint is asked again for a batch as large as one that it refused.
REFUSED_S = 600.0
#: What counts for the node alone that answered the call before: how far its chain is, how far back it
#: remembers, and what it lists up to there. Who takes both in one request is asked for both in one.
_OF_THE_ONE_BEFORE = ("getEpochInfo", "getFirstAvailableBlock", "getSignaturesForAddress")


class Endpoint:
    """`name` is its host, and may be shown; its address may hold a key, and is not. `refused_s`: as
    `REFUSED_S`."""

    def __init__(
        self, site: Site, bucket: Bucket, name: str | None = None, *, refused_s: float = REFUSED_S
    ) -> None:
        self.name = name or site.name
        self.operator = operator_of(self.name)
        self.transport = site.transport
        self._site = site
        self._bucket = bucket
        #: The most calls that it took in one request, and the fewest that it refused, until when.
        self._took, self._refused, self._refused_until = 1, math.inf, math.inf
        self._refused_s = refused_s
        #: The question by which it is being found out what it takes in one request, and how urgent it is.
        self._learning: tuple[int, asyncio.Event] | None = None
        #: When the last answer was made, where it said so.
        self.dated: Dated | None = None
        #: The number of the next call: an answer to an earlier one, late or mixed up, is none to another.
        self._next = 1

    @property
    def batches(self) -> bool | None:
        """Whether it takes batches; none as long as nobody knows."""
        return None if self._took == 1 and self._refused > 2 else self._took > 1

    def is_learnt(self, most: int) -> bool:
        """Whether it is known how many calls it takes in one request, of up to so many."""
        return self._took >= most or self._refused == self._took + 1

    @property
    def largest_batch(self) -> int | None:
        """The most calls that it took in one request; none as long as nobody knows."""
        return None if self.batches is None else self._took

    async def ask(self, calls: Sequence[Call], deadline_s: float, *, urgent: int = False) -> Results:
        """The result of each call, or an `RpcError` in its place; `urgent`: see `request_bucket`. Raises
        `NoAnswer`: then there is none."""
        try:
            with Within(deadline_s):
                return await self._answer_calls(calls, deadline_s, urgent)
        except TimeoutError:
            raise NoAnswer(f"nothing within {deadline_s:.3g} s") from None

    async def close(self) -> None:
        await self._site.close()

    async def _answer_calls(self, calls: Sequence[Call], deadline_s: float, urgent: int) -> Results:
        until = asyncio.get_running_loop().time() + deadline_s * 3 / 4
        # What one finds out all know: else each of those that begin at once asks in vain for itself.
        while self._is_learnt_by_another(len(calls), urgent):
            assert self._learning is not None
            try:
                async with asyncio.timeout_at(until):
                    await self._learning[1].wait()
            except TimeoutError:
                return await self._in_parts(calls, deadline_s, urgent)
        if self._is_known(len(calls)):
            return await self._in_parts(calls, deadline_s, urgent)
        self._learning = mine = urgent, asyncio.Event()
        try:
            return await self._in_parts(calls, deadline_s, urgent)
        finally:
            self._is_told(mine)

    def _is_told(self, learning: tuple[int, asyncio.Event] | None) -> None:
        """What was to be found out is, or will not be by that question."""
        if learning is not None:
            learning[1].set()
            self._learning = None if self._learning is learning else self._learning

    def _is_learnt_by_another(self, most: int, urgent: int) -> bool:
        """Whether a question that is as urgent is finding out how many calls it takes in one request."""
        return not self._is_known(most) and self._learning is not None and self._learning[0] >= urgent

    def _is_known(self, most: int) -> bool:
        """Whether so many calls can be asked for without finding out how many it takes at once."""
        return most <= self._took or (self.is_learnt(most) and time.monotonic() <= self._refused_until)

    async def _in_parts(self, calls: Sequence[Call], deadline_s: float, urgent: int) -> Results:
        took, refused, until = self._took, self._refused, self._refused_until
        if time.monotonic() > until:
            refused = math.inf
        found = Results()
        while left := len(calls) - len(found):
            # All of them, until it refuses that; then half way between what it takes and what it does not.
            size = left if refused == math.inf else min(left, (took + int(refused)) // 2)
            while 1 < size < left and calls[len(found) + size][0] in _OF_THE_ONE_BEFORE:
                size -= 1
            part = calls[len(found) : len(found) + size]
            try:
                found.came(await self._request(part, deadline_s, urgent, batch=size > 1))
            except BatchRefused:
                took, refused = min(took, size - 1), size
                until = time.monotonic() + self._refused_s
                continue
            if len(calls) > 1:
                # Not before it answers anything: who refuses every size is down, and has shown none.
                took = max(took, size)
                self._took, self._refused, self._refused_until = took, refused, until
                if self._is_known(len(calls)):
                    self._is_told(self._learning)
        return found

    async def _request(
        self, calls: Sequence[Call], deadline_s: float, urgent: int, *, batch: bool
    ) -> list[Result]:
        methods = {method for method, _ in calls}
        if self._bucket.paused_s(methods) > deadline_s:
            raise NoAnswer("it asked to be left alone for a while")
        # Providers count the calls of a request, however many it has.
        await self._bucket.turn(len(calls), urgent=urgent, methods=methods)
        first, self._next = self._next, self._next + len(calls)
        body, asked = body_of(calls, first, batch=batch), time.time()
        reply = await self._site.post("", body)
        date = reply.headers.get("date")
        self.dated = None if date is None else Dated(date, asked, time.time())
        try:
            check_status(reply.status, reply.headers, now(), batch=batch, body=reply.body)
            return results_of(reply.body, first, calls, batch=batch)
        except NoAnswer as e:
            if isinstance(e, TooOften):
                self._bucket.refused()
                e.pause_s = pause_of(reply.headers.get("retry-after"), now()) or PAUSE_S
            if e.pause_s:
                # For what was refused: it limits some methods for themselves, and a swap is to be sent.
                self._bucket.pause(e.pause_s, e.methods or methods)
            raise
