"""Old swaps of several orders at one poor endpoint: what is asked about one is asked about all, and none of
them waits for an endpoint to take batches."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.network_contests import LASTS_S, Contests
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.swap import Landed, Lapsed, Look, Outcome, SignedSwap, Unknown
from tests.networks.localnet.conftest import Localnet
from tests.networks.solana.gateways import APART, ROUNDS, UNSOLD, Gateway, GatewaySite, chain_at
from tests.networks.solana.held import held
from tests.networks.solana.old_swaps import LONG, chain_of, of_before, signed

#: Orders that were in doubt together, and slots between two of their swaps.
MANY, BETWEEN = 6, 3
#: Keeps neither statuses nor lists: only its blocks tell.
NO_LIST = {"getSignatureStatuses": "forgets", "getSignaturesForAddress": "none"}


def sent(
    net: Localnet, *, before: bool = False, landed: int | None = None, many: int = MANY
) -> Sequence[SignedSwap]:
    """Swaps of long ago, of which that one has landed and all others have lapsed."""
    net.order("nodes", name="forgets", history="pruned")
    net.order("nodes", name="none", history="none")
    of_before(net) if before else net.fund()

    async def run() -> list[SignedSwap]:
        swaps = []
        for n in range(many):
            swaps.append(await signed(net, anchor_told=True))
            if n == landed:
                await chain_of(net, "").submit(swaps[-1], 1.0)
            net.blocks(BETWEEN)
        return swaps

    swaps = asyncio.run(run())
    net.blocks(LONG)
    return swaps


async def outcomes(net: Localnet, chain: SolanaChain, swaps: Sequence[SignedSwap]) -> list[Outcome]:
    """What is made of each by a worker that has just started, whose threads look at all of them at once."""
    cases = Cases(chain.nodes)
    told: dict[SignedSwap, Outcome] = dict.fromkeys(swaps, Unknown("never asked"))

    async def look(swap: SignedSwap) -> Sequence[Look]:
        try:
            return await chain.look(swap)
        except ChainUnavailable:
            return []

    for _ in range(ROUNDS):
        open_ = [swap for swap in swaps if isinstance(told[swap], Unknown)]
        looks = await asyncio.gather(*map(look, open_))
        told |= {swap: cases.judge(swap, seen) for swap, seen in zip(open_, looks, strict=True)}
        net.blocks(APART)
    return [told[swap] for swap in swaps]


@pytest.mark.parametrize("batches", [True, False])
def test_the_blocks_of_several_orders_are_read_once(tmp_path: Path, batches: bool) -> None:
    """Each walked through the same ones by itself: sixteen at ten calls a second were never decided."""
    with held(tmp_path) as net:
        swaps, gateway = sent(net), Gateway(NO_LIST, batches=batches)
        told = asyncio.run(outcomes(net, chain_at(net, GatewaySite(net, gateway, "g.example")), swaps))
        assert all(isinstance(one, Lapsed) for one in told), told
        # Of one swap's time, what the others' reach beyond it, and what is read ahead.
        assert gateway.asked.count("getBlock") < 200 + MANY * BETWEEN + 20


@pytest.mark.parametrize("landed", [0, MANY - 1])
def test_a_landing_among_blocks_that_another_order_s_walk_has_read_is_found(
    tmp_path: Path, landed: int
) -> None:
    with held(tmp_path) as net:
        swaps = sent(net, landed=landed)
        chain = chain_at(net, GatewaySite(net, Gateway(NO_LIST, batches=False), "g.example"))

        async def run() -> list[Outcome]:
            # The blocks are read for those that lapsed, and the one that landed is looked for after that.
            others = [swap for n, swap in enumerate(swaps) if n != landed]
            return await outcomes(net, chain, others) + await outcomes(net, chain, [swaps[landed]])

        *lapsed, found = asyncio.run(run())
        assert all(isinstance(one, Lapsed) for one in lapsed), lapsed
        assert isinstance(found, Landed), found


def test_looks_at_old_swaps_and_pages_of_the_list_are_shared(tmp_path: Path) -> None:
    """Three calls for each of ten orders in every round, and the same list ten times: no call was left for
    what decides them."""
    with held(tmp_path) as net:
        swaps, gateway = sent(net, before=True), Gateway({}, UNSOLD, batches=False, list_s=0.05)
        chain = chain_at(net, GatewaySite(net, gateway, "g.example"))

        async def run() -> Counter[str]:
            for swap in swaps:
                await chain.look(swap)
            gateway.asked.clear()
            await asyncio.gather(*(chain.look(swap) for swap in swaps))
            return Counter(gateway.asked)

        asked = asyncio.run(run())
        # By the first one, and by all that came meanwhile.
        assert asked["getEpochInfo"] == asked["getSignatureStatuses"] == 2, asked
        assert asked["getSignaturesForAddress"] <= 2, asked


def test_who_tells_five_statuses_at_once_decides_more_orders_than_five(tmp_path: Path) -> None:
    """As a trial's plan has it: each look at more was refused, and with the one endpoint none was decided."""

    def five(params: Any, said: dict[str, Any]) -> dict[str, Any]:
        return said if len(params[0]) <= 5 else {"http": 413}

    with held(tmp_path) as net:
        swaps = sent(net, many=2 * MANY)
        gateway = Gateway(NO_LIST, {"getSignatureStatuses": five}, batches=False)
        told = asyncio.run(outcomes(net, chain_at(net, GatewaySite(net, gateway, "g.example")), swaps))
        assert all(isinstance(one, Lapsed) for one in told), told


def test_the_first_look_at_an_old_swap_is_shared_where_one_has_told_where_the_chain_is(
    tmp_path: Path,
) -> None:
    """Ten of them took thirty calls, went before all others, and most were not through in time."""
    with held(tmp_path) as net:
        swaps, gateway = sent(net), Gateway(NO_LIST, batches=False)
        chain = chain_at(net, GatewaySite(net, gateway, "g.example"))

        async def run() -> None:
            await chain.look(swaps[0])
            gateway.asked.clear()
            await asyncio.gather(*(chain.look(swap) for swap in swaps[1:]))

        asyncio.run(run())
        assert gateway.asked.count("getEpochInfo") <= 2


def test_who_comes_while_others_are_asked_about_is_told_of_by_a_later_question(tmp_path: Path) -> None:
    """What it was told would be of before it asked: a look has to be of its own time or later."""
    with held(tmp_path) as net:
        swaps, gateway = sent(net, before=True), Gateway({}, UNSOLD)
        site = Halted(net, gateway, "g.example")
        chain = chain_at(net, site)

        async def run() -> None:
            for swap in swaps:
                await chain.look(swap)
            gateway.asked.clear()
            site.open.clear()
            first = asyncio.create_task(chain.look(swaps[0]))
            await site.waits.wait()
            later = [asyncio.create_task(chain.look(swap)) for swap in swaps[1:]]
            await asyncio.sleep(0)
            site.open.set()
            await asyncio.gather(first, *later)

        asyncio.run(run())
        assert gateway.asked.count("getSignatureStatuses") == 2


class Halted(GatewaySite):
    """Answers nothing while it is not `open`."""

    def __init__(self, net: Localnet, gateway: Gateway, name: str) -> None:
        super().__init__(net, gateway, name)
        self.open, self.waits = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def post(self, path: str, body: bytes) -> Reply:
        if not self.open.is_set():
            self.waits.set()
            await self.open.wait()
        return await super().post(path, body)


class Counted(GatewaySite):
    """Notes how many blocks it is asked for at once, at most."""

    now = most = 0

    async def post(self, path: str, body: bytes) -> Reply:
        is_block = b'"getBlock"' in body
        self.now += is_block
        self.most = max(self.most, self.now)
        try:
            return await super().post(path, body)
        finally:
            self.now -= is_block


def test_blocks_that_are_told_one_by_one_are_asked_for_at_once(tmp_path: Path) -> None:
    """One after another at 0.4 s each, a single order stayed undecided for over six minutes."""
    with held(tmp_path) as net:
        swap = sent(net)[0]
        site = Counted(net, Gateway(NO_LIST, batches=False, block_s=0.01), "g.example")
        (told,) = asyncio.run(outcomes(net, chain_at(net, site), [swap]))
        assert isinstance(told, Lapsed), told
        assert 4 <= site.most <= 8, "more would be in the way of what executes"


def test_what_each_endpoint_tells_to_be_of_long_ago_is_sent_no_more(tmp_path: Path) -> None:
    """It took a turn in each round, before all others."""
    with held(tmp_path) as net:
        swap = sent(net)[0]
        behind = Gateway({"getEpochInfo": "late", "getSignatureStatuses": "late"})
        net.order("nodes", name="late", lag=LONG - 100)
        near, far = Gateway(), Gateway()

        async def sends(*gateways: Gateway) -> list[int]:
            chain = chain_at(net, *(GatewaySite(net, one, f"g{n}.example") for n, one in enumerate(gateways)))
            await chain.look(swap)
            await chain.submit(swap, 1.0)
            return [one.asked.count("sendTransaction") for one in gateways]

        assert asyncio.run(sends(near, far)) == [0, 0]
        assert asyncio.run(sends(near, behind)) == [1, 1], "one that is behind may still take it"


def test_a_landing_that_one_endpoint_makes_up_is_contested_as_long_as_it_does(tmp_path: Path) -> None:
    """Its order stands still, and nobody was told why but by the log."""

    def made_up(_: Any, said: dict[str, Any]) -> dict[str, Any]:
        status = {"slot": 400_000_005, "err": None, "confirmations": None, "confirmationStatus": "finalized"}
        return said | {"result": said["result"] | {"value": [status]}}

    with held(tmp_path) as net:
        swap, now = sent(net)[0], [0.0]
        liar, contests = Gateway(twists={"getSignatureStatuses": made_up}), Contests(lambda: now[0])
        sites = [GatewaySite(net, one, f"g{n}.example") for n, one in enumerate((liar, Gateway()))]
        chain = chain_at(net, *sites, contests=contests)

        async def run() -> None:
            cases = Cases(chain.nodes)
            for _ in range(3):
                assert isinstance(cases.judge(swap, await chain.look(swap)), Unknown)
                now[0] += LASTS_S / 2
            assert contests.lasting() == [swap.signature]
            liar.twists = {}
            await chain.look(swap)
            assert contests.lasting() == []

        asyncio.run(run())
