"""Looks at every RPC endpoint of a pool: each is asked who and how far it is, then all for one block.

Only looked at, hence never before what is due for execution; and an endpoint that hangs holds up none of the
others. What the answers mean is in `endpoint_traits`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oee_daemon.networks.network_endpoints import EndpointReport
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.endpoint_traits import Block, Seen, reports_of
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_endpoint_look import EPOCH, FINALIZED, GENESIS, epoch_of

#: A signature that no transaction has: 64 bytes of zero.
_NOBODYS = "1" * 64
#: The system program, which is no mint; and the error of JSON-RPC that says so.
_NO_MINT, _INVALID = "1" * 32, -32602
_CALLS: Sequence[Call] = (
    GENESIS,
    EPOCH,
    ("getVersion", []),
    ("getIdentity", []),
    ("getFirstAvailableBlock", []),
    ("getLatestBlockhash", [FINALIZED]),
    ("getSignatureStatuses", [[_NOBODYS], {"searchTransactionHistory": True}]),
)
#: A block without what is in it.
_BARE = {
    "commitment": "finalized",
    "transactionDetails": "none",
    "rewards": False,
    "maxSupportedTransactionVersion": 1,
}


class EndpointProbe:
    """Of the endpoints of `pool`, which is to be of the chain `genesis`; none where most of them say it."""

    def __init__(self, pool: Pool, genesis: str | None) -> None:
        self._pool = pool
        self._genesis = genesis

    async def examine(self, deadline_s: float) -> Sequence[EndpointReport]:
        """As `Endpoints.examine`: half of the time for each of the two rounds."""
        endpoints = self._pool.endpoints
        seen = list(await asyncio.gather(*(_meet(one, deadline_s / 2) for one in endpoints)))
        said = Counter(one.genesis for one in seen if one.genesis is not None)
        genesis = self._genesis or (said.most_common(1)[0][0] if said else "")
        slots = [one.slot for one in seen if one.slot is not None and one.genesis == genesis]
        if slots:
            common = min(slots)
            seen = list(
                await asyncio.gather(
                    *(
                        _compare(endpoint, one, common, deadline_s / 2)
                        for endpoint, one in zip(endpoints, seen, strict=True)
                    )
                )
            )
        return reports_of(seen, genesis)


async def _meet(endpoint: Endpoint, deadline_s: float) -> Seen:
    begun = time.monotonic()
    try:
        results = await endpoint.ask(_CALLS, deadline_s)
    except NoAnswer as e:
        return Seen(name=endpoint.name, transport=endpoint.transport, fault=e.reason)
    genesis, epoch, version, identity, first, latest, status = results
    try:
        slot, height = epoch_of(epoch)
    except NoAnswer:
        slot, height = None, None
    return Seen(
        name=endpoint.name,
        transport=endpoint.transport,
        latency_ms=round(1000 * (time.monotonic() - begun)),
        batches=endpoint.batches,
        version=_text(_part(version, "solana-core")),
        genesis=_text(genesis),
        identity=_text(_part(identity, "identity")),
        dates=(endpoint.dated,),
        slot=slot,
        height=height,
        last_valid=_number(_part(_part(latest, "value"), "lastValidBlockHeight")),
        first_available=_number(first),
        status=status,
    )


async def _compare(endpoint: Endpoint, seen: Seen, common: int, deadline_s: float) -> Seen:
    """The same, with what it says of its own final block and of the common one."""
    if seen.fault is not None or seen.slot is None:
        return seen
    # By itself: some gateways refuse a whole request for it.
    holders = await _tells_holders(endpoint, deadline_s / 3)
    seen = replace(seen, holders=holders, dates=(*seen.dates, endpoint.dated))
    calls: list[Call] = [("getBlock", [slot, _BARE]) for slot in (seen.slot, common)]
    try:
        own, of_all = await endpoint.ask(calls, deadline_s / 2)
    except NoAnswer:
        # Some gateways sell no blocks: then there is nothing to compare by.
        return seen
    dates = (*seen.dates, endpoint.dated)
    return replace(seen, own_block=_block(own), common_block=_block(of_all), dates=dates)


async def _tells_holders(endpoint: Endpoint, deadline_s: float) -> bool | None:
    """Whether it answers `getTokenLargestAccounts`, asked of what is no mint: who refuses that knows the
    method."""
    try:
        (said,) = await endpoint.ask([("getTokenLargestAccounts", [_NO_MINT])], deadline_s)
    except NoAnswer as e:
        return False if e.reason.startswith("HTTP 4") and not e.pause_s else None
    return said.code == _INVALID if isinstance(said, RpcError) else True


def _block(said: Result) -> Block:
    return Block(height=_number(_part(said, "blockHeight")), hash=_text(_part(said, "blockhash")))


def _part(said: Any, name: str) -> Any:
    return said.get(name) if isinstance(said, dict) else None


def _text(said: Any) -> str | None:
    """Bounded, for it is shown."""
    return said[:100] if isinstance(said, str) else None


def _number(said: Any) -> int | None:
    return said if type(said) is int else None
