"""An endpoint's turns: even, the urgent first, and a pause holds everybody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from oee_daemon.networks.solana.rpc.request_bucket import AHEAD_S, FIRST, Bucket
from oee_daemon.networks.solana.solana_market import open_market
from oee_daemon.networks.solana.solana_profile import MAINNET
from oee_daemon.settings import Settings


@pytest.mark.parametrize(("told", "every_s", "at_once"), [(None, 0.1, 40), (8, 0.125, 32), (50, 0.02, 200)])
def test_an_endpoint_is_asked_as_often_as_the_plan_allows(
    told: int | None, every_s: float, at_once: int
) -> None:
    async def run() -> None:
        market = open_market(MAINNET, Settings(home=Path("/nowhere"), rpc_rate=told))
        (endpoint,) = market.pool.endpoints
        assert (endpoint._bucket._every_s, endpoint._bucket._burst) == (every_s, at_once)
        await market.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("keyed", "told", "every_s", "at_once"),
    [
        (False, None, 4, 15),
        (True, None, 2, 30),
        (True, 1, 2, 30),
        (True, 10, 0.2, 300),
        (False, 50, 0.04, 1500),
    ],
)
def test_jupiter_is_asked_as_often_in_a_minute_as_the_plan_allows(
    tmp_path: Path, keyed: bool, told: int | None, every_s: float, at_once: int
) -> None:
    key = tmp_path / "key"
    key.write_text("k")
    key.chmod(0o600)

    async def run() -> None:
        settings = Settings(home=tmp_path, jupiter_key_file=key if keyed else None, jupiter_rate=told)
        market = open_market(MAINNET, settings)
        assert (market.jupiter._bucket._every_s, market.jupiter._bucket._burst) == (every_s, at_once)
        await market.close()

    asyncio.run(run())


def test_turns_are_even_and_the_urgent_come_first() -> None:
    order: list[str] = []

    async def run() -> None:
        bucket = Bucket(100.0, 2)
        loop = asyncio.get_running_loop()

        async def take(name: str) -> None:
            await bucket.turn(urgent=name.startswith("due"))
            order.append(name)

        bucket.pause(0.2)
        begun = loop.time()
        await asyncio.gather(*(take(name) for name in ["look 1", "look 2", "look 3", "due 1", "due 2"]))
        assert loop.time() - begun >= 0.229
        assert order == ["due 1", "due 2", "look 1", "look 2", "look 3"]

    asyncio.run(run())


def test_what_is_on_its_way_comes_before_what_is_still_to_be_built() -> None:
    """The pages of a wallet's history took the turns of a swap's confirmation. But not for ever: else it
    would keep every other order from being built."""
    order: list[str] = []

    async def run() -> None:
        bucket = Bucket(100.0, 1)
        await bucket.turn(4)

        async def take(name: str, urgent: int) -> None:
            await bucket.turn(urgent=urgent)
            order.append(name)

        waiting = [asyncio.ensure_future(take(*one)) for one in (("look", 0), ("build", 1), ("send", FIRST))]
        await asyncio.gather(*waiting)
        assert order == ["send", "build", "look"]
        order.clear()
        await bucket.turn()
        bucket._join(1, True, ()).rank = (False, asyncio.get_running_loop().time() - 2 * AHEAD_S, 0)
        waiting = [asyncio.ensure_future(take("send", FIRST))]
        old = bucket._waiting[0].turn
        old.add_done_callback(lambda _: order.append("build"))
        await asyncio.gather(old, *waiting)
        assert order == ["build", "send"]

    asyncio.run(run())


def test_a_pause_of_one_holds_nobody_who_asks_something_else() -> None:
    async def run() -> None:
        bucket = Bucket(1000.0, 1)
        bucket.pause(30, ["getSignaturesForAddress"])
        held = asyncio.ensure_future(bucket.turn(urgent=FIRST, methods=["a", "getSignaturesForAddress"]))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            for methods in ([], ["sendTransaction"], ["a"]):
                await bucket.turn(methods=methods)
        assert not held.done()
        held.cancel()

    asyncio.run(run())


def test_who_stops_waiting_takes_no_turn() -> None:
    async def run() -> None:
        bucket = Bucket(1.0, 1)
        await bucket.turn()
        waiting = [asyncio.ensure_future(bucket.turn()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        begun = asyncio.get_running_loop().time()
        await waiting[1]
        assert asyncio.get_running_loop().time() - begun < 1.9

    asyncio.run(run())


def test_a_pause_holds_everybody() -> None:
    async def run() -> None:
        bucket = Bucket(1000.0, 10)
        bucket.pause(0.05)
        assert 0.04 < bucket.paused_s() <= 0.05
        begun = asyncio.get_running_loop().time()
        await bucket.turn(urgent=True)
        assert asyncio.get_running_loop().time() - begun >= 0.049

    asyncio.run(run())
