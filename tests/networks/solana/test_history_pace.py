"""How often an endpoint is asked for a page of the wallet's history, and ahead of whom."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.network_bounded import PAGE_S
from oee_daemon.networks.solana.rpc import request_bucket
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_landing_reader import REQUEST_S
from oee_daemon.networks.solana.solana_profile import MAINNET
from oee_daemon.networks.solana.solana_wallet_history import History
from oee_daemon.reads.reads_fills import Fills
from tests.networks.solana.listing_nodes import walker
from tests.networks.solana.memo_landings import WALLET
from tests.networks.solana.server import Asked, Said, serving

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


def taking(most: int, node: Any) -> Any:
    """That node, which takes so many calls in one request."""

    def answer(asked: Asked) -> Said:
        if isinstance(asked.json, list) and len(asked.json) > most:
            return Said({"id": None, "error": {"code": -32600, "message": "too large"}})
        said: Said = node(asked)
        return said

    return answer


@pytest.mark.parametrize("urgent", [True, False])
@pytest.mark.parametrize("most", [1, 3, 5, 10])
def test_page_after_page_is_read_within_its_deadline(
    monkeypatch: pytest.MonkeyPatch, urgent: bool, most: int
) -> None:
    """Once no turns were saved up, each page of a walk ended late, and was begun again: after a failover with
    several orders in doubt none of them was ever decided. Of who takes three calls at once a page took as
    many requests, one after another, as there was no time for."""
    clock = SimpleNamespace(now=1_000.0)
    monkeypatch.setattr(request_bucket, "time", SimpleNamespace(monotonic=lambda: clock.now))
    bucket = Reckoned(clock, *MAINNET.rpc_rate)

    async def run() -> list[float]:
        async with serving(taking(most, walker(LANDED))) as (address, heard):
            pool, took, before = Pool([Endpoint(Site(address), bucket)]), [], None
            try:
                for _ in range(12):
                    begun = clock.now
                    heard.clear()
                    page = await History(pool, WALLET).page("G", limit=1_000, before=before, urgent=urgent)
                    before = page.before
                    took.append(clock.now - begun)
                    # The first one finds out how many it takes.
                    assert len(heard) <= (16 if len(took) > 1 else 40), len(heard)
                    assert before is not None
            finally:
                await pool.close()
        return took

    took = asyncio.run(run())
    # A quarter of it is left for the answers.
    assert max(took) <= PAGE_S * 3 / 4, took
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


def test_a_page_is_short_as_long_as_an_endpoint_does_not_answer() -> None:
    """Each page waits for it, and there was no time left to read twenty landings: no walk went on."""
    limits: list[int] = []
    silent = [True, True, False, False]
    node = walker(LANDED)

    def honest(asked: Asked) -> Said:
        calls = [call for call in asked.json if call["method"] == "getSignaturesForAddress"]
        limits.extend(call["params"][1]["limit"] for call in calls)
        said: Said = node(asked)
        return said

    async def run() -> None:
        async with (
            serving(honest) as (one, _),
            serving(lambda a: Said(b"", 503) if silent[0] else node(a)) as (two, _),
        ):
            pool, before = open_pool([one, two], 1000.0, 1000), None
            history = History(pool, WALLET)
            while silent:
                before = (await history.page("G", limit=1_000, before=before)).before
                silent.pop(0)
            await pool.close()

    asyncio.run(run())
    assert limits == [20, 5, 5, 20]
