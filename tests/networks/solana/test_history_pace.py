"""How often an endpoint is asked for a page of the wallet's history, and ahead of whom."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.network_bounded import CHAIN_S
from oee_daemon.networks.solana.rpc import request_bucket
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_profile import MAINNET
from oee_daemon.networks.solana.solana_wallet_history import REQUEST_S, History
from oee_daemon.reads.reads_fills import Fills
from tests.networks.solana.memo_landings import WALLET
from tests.networks.solana.server import serving
from tests.networks.solana.test_history_union import walker

#: More than are read.
LANDED = range(2_000, 1_000, -1)


class Reckoned(Bucket):
    """Who has to wait for a turn moves a clock instead, that nothing else moves."""

    def __init__(self, clock: SimpleNamespace, per_s: float, burst: int) -> None:
        super().__init__(per_s, burst)
        self._clock = clock
        self.urgent: list[bool] = []

    async def turn(self, count: int = 1, *, urgent: int = False, methods: Collection[str] = ()) -> None:
        self.urgent.append(bool(urgent))
        wait_s = max(0.0, self.wait_s)
        assert wait_s < REQUEST_S
        self._clock.now += wait_s + 1e-6
        assert self.take(count)


@pytest.mark.parametrize("urgent", [True, False])
def test_page_after_page_is_read_within_its_deadline(monkeypatch: pytest.MonkeyPatch, urgent: bool) -> None:
    """Once no turns were saved up, each page of a walk ended late, and was begun again: after a failover with
    several orders in doubt none of them was ever decided."""
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(request_bucket, "time", SimpleNamespace(monotonic=lambda: clock.now))
    bucket = Reckoned(clock, *MAINNET.rpc_rate)

    async def run() -> list[float]:
        async with serving(walker(LANDED)) as (address, _):
            pool, took, before = Pool([Endpoint(Site(address), bucket)]), [], None
            try:
                for _ in range(12):
                    begun = clock.now
                    page = await History(pool, WALLET).page("G", limit=1_000, before=before, urgent=urgent)
                    before = page.before
                    took.append(clock.now - begun)
                    assert before is not None
            finally:
                await pool.close()
        return took

    took = asyncio.run(run())
    # A quarter of it is left for the answers.
    assert max(took) <= CHAIN_S * 3 / 4 + 0.1, took
    assert set(bucket.urgent) == {urgent}


def test_who_reads_what_landed_waits_for_who_executes() -> None:
    """Each page of `oee fills` took turns at the RPC from orders that were due."""
    asked: list[Any] = []

    class Chain:
        async def fills(self, **what: Any) -> FillPage:
            asked.append(what)
            raise ChainUnavailable("noted")

    chain: Any = Chain()
    nothing_read: Any = None
    with pytest.raises(ChainUnavailable):
        asyncio.run(Fills(nothing_read, chain).page(limit=50, before=None))
    assert [what["urgent"] for what in asked] == [False]


def test_who_looks_at_an_orders_landings_waits_for_who_executes() -> None:
    """`oee fills --order` went before the confirmations of swaps."""
    bucket = Reckoned(SimpleNamespace(now=0.0), 1_000.0, 1_000)

    async def run() -> None:
        async with serving(walker(LANDED)) as (address, _):
            pool = Pool([Endpoint(Site(address), bucket)])
            try:
                await SolanaChain(pool, wallet=WALLET, genesis="G").fill("s")
            finally:
                await pool.close()

    asyncio.run(run())
    assert set(bucket.urgent) == {False}
