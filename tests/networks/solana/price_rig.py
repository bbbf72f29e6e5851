"""Prices by localnet's nodes, pools and APIs, looked at by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from oee_daemon.networks.prices import Price, Watched
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.solana_pool_reader import PoolReader
from oee_daemon.networks.solana.solana_prices import SolanaPrices
from oee_daemon.networks.solana.solana_profile import Pace
from oee_daemon.networks.solana.solana_programs import CPMM
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap
from oee_daemon.orders.tokens import TOKENS
from tests.networks.localnet.conftest import Localnet
from tests.networks.solana.held import pool
from tests.networks.solana.held_rigs import ApiSite, Held

PACE = Pace(look_s=0.0, usd_s=0.0, level_s=0.0, levels=8, max_age_s=5.0, most_firm=5)


class CountedSite(ApiSite):
    """Counts what it is asked for."""

    asked = 0

    async def get(self, path: str, query: Mapping[str, str]) -> Reply:
        self.asked += 1
        return await super().get(path, query)


class Rig:
    """Prices by that localnet's nodes, of venues of these names."""

    def __init__(
        self, net: Localnet, nodes: tuple[str, ...] = ("",), venues: str = "raydium jupiter cpmm"
    ) -> None:
        self.net, self.held = net, Held(net, nodes)
        self.site = CountedSite(net, "jupiter")
        self.directory = directory = JupiterDirectory(Api("jupiter", self.site, Bucket(1e6, 10**6)))
        self.reader = reader = PoolReader(pool(net, *nodes), CPMM, 1e-9)
        self.venues = [self.held.venue(name) for name in venues.split()]
        self.prices = SolanaPrices(reader, directory, self.venues, PACE)

    def look(self, *pairs: Watched) -> Mapping[str, Price]:
        return asyncio.run(self.prices.prices(pairs))


def pair(base: str, quote: str) -> Watched:
    return Watched(f"{TOKENS[base].mint}/{TOKENS[quote].mint}", TOKENS[base], TOKENS[quote])


PAIRS = [
    pair(base, quote) for base, quote in (("SOL", "USDC"), ("JUP", "USDC"), ("BONK", "SOL"), ("JUP", "SOL"))
]


class Says:
    """A venue that gives so many per cent less than cpmm, or raises."""

    fee_bps = None

    def __init__(self, rig: Rig, answer: int | Exception) -> None:
        self.name = f"says {answer}"
        self._venue, self._answer = rig.held.venue("cpmm"), answer

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        if isinstance(self._answer, Exception):
            raise self._answer
        found = await self._venue.quote(request, deadline_s)
        return replace(found, venue=self.name, amount_out=found.amount_out * (100 - self._answer) // 100)

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        raise NotImplementedError
