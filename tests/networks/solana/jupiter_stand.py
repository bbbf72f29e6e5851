"""A Jupiter that says what a test wants, and its venue on endpoints that know one lookup table."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from solders.hash import Hash
from solders.instruction import Instruction

from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, UnsignedSwap
from tests.networks.solana import crafted
from tests.networks.solana.crafted import SOL, WALLET, ata
from tests.networks.solana.guarded import account_of
from tests.networks.solana.server import rpc, serving
from tests.networks.solana.thefts import TABLE, USDC

#: Receives 1,000,000 for at most 1,100,000.
PLAN = crafted.order(exact_out=True, venue="orca")
REQUEST = replace(PLAN.request, slippage_bps=1_000)
ANCHOR = Anchor(str(Hash.default()), 1_000, 900, 850)
HELD = [str(crafted.VENUE_POOL), str(ata(USDC)), str(USDC)]


def quoted(given: int = 1_000_000, bps: int = 999, **changed: Any) -> dict[str, Any]:
    return {
        "inputMint": str(SOL), "inAmount": str(given), "outputMint": str(USDC), "outAmount": "1000000",
        "otherAmountThreshold": str(given + given * bps // 10_000), "swapMode": "ExactOut",
        "slippageBps": bps, "platformFee": None, "priceImpactPct": "-0.02", "contextSlot": 5,
        "routePlan": [{"swapInfo": {"ammKey": str(crafted.VENUE_POOL)}, "percent": 100, "bps": 10_000}],
        "timeTaken": 0.0120, **changed,
    }  # fmt: skip


def worded(quote: Any) -> bytes:
    """As nobody would write it again: more spaces, and a number with a nought too many."""
    return json.dumps(quote, separators=(" , ", " :")).replace("0.012", "0.0120").encode()


def shown(step: Instruction) -> dict[str, Any]:
    metas = [
        {"pubkey": str(one.pubkey), "isSigner": one.is_signer, "isWritable": one.is_writable}
        for one in step.accounts
    ]
    return {
        "programId": str(step.program_id), "accounts": metas, "data": base64.b64encode(step.data).decode(),
    }  # fmt: skip


def steps(**changed: Any) -> dict[str, Any]:
    swap = crafted.route(1_000_000, 1_000_000, 999, ata(SOL), ata(USDC), name="exact_out_route_v2")
    return {
        "setupInstructions": [], "swapInstruction": shown(swap), "cleanupInstruction": None,
        "otherInstructions": [], "computeBudgetInstructions": [],
        "addressLookupTableAddresses": [str(TABLE)], **changed,
    }  # fmt: skip


@dataclass
class Jupiter(Site):
    """What it says to each of the two, and what it was asked."""

    says: Callable[[dict[str, str]], Any] = lambda asked: quoted(bps=int(asked["slippageBps"]))
    builds: Any = field(default_factory=steps)
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    async def get(self, path: str, query: Mapping[str, str]) -> Reply:
        assert path == "/swap/v1/quote"
        self.asked.append(dict(query))
        return self._reply(self.says(dict(query)))

    async def post(self, path: str, body: bytes) -> Reply:
        assert path == "/swap/v1/swap-instructions"
        self.sent.append(body)
        return self._reply(self.builds)

    def _reply(self, said: Any) -> Reply:
        return Reply(self.status, {}, said if isinstance(said, bytes) else worded(said))


def node(held: list[str] | None) -> Any:
    table = None if held is None else account_of(held)
    return rpc(
        {
            "simulateTransaction": lambda _: {"value": {"err": None, "unitsConsumed": 50_000}},
            "getRecentPrioritizationFees": lambda _: [],
            "getMultipleAccounts": lambda params: {"value": [table for _ in params[0]]},
        }
    )


def asking(jupiter: Jupiter) -> Quote:
    async def run() -> Quote:
        venue = JupiterVenue("orca", Api("jupiter", jupiter, Bucket(1e6, 10**6)), _no_chain(), str(WALLET))
        return await venue.quote(REQUEST, 1.0)

    return asyncio.run(run())


def _no_chain() -> Pricing:
    return Pricing(open_pool(["http://127.0.0.1:1"], 1000.0, 1000), fee_cap=100_000)


def build(jupiter: Jupiter, plan: Plan, *held: list[str] | None) -> UnsignedSwap:
    """`held`: by each endpoint, what the lookup table holds, or that there is none."""

    async def run() -> UnsignedSwap:
        async with AsyncExitStack() as stack:
            nodes = [(await stack.enter_async_context(serving(node(one))))[0] for one in held or (HELD, HELD)]
            pool = open_pool(nodes, 1000.0, 1000)
            stack.push_async_callback(pool.close)
            api = Api("jupiter", jupiter, Bucket(1e6, 10**6))
            venue = JupiterVenue("orca", api, Pricing(pool, fee_cap=100_000), str(WALLET))
            return await venue.build(plan, ANCHOR, 5.0)

    return asyncio.run(run())


def planned(route: bytes, bound: int = 1_100_000) -> Plan:
    return replace(PLAN, quote=replace(PLAN.quote, route=route), bound=bound)
