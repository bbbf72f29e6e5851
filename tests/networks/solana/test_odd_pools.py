"""Pools that pay oddly: none of them fires an order, lifts an estimate or hides the market."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from oee_daemon.contract.order_types import Side
from oee_daemon.errors import VenueLate, VenueRefused
from oee_daemon.networks.prices import price_of
from oee_daemon.networks.solana import solana_prices
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.solana_prices import SolanaPrices
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


def test_a_shallow_pool_is_no_market(net: Localnet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any venue was asked: the estimate alone."""
    rig = Rig(net, venues="")
    assert {price.bid_venue for price in rig.look(*PAIRS).values()} == {"cpmm"}
    monkeypatch.setattr(solana_prices, "DEEP_USD", 10**12)
    assert {price.bid_venue for price in rig.look(*PAIRS).values()} == {"jupiter"}


@pytest.mark.parametrize(
    ("answers", "believed"),
    [
        ([10], True),
        ([10, VenueRefused("no route")], True),
        ([10, VenueLate("not now")], False),
        ([10, RuntimeError("broken")], False),
        ([1, VenueLate("not now")], True),
        ([10, 0, VenueLate("not now")], True),
    ],
)
def test_one_odd_pool_fires_no_stop_while_a_better_venue_is_silent(
    net: Localnet, answers: list[int | Exception], believed: bool
) -> None:
    rig = Rig(net, venues="")
    raw = rig.look(PAIRS[0])[PAIRS[0].name]
    rig.prices = SolanaPrices(rig.reader, None, [Says(rig, answer) for answer in answers], PACE)
    for side in Side:
        levelled = rig.look(PAIRS[0])[PAIRS[0].name]
        assert (asyncio.run(rig.prices.probed(PAIRS[0], side)) is not None) is believed
        # What is not believed leaves no trace in the estimate.
        same = (levelled.bid, levelled.ask) == (raw.bid, raw.ask)
        assert same is not believed


class Prices(JupiterDirectory):
    """Jupiter's prices: 1 of whatever is named."""

    def __init__(self, rig: Rig, *mints: str) -> None:
        super().__init__(Api("jupiter", rig.site, Bucket(1e6, 10**6)))
        self.known = {mint: Decimal(1) for mint in mints}

    async def usd(
        self, mints: Sequence[str], deadline_s: float, *, urgent: bool = False
    ) -> Mapping[str, Decimal]:
        return {mint: self.known[mint] for mint in mints if mint in self.known}


def test_where_jupiter_knows_no_price_only_a_deep_pool_of_dollars_has_one(
    net: Localnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(net, venues="")
    rig.prices = SolanaPrices(rig.reader, Prices(rig, TOKENS["SOL"].mint), [], PACE)
    assert set(rig.look(*PAIRS)) == {one.name for one in PAIRS if one.quote.stable}
    monkeypatch.setattr(solana_prices, "DEEP_USD", 10**12)
    assert rig.look(*PAIRS) == {}
    # Where Jupiter is not there at all, the chain is what there is.
    rig.prices = SolanaPrices(rig.reader, None, [], PACE)
    assert set(rig.look(*PAIRS)) == {one.name for one in PAIRS}


@pytest.mark.parametrize(
    ("name", "answers", "believed"),
    [
        ("cpmm", [10, VenueRefused("no route")], False),
        ("cpmm", [1, VenueRefused("no route")], True),
        ("cpmm", [10, 10], True),
        # All markets were asked.
        ("jupiter", [10, VenueRefused("no route")], True),
        ("jupiter", [10, VenueLate("not now")], False),
    ],
)
def test_one_odd_pool_is_no_level_of_a_token_that_jupiter_prices_and_has_no_route_for(
    net: Localnet, monkeypatch: pytest.MonkeyPatch, name: str, answers: list[int | Exception], believed: bool
) -> None:
    monkeypatch.setattr(solana_prices, "DEEP_USD", 10**12)
    rig = Rig(net, venues="")
    venues = [Says(rig, answer) for answer in answers]
    venues[0].name = name
    rig.prices = SolanaPrices(rig.reader, rig.directory, venues, PACE)
    rig.look(PAIRS[0])
    assert (asyncio.run(rig.prices.probed(PAIRS[0], Side.SELL)) is not None) is believed


@pytest.mark.parametrize(("deep", "dear", "level"), [(False, 27, 0), (False, -1, -1), (True, 27, 0)])
def test_a_pool_of_a_few_dollars_that_pays_well_lifts_no_estimate(
    net: Localnet, monkeypatch: pytest.MonkeyPatch, deep: bool, dear: int, level: int
) -> None:
    """Trailing stops follow it."""
    if not deep:
        monkeypatch.setattr(solana_prices, "DEEP_USD", 10**12)
    rig = Rig(net, venues="")
    raw = rig.look(PAIRS[0])[PAIRS[0].name].bid
    rig.prices = SolanaPrices(rig.reader, rig.directory, [Says(rig, -dear)], PACE)
    levelled = rig.look(PAIRS[0])[PAIRS[0].name].bid
    assert abs(levelled / raw - 1 - Decimal(level) / 100) < Decimal("0.005")


def test_a_shallow_pool_hides_no_market_that_has_fallen(
    net: Localnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solana_prices, "DEEP_USD", 10**12)
    rig = Rig(net, venues="")
    venues = [Says(rig, -27), Says(rig, 1)]
    venues[0].name, venues[1].name = "cpmm", "raydium"
    rig.prices = SolanaPrices(rig.reader, rig.directory, venues, PACE)
    rig.look(PAIRS[0])
    quote = asyncio.run(rig.prices.probed(PAIRS[0], Side.SELL))
    assert quote is not None and quote.venue == "raydium"


@pytest.mark.parametrize(("depth", "dear"), [(20, False), (10**6, True)])
def test_a_pool_of_a_few_dollars_that_pays_well_keeps_no_stop_from_firing(
    net: Localnet, monkeypatch: pytest.MonkeyPatch, depth: int, dear: bool
) -> None:
    """Whatever little it pays for is never sold there: nobody trades, and the stop would wait for ever."""
    monkeypatch.setattr(solana_prices, "DEEP_USD", 10**12)
    rig = Rig(net, venues="")
    raw = rig.look(PAIRS[0])[PAIRS[0].name].bid

    class Routes(Says):
        """The better one of a pool of so many dollars, which pays 27 % more, and of the market."""

        async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
            found = await super().quote(request, deadline_s)
            little = found.amount_out <= depth * 10**6
            return replace(found, amount_out=found.amount_out * (127 if little else 99) // 100)

    rig.prices = SolanaPrices(rig.reader, rig.directory, [Routes(rig, 0)], PACE)
    rig.look(PAIRS[0])
    quote = asyncio.run(rig.prices.probed(PAIRS[0], Side.SELL))
    assert quote is not None
    assert (price_of(quote, Side.SELL, PAIRS[0].base, PAIRS[0].quote) > raw) is dear
