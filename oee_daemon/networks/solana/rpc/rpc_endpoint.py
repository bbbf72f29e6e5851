"""One RPC endpoint: several calls in one request where it takes that, else one after another.

One request is answered by one node, whatever stands in front of it: what has to be of one time is asked for
in one batch. How many calls an endpoint takes in one is found out once and remembered: free plans of some
providers take three (https://drpc.org, https://1rpc.io), others none.
"""

from __future__ import annotations

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
    TooOften,
    body_of,
    check_status,
    pause_of,
    results_of,
)
from oee_daemon.networks.solana.rpc.rpc_deadline import Within
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site, now


class Endpoint:
    """`name` is its host, and may be shown; its address may hold a key, and is not."""

    def __init__(self, site: Site, bucket: Bucket, name: str | None = None) -> None:
        self.name = name or site.name
        self.operator = operator_of(self.name)
        self.transport = site.transport
        self._site = site
        self._bucket = bucket
        #: The most calls that it took in one request, and the most that it is asked, where it refused more.
        self._took, self._most = 1, math.inf
        #: When the last answer was made, where it said so.
        self.dated: Dated | None = None
        #: The number of the next call: an answer to an earlier one, late or mixed up, is none to another.
        self._next = 1

    @property
    def batches(self) -> bool | None:
        """Whether it takes batches; none as long as nobody knows."""
        return None if self._took == 1 < self._most else self._took > 1

    async def ask(self, calls: Sequence[Call], deadline_s: float, *, urgent: bool = False) -> list[Result]:
        """The result of each call, or an `RpcError` in its place. Raises `NoAnswer`: then there is none."""
        try:
            with Within(deadline_s):
                return await self._answered(calls, deadline_s, urgent)
        except TimeoutError:
            raise NoAnswer(f"nothing within {deadline_s:.3g} s") from None
        except NoAnswer as e:
            if e.pause_s:
                self._bucket.pause(e.pause_s)
            raise

    async def close(self) -> None:
        await self._site.close()

    async def _answered(self, calls: Sequence[Call], deadline_s: float, urgent: bool) -> list[Result]:
        if 1 < len(calls) <= self._most:
            try:
                found = await self._request(calls, deadline_s, urgent, batch=True)
            except BatchRefused:
                if len(calls) <= self._took:
                    raise
            else:
                self._took = max(self._took, len(calls))
                return found
        size, found = self._took, []
        for begin in range(0, len(calls), size):
            part = calls[begin : begin + size]
            found += await self._request(part, deadline_s, urgent, batch=len(part) > 1)
        if len(calls) > size:
            # By parts it answers: then it was a batch of so many that it refused.
            self._most = self._took
        return found

    async def _request(
        self, calls: Sequence[Call], deadline_s: float, urgent: bool, *, batch: bool
    ) -> list[Result]:
        if self._bucket.pause_s > deadline_s:
            raise NoAnswer("it asked to be left alone for a while")
        await self._bucket.turn(urgent=urgent)
        first, self._next = self._next, self._next + len(calls)
        body, asked = body_of(calls, first, batch=batch), time.time()
        reply = await self._site.post("", body)
        date = reply.headers.get("date")
        self.dated = None if date is None else Dated(date, asked, time.time())
        try:
            check_status(reply.status, reply.headers, now(), batch=batch, body=reply.body)
            return results_of(reply.body, first, calls, batch=batch)
        except TooOften as e:
            self._bucket.refused()
            pause_s = pause_of(reply.headers.get("retry-after"), now())
            raise TooOften(e.reason, pause_s or PAUSE_S) from None
