"""One bucket per API for all workers of an engine and its daemon: its turns are counted by Valkey's clock.

Whoever is urgent and has to wait says so there, and nobody who only looks gets a turn before. Where Valkey is
away each process keeps to an equal share, by the number of workers that were there last: never without a
limit, and nobody waits for Valkey.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Collection, Coroutine, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, cast

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import LONGEST_PAUSE_S
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.queue.queue_refusals import COUNTS
from oee_daemon.queue.queue_roster import NAMES as WORKERS

log = logging.getLogger(__name__)

#: What the keys of an API's bucket and of its pauses begin with; its host follows.
KEY, PAUSES = "oee:turns:", "oee:pauses:"
#: Seconds that Valkey has for an answer, and for which it is not asked again once it had none.
ANSWER_S, AWAY_S = 0.3, 1.0
#: The most turns that one takes at once: no request has more calls.
MOST_AT_ONCE = 10
#: How many share the API where nobody ever said how many there are.
MANY = 4
#: Microseconds for which a waiting urgent one keeps its place beyond the turn that it was told of.
_HOLD_US = 50_000

# The generic cell rate algorithm (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm) on one number:
# `full` is when the bucket is full again, and each turn moves it on. `urgent` is until when whoever only
# looks has to stand back; the second key has until when the API wants to be left alone, by what it refused.
# All are microseconds of Valkey's clock, and bounded: a clock that was set back blocks nobody for longer.
_TURN = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local every, burst, urgent = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local longest, hold = tonumber(ARGV[4]), tonumber(ARGV[5])
local held = redis.call('HMGET', KEYS[1], 'full', 'urgent')
local count, most = tonumber(ARGV[6]), tonumber(ARGV[7])
local full = math.min(math.max(tonumber(held[1]) or 0, now), now + (burst + most) * every)
local stand = math.min(tonumber(held[2]) or 0, now + longest + hold)
local wait = full - (burst - 1) * every - now
if not urgent then wait = math.max(wait, stand - now) end
if count > 0 then
  if wait <= 0 then
    full = full + math.min(count, most) * every
  elseif urgent then
    stand = math.max(stand, now + wait + hold)
  end
end
local function text(n) return string.format('%.0f', n) end
redis.call('HSET', KEYS[1], 'full', text(full), 'urgent', text(stand))
redis.call('PEXPIRE', KEYS[1], 120000)
for n = 8, #ARGV, 2 do
  local before = tonumber(redis.call('HGET', KEYS[2], ARGV[n])) or 0
  redis.call('HSET', KEYS[2], ARGV[n], text(math.max(before, now + tonumber(ARGV[n + 1]))))
  redis.call('PEXPIRE', KEYS[2], 120000)
end
local found = {math.ceil(math.max(wait, 0)), redis.call('SCARD', KEYS[3])}
local pauses = redis.call('HGETALL', KEYS[2])
for n = 1, #pauses, 2 do
  local left = math.min((tonumber(pauses[n + 1]) or 0) - now, longest)
  if left > 0 then
    table.insert(found, pauses[n])
    table.insert(found, math.ceil(left))
  else
    redis.call('HDEL', KEYS[2], pauses[n])
  end
end
return found
"""


class Turnstile:
    """The connection to Valkey of one process's buckets, all of one event loop."""

    def __init__(self, url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(
            url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S, retry=Retry(NoBackoff(), 0)
        )
        self._script = self._client.register_script(_TURN)
        self._away_until = 0.0
        #: Who shares an API: the workers that were there last, and a daemon.
        self.sharers = MANY

    def bucket(self, name: str, per_s: float, burst: int) -> Bucket:
        """That of the API of that host."""
        return SharedBucket(self, name, per_s, burst)

    async def ask(
        self,
        name: str,
        every_us: float,
        burst: int,
        *,
        urgent: bool,
        pauses: Mapping[frozenset[str], float] = MappingProxyType({}),
        take: int = 1,
    ) -> tuple[float, dict[frozenset[str], float]] | None:
        """Seconds until there may be a turn, 0 where `take` were taken, and of the API's pauses, by the
        methods that they are for, as in `pauses`; none where Valkey is away."""
        if time.monotonic() < self._away_until:
            return None
        told = [word for what, s in pauses.items() for word in (",".join(sorted(what)), round(s * 1e6))]
        arguments = [
            round(every_us), burst, int(urgent), round(LONGEST_PAUSE_S * 1e6), _HOLD_US, take, MOST_AT_ONCE,
        ]  # fmt: skip
        keys = [KEY + name, PAUSES + name, WORKERS]
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = cast(Awaitable[list[Any]], self._script(keys=keys, args=[*arguments, *told]))
                wait, workers, *rows = await answer
        except (redis.RedisError, OSError, TimeoutError) as e:
            self._away_until = time.monotonic() + AWAY_S
            log.debug("turns are shared by number", extra={"reason": type(e).__name__})
            return None
        self.sharers = workers + 1
        named = zip(rows[::2], rows[1::2], strict=True)
        return wait / 1e6, {frozenset(filter(None, n.decode().split(","))): us / 1e6 for n, us in named}

    async def count(self, name: str) -> None:
        """One more 429 of the API of that host; where Valkey is away it is not counted."""
        if time.monotonic() < self._away_until:
            return
        with suppress(redis.RedisError, OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await self._client.hincrby(COUNTS, name, 1)

    async def close(self) -> None:
        await self._client.aclose()


def bucket_for(site: Site, name: str, rate: tuple[float, int], turnstile: Turnstile | None = None) -> Bucket:
    """The bucket of what is at that site: turns a second, and at once after a rest.

    What is on this machine is nobody's service, and is asked without asking Valkey before each request.
    """
    if turnstile is None or site.transport == "local":
        return Bucket(*rate)
    return turnstile.bucket(name, *rate)


class SharedBucket(Bucket):
    """As `Bucket`, of all who name the API alike."""

    def __init__(self, turnstile: Turnstile, name: str, per_s: float, burst: int) -> None:
        super().__init__(per_s, burst)
        self._turnstile = turnstile
        self._name = name
        self._per_s = per_s
        #: Turns that were had without being taken, or, below 0, taken and not had.
        self._owed = 0
        #: While Valkey is away; none while it answers.
        self._share: Bucket | None = None
        self._pump: asyncio.Task[None] | None = None
        self._came = asyncio.Event()
        #: Pauses of which Valkey does not know yet. Each is told once: told anew with each turn it would last
        #: longer by every way there and back.
        self._untold: set[frozenset[str]] = set()
        self._told: set[asyncio.Task[object]] = set()

    def pause(self, seconds: float, methods: Collection[str] = ()) -> None:
        super().pause(seconds, methods)
        self._untold.add(frozenset(methods))
        # The others are told at once, and not at the next turn, which comes after the pause.
        self._tell(self._ask(urgent=False, take=0))

    def refused(self) -> None:
        self._tell(self._turnstile.count(self._name))

    def _tell(self, words: Coroutine[object, object, object]) -> None:
        telling = asyncio.ensure_future(words)
        self._told.add(telling)
        telling.add_done_callback(self._told.discard)

    async def turn(self, count: int = 1, *, urgent: int = False, methods: Collection[str] = ()) -> None:
        one = self._join(count, urgent, methods)
        self._came.set()
        if self._pump is None or self._pump.done():
            self._pump = asyncio.ensure_future(self._give_turns())
        await one.turn

    async def _give_turns(self) -> None:
        """Fetches turns for those who wait, one after another, as long as somebody does."""
        while (found := self._next()) is not None:
            paused_s, one = found
            self._came.clear()
            taken = max(1, one.count + self._owed)
            wait_s = paused_s or await self._wait_s(taken, urgent=bool(one.urgent))
            if wait_s > 0:
                # An urgent one that comes meanwhile asks for itself.
                try:
                    async with asyncio.timeout(wait_s):
                        await self._came.wait()
                except TimeoutError:
                    pass
            else:
                self._hand_over(taken)

    def _hand_over(self, taken: int) -> None:
        """The turns that were fetched are the first one's who still waits and may ask: it may be another, of
        another count."""
        self._owed -= taken
        found = self._next()
        if found is not None and not found[0]:
            self._owed += found[1].count
            found[1].turn.set_result(None)

    async def _wait_s(self, count: int, *, urgent: bool) -> float:
        """Seconds until it is worth asking again; 0: so many turns are taken."""
        told = await self._ask(urgent=urgent, take=count)
        if told is None:
            return self._own_wait_s(count)
        self._share = None
        # Not every process's timer is exact: a little later there is one for sure.
        return told + 0.0005 if told else 0.0

    async def _ask(self, *, urgent: bool, take: int) -> float | None:
        untold, self._untold = self._untold, set()
        pauses = {what: left for what in untold if (left := self.paused_s(what)) > 0}
        told = await self._turnstile.ask(
            self._name, self._every_s * 1e6, self._burst, urgent=urgent, pauses=pauses, take=take
        )
        if told is None:
            self._untold |= untold
            return None
        wait_s, others = told
        for what, left_s in others.items():
            super().pause(left_s, what)
        return wait_s

    def _own_wait_s(self, count: int) -> float:
        """By an equal share, which begins empty: who comes and goes gets no more by it."""
        sharers = max(1, self._turnstile.sharers)
        if self._share is None:
            self._share = Bucket(self._per_s / sharers, max(1, self._burst // sharers), rested=False)
        return 0.0 if self._share.take(count) else min(self._share.wait_s, AWAY_S)
