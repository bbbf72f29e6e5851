"""A swap that is asked about long after: what a node still proves of it goes by the history that it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.orders.swap import Landed, Lapsed, Outcome, SignedSwap, Unknown
from tests.networks.localnet.conftest import Localnet
from tests.networks.solana.held import HeldSite, held
from tests.networks.solana.old_swaps import LONG, chain_of, decided, of_before, signed


async def outcome(net: Localnet, swap: SignedSwap, *nodes: str) -> Outcome:
    return await decided(net, chain_of(net, *nodes), swap, rounds=10, apart=100)


@pytest.mark.parametrize("anchor_told", [True, False])
@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("history", ["full", "none", "pruned"])
def test_only_who_kept_all_history_can_tell(
    tmp_path: Path, history: str, lands: bool, anchor_told: bool
) -> None:
    """And of an absence that, where the swap tells since when: as each does that the engine signs."""

    async def run(net: Localnet) -> None:
        net.fund()
        net.order("nodes", name="other", history=history)
        swap = await signed(net, anchor_told=anchor_told)
        if lands:
            await chain_of(net, "").submit(swap, 1.0)
        net.blocks(LONG)
        told = await outcome(net, swap, "other")
        kept = Landed if lands else Lapsed if anchor_told else Unknown
        assert isinstance(told, kept if history == "full" else Unknown), told
        if history != "full":
            # And as soon as one is there that kept it, all is known.
            told = await outcome(net, swap, "other", "")
            assert isinstance(told, kept), told

    with held(tmp_path) as net:
        asyncio.run(run(net))


#: Of the node that keeps all and the one that forgets silently: who answers which call.
MIXED = ["main,other", "other,main", "main,other,other", "other,main,main", "other,other,main"]


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("members", MIXED)
@pytest.mark.parametrize("balancers", [["lb"], ["lb", "lc"]], ids=len)
def test_balancers_that_are_asked_one_by_one_prove_no_absence_of_a_landing(
    tmp_path: Path, balancers: list[str], members: str, lands: bool
) -> None:
    """By what one node remembers and the other one does not find a swap that had landed while the engine was
    down was signed again, by one alone or by the two of them."""

    async def run(net: Localnet) -> None:
        of_before(net)
        net.order("nodes", name="other", history="pruned")
        for name in balancers:
            net.order("nodes", name=name, batches=0, members=members)
        swap = await signed(net, anchor_told=True)
        if lands:
            await chain_of(net, "").submit(swap, 1.0)
        net.blocks(LONG)
        told = await outcome(net, swap, *balancers)
        assert isinstance(told, Landed | Unknown if lands else Lapsed | Unknown), told
        told = await outcome(net, swap, *balancers, "")
        assert isinstance(told, Landed if lands else Lapsed), told

    with held(tmp_path) as net:
        asyncio.run(run(net))


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("balancers", [["lb"], ["lb", "lc"]], ids=len)
def test_those_that_list_a_landing_of_before_can_tell(
    tmp_path: Path, balancers: list[str], lands: bool
) -> None:
    """Asked one by one, too: else what merely lapsed while the engine was down stayed undecided."""

    async def run(net: Localnet) -> None:
        of_before(net)
        net.order("nodes", name="late", lag=5)
        for name in balancers:
            net.order("nodes", name=name, batches=0, members="main,late")
        swap = await signed(net, anchor_told=True)
        if lands:
            await chain_of(net, "").submit(swap, 1.0)
        net.blocks(LONG)
        told = await outcome(net, swap, *balancers)
        assert isinstance(told, Landed if lands else Lapsed), told

    with held(tmp_path) as net:
        asyncio.run(run(net))


@pytest.mark.parametrize("batches", [0, 1])
def test_a_list_without_a_landing_of_before_proves_nothing(tmp_path: Path, batches: int) -> None:
    """Whoever has forgotten lists nothing either: then each block is read."""

    async def run(net: Localnet) -> None:
        net.fund()
        net.order("nodes", name="lb", batches=batches, members="main")
        swap = await signed(net, anchor_told=True)
        net.blocks(LONG)
        assert isinstance(await outcome(net, swap, "lb"), Lapsed)
        net.order("faults", target="read", kind="refused", method="getBlock")
        assert isinstance(await outcome(net, swap, "lb"), Unknown)

    with held(tmp_path) as net:
        asyncio.run(run(net))


class Noted(Bucket):
    """Notes what is asked, and how urgently."""

    def __init__(self) -> None:
        super().__init__(1e6, 10**6)
        self.asked: list[tuple[int, frozenset[str]]] = []

    async def turn(self, count: int = 1, *, urgent: int = False, methods: Collection[str] = ()) -> None:
        self.asked.append((urgent, frozenset(methods)))
        await super().turn(count, urgent=urgent, methods=methods)


def test_what_proves_an_old_absence_waits_for_no_looks_at_old_swaps(tmp_path: Path) -> None:
    """Looks at a dozen of them went first and took all turns of a plan: no list and no block was told."""

    async def run(net: Localnet) -> None:
        net.fund()
        swap = await signed(net, anchor_told=True)
        net.blocks(LONG)
        bucket = Noted()
        chain = SolanaChain(
            Pool([Endpoint(HeldSite(net, "", "one.example"), bucket)]),
            wallet=str(net.wallet.pubkey()),
            genesis=net.rpc("getGenesisHash"),
            fastest_slot_ms=1e-6,
        )
        await chain.look(swap)
        bucket.asked.clear()
        await chain.look(swap, wait_s=1.0)
        assert {urgent for urgent, _ in bucket.asked} == {1}
        statuses = [methods for _, methods in bucket.asked if "getSignatureStatuses" in methods]
        assert len(statuses) == 1, "no glimpses meanwhile"

    with held(tmp_path) as net:
        asyncio.run(run(net))
