"""Prices for what waits: how old a slot is, and what a look at localnet's pools and APIs says and costs."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from solders.keypair import Keypair

from oee_daemon.contract.order_types import Side
from oee_daemon.errors import VenueLate
from oee_daemon.networks.prices import Watched, price_of
from oee_daemon.networks.solana import solana_pool_reader, solana_prices
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.solana_endpoint_ages import SlotAge
from oee_daemon.networks.solana.solana_prices import SolanaPrices
from oee_daemon.networks.solana.solana_profile import Pace
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import TOKENS
from tests.networks.localnet.conftest import Localnet
from tests.networks.solana.held import held
from tests.networks.solana.price_rig import PACE, PAIRS, Rig, Says


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Localnet]:
    with held(tmp_path) as found:
        yield found


@pytest.mark.parametrize(
    ("heard", "old"),
    [
        ([(100, 0), (101, 1), (102, 2)], 0.0),
        ([(100, 0), (110, 1), (110, 9)], 8.0),
        # Behind what was heard before: each slot counts, though it goes on.
        ([(100, 0), (110, 1), (80, 1), (81, 2)], 29 * 0.4 + 1),
        # No honest node is there yet; what it says moves nothing.
        ([(100, 0), (900_000, 1)], None),
        ([(100, 0), (900_000, 1), (104, 2)], 0.0),
        # One that lies ahead and falls silent makes the honest ones hardly older.
        ([(100, 0), (164, 0), (101, 0.4)], 0.0),
        # Who was heard first lied: after ten minutes the others' slots count, once they have gone on.
        ([(900_000, 0), (100, 601)], 601.0),
        ([(900_000, 0), (100, 601), (102, 602)], 0.0),
    ],
)
def test_how_old_a_slot_is(heard: list[tuple[int, float]], old: float | None) -> None:
    ages = SlotAge(fastest_s=0.1)
    found = [ages.of(slot, at) for slot, at in heard][-1]
    assert found is old is None or found == pytest.approx(old)


def test_a_look_is_at_the_level_of_the_best_venue_net_of_its_fee(net: Localnet) -> None:
    rig = Rig(net)
    found = rig.look(*PAIRS)
    assert set(found) == {one.name for one in PAIRS}
    for one in PAIRS:
        for side in Side:
            quote = asyncio.run(rig.prices.probed(one, side))
            assert quote is not None
            exact, told = price_of(quote, side, one.base, one.quote), found[one.name]
            said, venue = (told.ask, told.ask_venue) if side is Side.BUY else (told.bid, told.bid_venue)
            assert abs(said - exact) <= exact * Decimal("0.0001") and venue == quote.venue
    assert {price.slot for price in found.values()} == {net.rpc("getSlot", {"commitment": "confirmed"})}


def test_however_many_pairs_there_are_a_look_asks_each_once(net: Localnet) -> None:
    rig = Rig(net, venues="cpmm")
    rig.look(*PAIRS)
    asked = rig.site.asked
    rig.look(*PAIRS)
    assert rig.site.asked == asked + 1


@pytest.mark.parametrize("nodes", [("slow",), ("slow", "slower")])
def test_a_chain_that_stands_still_ages_every_price(net: Localnet, nodes: tuple[str, ...]) -> None:
    for name in nodes:
        net.order("nodes", name=name, lag=0)
    rig = Rig(net, nodes)
    net.blocks(200)
    assert rig.look(PAIRS[0])[PAIRS[0].name].age_s < PACE.max_age_s
    with sqlite3.connect(net.path) as db:
        db.execute("UPDATE nodes SET lag = 100")
    db.close()
    assert rig.look(PAIRS[0])[PAIRS[0].name].age_s > PACE.max_age_s


def test_one_endpoint_that_is_behind_ages_nothing_and_one_that_answers_nothing_has_no_price(
    net: Localnet,
) -> None:
    net.order("nodes", name="behind", lag=100)
    rig = Rig(net, ("behind", "main"))
    net.blocks(200)
    assert rig.look(PAIRS[0])[PAIRS[0].name].age_s < PACE.max_age_s
    net.order("faults", target="read", kind="503", percent=100)
    assert rig.look(PAIRS[0]) == {}


class OneLies:
    """The endpoints of a reader, of which one tells twice as much in each pool's second vault, `ahead` slots
    further on."""

    def __init__(self, rpc: Any, liar: int, ahead: int) -> None:
        self._rpc, self._liar, self._ahead = rpc, liar, ahead

    async def each(self, *args: Any, **named: Any) -> Any:
        heard = await self._rpc.each(*args, **named)
        said = heard[self._rpc.endpoints[self._liar].name][0]
        said["context"]["slot"] += self._ahead
        for row in said["value"][3::6]:
            if row is not None:
                data = bytearray(base64.b64decode(row["data"][0]))
                data[64:72] = (2 * int.from_bytes(data[64:72], "little")).to_bytes(8, "little")
                row["data"][0] = base64.b64encode(data).decode()
        return heard


@pytest.mark.parametrize("ahead", [0, 10, -10])
@pytest.mark.parametrize(("nodes", "liar"), [(3, 0), (3, 1), (3, 2), (2, 0), (2, 1)])
def test_one_endpoint_neither_moves_a_price_nor_keeps_one_from_moving(
    net: Localnet, nodes: int, liar: int, ahead: int
) -> None:
    """Of two, Jupiter's prices say which one is right."""
    names = ("one", "two", "three")[:nodes]
    for name in names:
        net.order("nodes", name=name, lag=0)
    net.blocks(50)
    honest = Rig(net, names).look(PAIRS[0])[PAIRS[0].name]
    rig = Rig(net, names)
    rig.reader._rpc = OneLies(rig.reader._rpc, liar, ahead)  # type: ignore[assignment]
    for _ in range(3):
        net.blocks(1)
        told = rig.look(PAIRS[0])[PAIRS[0].name]
        assert abs(told.bid - honest.bid) < honest.bid / 10 and told.age_s < PACE.max_age_s


@pytest.mark.parametrize("nodes", [2, 3])
def test_who_stands_still_has_no_say(net: Localnet, nodes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of three the other two are two: the higher of them is not the middle."""
    monkeypatch.setattr(solana_pool_reader, "_OLDER_S", 0.0)
    names = ("one", "two", "three")[:nodes]
    for name in names:
        net.order("nodes", name=name, lag=0)
    net.blocks(50)
    reader = Rig(net, names).reader
    first = asyncio.run(reader.look(PAIRS[:1], urgent=False))
    assert first is not None and bool(first.others) is (nodes == 2)
    net.blocks(1)
    with sqlite3.connect(net.path) as db:
        db.execute("UPDATE nodes SET lag = 1 WHERE name = 'two'")
    db.close()
    sight = asyncio.run(reader.look(PAIRS[:1], urgent=False))
    assert sight is not None and bool(sight.others) is (nodes == 3)


def test_old_prices_of_jupiter_s_bear_nobody_out(net: Localnet) -> None:
    """It may have been down for hours: the endpoint that goes on is believed."""
    for name in ("one", "two"):
        net.order("nodes", name=name, lag=0)
    net.blocks(50)
    rig = Rig(net, ("one", "two"))
    rig.look(PAIRS[0])
    sight = asyncio.run(rig.reader.look(PAIRS[:1], urgent=False))
    assert sight is not None
    pool = sight.pools[PAIRS[0].name]
    other = replace(pool, held_out=2 * pool.held_out)
    apart = replace(sight, others={PAIRS[0].name: other})
    for factor, age_s, believed in ((1, 0, pool), (2, 0, other), (1, 60, pool)):
        rig.prices._usd = {
            mint: (price * (factor if mint == PAIRS[0].base.mint else 1), at - age_s, slot)
            for mint, (price, at, slot) in rig.prices._usd.items()
        }
        assert rig.prices._choose_believed(PAIRS[0], apart) == believed, (factor, age_s)


def test_what_jupiter_said_once_is_one_observation_however_far_the_chain_has_gone(
    net: Localnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(net, venues="")
    slow = replace(PACE, usd_s=1000.0, level_s=1000.0)

    def seen(pace: Pace) -> int:
        monkeypatch.setattr(rig.prices, "_pace", pace)
        net.blocks(3)
        return rig.look(PAIRS[0])[PAIRS[0].name].slot

    # By its pool each look is one.
    rig.prices = SolanaPrices(rig.reader, rig.directory, [Says(rig, 0)], slow)
    assert seen(slow) < seen(slow)
    monkeypatch.setattr(solana_prices, "DEEP_USD", 10**12)
    rig.prices = SolanaPrices(rig.reader, rig.directory, [Says(rig, 0)], slow)
    first = seen(slow)
    assert seen(slow) == seen(slow) == first
    asked_again = seen(replace(slow, usd_s=0.0))
    assert asked_again > first and seen(slow) == asked_again
    levelled = seen(replace(slow, level_s=0.0))
    assert levelled > asked_again and seen(slow) == levelled
    # One side that was asked for is not the other.
    net.blocks(3)
    assert asyncio.run(rig.prices.probed(PAIRS[0], Side.SELL)) is not None
    assert seen(slow) == levelled


def test_prices_that_were_told_count_though_others_were_not() -> None:
    """More than fifty tokens are asked for in two questions: stops of the first would have been blind."""
    told = [True, True]

    class Half(Api):
        async def read(self, path: str, query: Any, deadline_s: float, *, urgent: bool = False) -> Any:
            mints = query["ids"].split(",")
            if not told["50" in mints]:
                raise VenueLate("not now")
            return {mint: {"usdPrice": 2} for mint in mints}

    directory = JupiterDirectory(Half.__new__(Half))
    mints = [str(n) for n in range(60)]
    assert len(asyncio.run(directory.usd(mints, 1.0))) == 60
    told[1] = False
    assert list(asyncio.run(directory.usd(mints, 1.0))) == mints[:50]
    told[0] = False
    with pytest.raises(VenueLate):
        asyncio.run(directory.usd(mints, 1.0))


def test_a_token_that_nobody_prices_costs_no_more_requests(net: Localnet) -> None:
    rig = Rig(net, venues="")
    slow = replace(PACE, usd_s=1000.0)
    directory = JupiterDirectory(Api("jupiter", rig.site, Bucket(1e6, 10**6)))
    rig.prices = SolanaPrices(rig.reader, directory, [], slow)
    unknown = replace(TOKENS["JUP"], mint=str(Keypair().pubkey()))
    lonely = Watched(f"{unknown.mint}/{TOKENS['USDC'].mint}", unknown, TOKENS["USDC"])
    for _ in range(3):
        assert set(rig.look(PAIRS[0], lonely)) == {PAIRS[0].name}
    assert rig.site.asked == 1
    rig.look(*PAIRS, lonely)
    assert rig.site.asked == 2, "a pair that came is priced at once"
    assert set(rig.look(*PAIRS)) == {one.name for one in PAIRS} and rig.site.asked == 2


def test_a_level_is_asked_for_by_its_pace_however_many_pairs_are_new(net: Localnet) -> None:
    rig = Rig(net, venues="")
    asked: list[QuoteRequest] = []

    class Heard(Says):
        async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
            asked.append(request)
            return await super().quote(request, deadline_s)

    pace = replace(PACE, level_s=1000.0, levels=1)
    rig.prices = SolanaPrices(rig.reader, None, [Heard(rig, 0)], pace)
    for _ in range(3):
        rig.look(*PAIRS)
    assert len(asked) == len(Side)
    # A price for what may fire comes after what executes; for a stop, before what is looked at.
    request = replace(asked[0], number=7)
    assert asyncio.run(rig.prices.firm(request)) is not None and asked[-1].number == 0
    assert asyncio.run(rig.prices.probed(PAIRS[0], Side.SELL)) is not None and asked[-1].number == 1
