"""One name for several nodes, each of which is asked for what it is there for: how its answers are made,
and what becomes of a swap of long ago there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oee_daemon.networks.network_contests import Contests
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.orders.swap import Outcome, SignedSwap
from tests.networks.localnet.conftest import Localnet
from tests.networks.solana.held import HeldSite
from tests.networks.solana.old_swaps import LONG, chain_of, decided, of_before, signed

#: What a method's answer is made to, by its parameters and what an honest node said.
Twist = Callable[[Any, dict[str, Any]], dict[str, Any]]


#: Rounds of looks, and slots between two of them.
ROUNDS, APART = 20, 60


@dataclass
class Gateway:
    """Asks a node of its own for each method, also where several come in one request. `strict`: whether
    `minContextSlot` reaches the node; `batches`: whether it takes several calls at once; `blocks`: how many
    it tells before a look is over."""

    nodes: Mapping[str, str] = field(default_factory=dict)
    twists: Mapping[str, Twist] = field(default_factory=dict)
    strict: bool = True
    batches: bool = True
    blocks: int = 100
    #: Seconds that the list takes, and each question about blocks.
    list_s: float = 0.0
    block_s: float = 0.0
    asked: list[str] = field(default_factory=list)

    def answer(self, net: Localnet, call: dict[str, Any]) -> dict[str, Any]:
        method = call["method"]
        self.asked.append(method)
        if not self.strict:
            call = json.loads(json.dumps(call))
            for part in call["params"]:
                if isinstance(part, dict):
                    part.pop("minContextSlot", None)
        node = self.nodes.get(method, "")
        said = net.answer("POST", f"/node/{node}" if node else "/", json.dumps(call).encode()).body
        found: dict[str, Any] = json.loads(said or b"")
        return self.twists[method](call["params"], found) if method in self.twists else found


class GatewaySite(HeldSite):
    def __init__(self, net: Localnet, gateway: Gateway, name: str) -> None:
        super().__init__(net, "", name)
        self._gateway = gateway

    async def post(self, path: str, body: bytes) -> Reply:
        asked = json.loads(body)
        if isinstance(asked, list) and len(asked) > self._gateway.blocks and asked[0]["method"] == "getBlock":
            await asyncio.Event().wait()
        if b"getSignaturesForAddress" in body:
            await asyncio.sleep(self._gateway.list_s)
        if b"getBlock" in body:
            await asyncio.sleep(self._gateway.block_s)
        if not isinstance(asked, list):
            said: Any = self._gateway.answer(self._net, asked)
            if "http" in said:
                return Reply(said["http"], {}, b"")
        elif self._gateway.batches:
            said = [self._gateway.answer(self._net, call) for call in asked]
        else:
            said = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batches"}}
        return Reply(200, {}, json.dumps(said).encode())


def chain_at(net: Localnet, *sites: GatewaySite, contests: Contests | None = None) -> SolanaChain:
    pool = Pool([Endpoint(site, Bucket(1e6, 10**6)) for site in sites])
    wallet, genesis = str(net.wallet.pubkey()), net.rpc("getGenesisHash")
    return SolanaChain(pool, wallet=wallet, genesis=genesis, fastest_slot_ms=1e-6, contests=contests)


def outcome(net: Localnet, swap: SignedSwap, *gateways: Gateway) -> Outcome:
    """What is made of it at those endpoints by a worker that has just started."""

    async def run() -> Outcome:
        sites = [GatewaySite(net, one, f"g{n}.example") for n, one in enumerate(gateways)]
        return await decided(net, chain_at(net, *sites), swap, rounds=ROUNDS, apart=APART)

    return asyncio.run(run())


def sent(net: Localnet, *, lands: bool, before: bool = True) -> SignedSwap:
    """A swap of long ago; `before`: whether the wallet has landed something before."""
    net.order("nodes", name="forgets", history="pruned")
    net.order("nodes", name="none", history="none")
    if before:
        of_before(net)
        net.blocks(LONG // 2)
    else:
        net.fund()

    async def run() -> SignedSwap:
        swap = await signed(net, anchor_told=True)
        if lands:
            await chain_of(net, "").submit(swap, 1.0)
        return swap

    swap = asyncio.run(run())
    net.blocks(LONG)
    return swap


def unsold(_: Any, said: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": said["id"], "error": {"code": -32601, "message": "Method not found"}}


#: A gateway that tells no blocks.
UNSOLD: Mapping[str, Twist] = {"getBlock": unsold, "getBlocksWithLimit": unsold}


def null(_: Any, said: dict[str, Any]) -> dict[str, Any]:
    return said | {"result": said["result"] | {"value": [None]}}


def unreachable(_: Any, said: dict[str, Any]) -> dict[str, Any]:
    error = {"code": -32019, "message": "Failed to query long-term storage; please try again"}
    return {"jsonrpc": "2.0", "id": said["id"], "error": error}
