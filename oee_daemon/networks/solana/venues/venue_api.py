"""A venue's HTTP API: what it says, in time, as JSON; and amounts and slippage as it words them.

What is no answer is `VenueLate`: asking again may help. What an answer refuses, the venue itself knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from oee_daemon.contract.ranking import BPS
from oee_daemon.errors import AttemptFailed, VenueError, VenueLate
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import (
    LONGEST_PAUSE_S,
    NoAnswer,
    pause_of,
    read_json,
)
from oee_daemon.networks.solana.rpc.rpc_deadline import Within
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site, now
from oee_daemon.orders.tokens import MAX_UNITS

#: Characters of a price impact that are read.
_LONGEST = 100
_ADDRESS = re.compile("[1-9A-HJ-NP-Za-km-z]{32,44}")


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its object, and the bytes that it came as, to be handed back as they are."""

    status: int
    json: dict[str, Any]
    raw: bytes


class Api:
    """The API of `name`, whose turns all of its callers share."""

    def __init__(self, name: str, site: Site, bucket: Bucket) -> None:
        self.name = name
        self._site = site
        self._bucket = bucket

    async def get(self, path: str, query: Mapping[str, str], deadline_s: float, *, urgent: bool) -> Said:
        """Raises `VenueLate`, and `VenueError` where what comes is no object."""
        try:
            with Within(deadline_s):
                await self._turn(deadline_s, urgent)
                return self._read_reply(await self._site.get(path, query))
        except (NoAnswer, TimeoutError) as e:
            raise self._late(e, deadline_s) from None

    async def post(self, path: str, body: bytes, deadline_s: float) -> Said:
        """As `get`."""
        try:
            with Within(deadline_s):
                await self._turn(deadline_s, True)
                return self._read_reply(await self._site.post(path, body))
        except (NoAnswer, TimeoutError) as e:
            raise self._late(e, deadline_s) from None

    async def read(
        self, path: str, query: Mapping[str, str], deadline_s: float, *, urgent: bool = False
    ) -> Any:
        """What is mostly looked at: any JSON, its numbers exact. Raises `VenueError`."""
        try:
            with Within(deadline_s):
                await self._turn(deadline_s, urgent)
                reply = await self._site.get(path, query)
        except (NoAnswer, TimeoutError) as e:
            raise self._late(e, deadline_s) from None
        self._heed_limits(reply)
        if reply.status != 200:
            raise VenueLate(f"{self.name} did not answer: HTTP {reply.status}.")
        try:
            return json.loads(reply.body, parse_float=Decimal)
        except (ValueError, RecursionError, ArithmeticError):
            raise self.odd() from None

    async def close(self) -> None:
        await self._site.close()

    async def _turn(self, deadline_s: float, urgent: bool) -> None:
        if self._bucket.paused_s() > deadline_s:
            raise NoAnswer("it asked to be left alone for a while")
        await self._bucket.turn(urgent=urgent)

    def _heed_limits(self, reply: Reply) -> None:
        if reply.status == 429:
            self._bucket.refused()
            self._bucket.pause(_pause_of(reply.headers) or 1.0)

    def _read_reply(self, reply: Reply) -> Said:
        self._heed_limits(reply)
        if reply.status != 200 and not 400 <= reply.status < 429:
            raise NoAnswer(f"HTTP {reply.status}")
        said = read_json(reply.body)
        if not isinstance(said, dict):
            raise self.odd()
        return Said(reply.status, said, reply.body)

    def _late(self, error: NoAnswer | TimeoutError, deadline_s: float) -> VenueLate:
        reason = error.reason if isinstance(error, NoAnswer) else f"nothing within {deadline_s:.3g} s"
        return VenueLate(f"{self.name} did not answer: {reason}.")

    def odd(self) -> VenueError:
        """Its answer is not what its documentation says: wrong amounts and mints are as bad as html."""
        return VenueError(
            f"{self.name} gave an answer of another shape.", code="venue_answer", retryable=True
        )

    def units(self, value: object) -> int:
        """A positive amount in base units, as a string of digits. Raises `VenueError`."""
        if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 20:
            raise self.odd()
        found = int(value)
        if not 0 < found <= MAX_UNITS:
            raise self.odd()
        return found


def _pause_of(headers: Mapping[str, str]) -> float:
    """Seconds for which it wants to be left alone; 0 where it does not say. Jupiter tells no `Retry-After`,
    but when the oldest request of its minute is over, in Unix seconds
    (https://dev.jup.ag/portal/rate-limits)."""
    told = headers.get("x-ratelimit-reset", "")
    if "retry-after" in headers or not told.isascii() or not told.isdigit() or len(told) > 12:
        return pause_of(headers.get("retry-after"), now())
    return min(max(0.0, int(told) - now().timestamp()), LONGEST_PAUSE_S)


def bps_of(value: object, per_one: int) -> int | None:
    """How far a price moves, in whole basis points, rounded up; none where it says none. `per_one`: how many
    of them 1 means.

    Without its sign: where 1 SOL brings less than the market's price, Jupiter's `/swap/v2/order` says
    -0.0018, though https://dev.jup.ag promises 0 to 1, and older answers say the same as 0.0018.
    """
    try:
        impact = abs(Decimal(text)) if len(text := str(value)) <= _LONGEST else None
    except InvalidOperation:
        return None
    if impact is None or not impact.is_finite():
        return None
    # Before it becomes a whole number: to write one of a million digits takes minutes.
    if impact > BPS:
        return BPS
    return min(BPS, int((impact * per_one).to_integral_value("ROUND_CEILING")))


def ids_of(rows: object, name: str) -> tuple[str, ...]:
    """The addresses that a route's hops have under that name, as far as they are any."""
    found = [row.get(name) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(dict.fromkeys(one for one in found if isinstance(one, str) and _ADDRESS.fullmatch(one)))


def slippage_bps(quoted: int, bound: int, *, exact_out: bool) -> int:
    """The widest slippage, in whole basis points, that still keeps the bound. Raises `AttemptFailed` where
    what is quoted does not keep it."""
    room = bound - quoted if exact_out else quoted - bound
    if room < 0:
        raise AttemptFailed(
            "The price moved beyond the slippage limit before the swap was built.",
            code="slippage_exceeded",
            retryable=True,
        )
    return min(BPS, room * BPS // quoted)
