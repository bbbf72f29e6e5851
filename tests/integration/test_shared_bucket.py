"""Turns of one API, shared through Valkey: one pace for all processes, the urgent first, always a limit."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from oee_daemon.errors import VenueLate
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.rpc.shared_bucket import KEY, PAUSES, Turnstile, bucket_for
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.queue import queue_refusals, queue_roster

#: Turns a second, and at once after a rest.
PER_S, BURST = 60.0, 4
#: Seconds by which a moment is told later than it was.
LATE_S = 0.03


def turning(turn: Callable[[list[Turnstile]], Awaitable[None]], *urls: str) -> None:
    """Runs that with a turnstile for each address, as so many workers."""

    async def run() -> None:
        stiles = [Turnstile(url) for url in urls]
        try:
            await turn(stiles)
        finally:
            for stile in stiles:
                await stile.close()

    asyncio.run(run())


def worker(url: str, count: int) -> subprocess.Popen[str]:
    """A process that says that it is ready, takes so many turns once it is told to, and then says when it got
    each."""
    code = f"""
import asyncio, json, sys, time
from oee_daemon.networks.solana.rpc.shared_bucket import Turnstile
async def run():
    stile = Turnstile({url!r})
    bucket, got = stile.bucket("an.api", {PER_S}, {BURST}), []
    async def one():
        await bucket.turn()
        got.append(time.time())
    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(one() for _ in range({count})))
    await stile.close()
    print(json.dumps(got))
asyncio.run(run())
"""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)


def test_two_processes_have_one_pace(redis_url: str) -> None:
    turns = 30
    workers = [worker(redis_url, turns) for _ in range(2)]
    for one in workers:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in workers:
        assert one.stdin is not None and one.stdin.write("go\n")
        one.stdin.flush()
    got = [json.loads(one.communicate(timeout=60)[0]) for one in workers]
    moments = sorted(moment for each in got for moment in each)
    assert [len(each) for each in got] == [turns, turns]
    # However many there are in a span, the bucket had them: it fills at its pace.
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            span = moments[last] - moments[first] + LATE_S
            assert last - first + 1 <= BURST + span * PER_S + 1, (first, last)
    # And neither of them waited for the other to end.
    assert max(got[0]) > min(got[1]) and max(got[1]) > min(got[0])


def test_the_urgent_one_of_another_process_goes_first(redis_url: str) -> None:
    async def run(stiles: list[Turnstile]) -> None:
        looking, executing = (stile.bucket("b", 100.0, 1) for stile in stiles)
        order: list[str] = []

        async def one(bucket: Bucket, name: str, urgent: bool) -> None:
            await bucket.turn(urgent=urgent)
            order.append(name)

        idle = [asyncio.ensure_future(one(looking, "look", False)) for _ in range(40)]
        await asyncio.gather(*idle[:3])
        before = len(order)
        await asyncio.gather(*(one(executing, "execute", True) for _ in range(10)))
        assert order[before:].count("look") <= 2, order
        await asyncio.gather(*idle)

    turning(run, redis_url, redis_url)


@pytest.mark.parametrize("with_valkey", [True, False])
def test_a_batch_takes_as_many_turns_as_it_has_calls(
    redis_url: str, tmp_path: Path, with_valkey: bool
) -> None:
    """Providers count calls: counted as one each, the batches of a busy engine are eight times its limit."""

    async def run(stiles: list[Turnstile]) -> None:
        stiles[0].sharers = 1
        one = stiles[0].bucket("k", 100.0, 4)
        # Without Valkey each has its share, and nobody knows of the others.
        other = stiles[1].bucket("k", 100.0, 4) if with_valkey else one
        begun = time.monotonic()
        for _ in range(4):
            await one.turn(8)
            await other.turn(urgent=True)
        # Before the last one, 3 of 8, less the 4 of a rested bucket; as one each they were over at once.
        assert time.monotonic() - begun >= (3 * 8 - 4) / 100

    turning(run, *([redis_url] * 2 if with_valkey else [shut(tmp_path)]))


def test_whoever_is_handed_the_turns_of_another_count_pays_for_its_own(redis_url: str) -> None:
    async def run(stiles: list[Turnstile]) -> None:
        bucket = stiles[0].bucket("l", 50.0, 1)
        await bucket.turn()
        gone = asyncio.ensure_future(bucket.turn())
        await asyncio.sleep(0)
        gone.cancel()
        begun = time.monotonic()
        await asyncio.gather(bucket.turn(8), *(bucket.turn() for _ in range(2)), return_exceptions=True)
        # Before the last: the first of all, 8, and 1.
        assert time.monotonic() - begun >= 9 / 50

    turning(run, redis_url)


@pytest.mark.parametrize("methods", [["a", "b"], []], ids=["of some", "of all"])
def test_a_pause_that_one_is_asked_for_is_everybodys(redis_url: str, methods: list[str]) -> None:
    """Of who asks for what was refused."""

    async def run(stiles: list[Turnstile]) -> None:
        one, other = (stile.bucket("c", 1000.0, 10) for stile in stiles)
        await other.turn()
        one.pause(0.4, methods)
        for _ in range(1000):
            told = await stiles[1].ask("c", 1e3, 10, urgent=False, take=0)
            if told is not None and told[1]:
                break
        begun = time.monotonic()
        if methods:
            for others in (["a"], ["c"], []):
                await other.turn(methods=others)
            assert other.paused_s(["a", "b", "c"]) > 0
        await other.turn(urgent=True, methods=["a", "b", "c"])
        assert time.monotonic() - begun > 0.3 and other.paused_s(methods) == 0
        assert one.paused_s(methods) < 0.05

    turning(run, redis_url, redis_url)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pause_ends_however_often_others_take_turns_meanwhile(redis_url: str, workers: int) -> None:
    """Each turn that was fetched told the pause anew, longer by the way to Valkey and back: a send that was
    refused once waited as long as anything else was asked."""

    async def run(stiles: list[Turnstile]) -> None:
        buckets = [stile.bucket(f"m{workers}", 1e6, 1000) for stile in stiles]
        buckets[0].pause(0.3, ["send"])
        sent = asyncio.ensure_future(buckets[0].turn(methods=["send"]))

        async def look(bucket: Bucket) -> None:
            while not sent.done():
                await bucket.turn(methods=["look"])

        begun = time.monotonic()
        await asyncio.gather(*map(look, buckets))
        assert time.monotonic() - begun < 1.0

    turning(run, *[redis_url] * workers)


def test_each_429_of_an_api_and_an_endpoint_is_counted_by_its_host(redis_url: str) -> None:
    async def run(stiles: list[Turnstile]) -> None:
        for stile in stiles:
            site = RefusingSite("https://user:s3cret@an.api/key")
            endpoint = Endpoint(site, bucket_for(site, "rpc.example (2)", (1000.0, 10), stile))
            api = Api("an api", site, bucket_for(site, site.name, (1000.0, 10), stile))
            with pytest.raises(NoAnswer, match="HTTP 429"):
                await endpoint.ask([("getSlot", [])], 2.0)
            with pytest.raises(VenueLate):
                await api.read("", {}, 2.0)
            # What is told in passing.
            while len(asyncio.all_tasks()) > 1:
                await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    turning(run, redis_url, redis_url)
    with redis.Redis.from_url(redis_url) as client:
        assert queue_refusals.counted(client) == {"an.api": 2, "rpc.example (2)": 2}


class RefusingSite(Site):
    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Reply:
        return Reply(429, {}, b"")


def shut(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/nobody.sock"


def test_without_valkey_each_has_its_share_and_comes_to_an_end(tmp_path: Path) -> None:
    async def run(stiles: list[Turnstile]) -> None:
        stiles[0].sharers = 4
        bucket = stiles[0].bucket("d", 200.0, 8)
        moments = []
        for _ in range(12):
            await bucket.turn()
            moments.append(time.monotonic())
        # A quarter of 200 a second, and no burst for whoever comes back and goes away again.
        assert moments[-1] - moments[0] >= 10 / 50
        assert all(later - earlier < 1 for earlier, later in pairwise(moments))

    turning(run, shut(tmp_path))


def test_a_valkey_that_is_silent_holds_up_nobody_for_long(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen()

        async def run(stiles: list[Turnstile]) -> None:
            bucket = stiles[0].bucket("e", 1000.0, 100)
            begun = time.monotonic()
            await asyncio.gather(*(bucket.turn() for _ in range(30)))
            assert time.monotonic() - begun < 2

        turning(run, f"unix://{tmp_path}/mute.sock")


def test_the_share_goes_by_the_workers_that_were_there_last(redis_url: str) -> None:
    names = [f"w{n}" for n in range(5)]
    with redis.Redis.from_url(redis_url) as client:
        client.sadd(queue_roster.NAMES, *names)

        async def run(stiles: list[Turnstile]) -> None:
            await stiles[0].bucket("f", 1000.0, 10).turn()
            assert stiles[0].sharers == len(names) + 1

        turning(run, redis_url)
        client.srem(queue_roster.NAMES, *names)


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        (KEY, {"full": "9e18"}),
        (PAUSES, {"": "9e18"}),
        (KEY, {"urgent": "9e18"}),
        (KEY, {"full": "x"}),
        (PAUSES, {"": "x"}),
    ],
)
def test_a_clock_that_was_set_back_blocks_nobody_for_ever(
    redis_url: str, key: str, kept: dict[str, str]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.delete(f"{KEY}g", f"{PAUSES}g")
        client.hset(f"{key}g", mapping=kept)

    async def run(stiles: list[Turnstile]) -> None:
        told = await stiles[0].ask("g", 1e4, 5, urgent=False)
        assert told is not None and max(told[0], *told[1].values(), 0) <= 60.1

    turning(run, redis_url)


def test_who_stops_waiting_takes_nobodys_turn(redis_url: str) -> None:
    async def run(stiles: list[Turnstile]) -> None:
        bucket = stiles[0].bucket("h", 20.0, 1)
        await bucket.turn()
        left = [asyncio.ensure_future(bucket.turn()) for _ in range(50)]
        await asyncio.sleep(0)
        for one in left:
            one.cancel()
        begun = time.monotonic()
        await bucket.turn()
        assert time.monotonic() - begun < 0.5
        await asyncio.gather(*left, return_exceptions=True)

    turning(run, redis_url)
