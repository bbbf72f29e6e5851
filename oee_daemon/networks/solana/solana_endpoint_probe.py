"""Looks at every RPC endpoint of a pool: each is asked who and how far it is, then all for one block.

Only looked at, hence never before what is due for execution; and an endpoint that hangs holds up none of the
others. What the answers mean is in `endpoint_traits`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from oee_daemon.networks.network_endpoints import EndpointReport
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.endpoint_traits import Block, Seen, reports_of
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError, Unsold, is_unsold
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_endpoint_look import EPOCH, FINALIZED, GENESIS, epoch_of
from oee_daemon.networks.solana.solana_simulation import simulated, simulation_of

#: A signature that no transaction has: 64 bytes of zero.
_NOBODYS = "1" * 64
#: The system program, which is no mint and pays for nothing; and the error of JSON-RPC that says it is none.
_NO_MINT = _NOBODY = "1" * 32
_INVALID = -32602
_CALLS: Sequence[Call] = (
    GENESIS,
    EPOCH,
    ("getVersion", []),
    ("getIdentity", []),
    ("getFirstAvailableBlock", []),
    ("getLatestBlockhash", [FINALIZED]),
    ("getSignatureStatuses", [[_NOBODYS], {"searchTransactionHistory": True}]),
)
#: The most calls that any request has: of a history's page.
_MOST_AT_ONCE = 10
_ONE = {**FINALIZED, "limit": 1}
#: A block without what is in it.
_BARE = {
    "commitment": "finalized",
    "transactionDetails": "none",
    "rewards": False,
    "maxSupportedTransactionVersion": 1,
}


class EndpointProbe:
    """Of the endpoints of `pool`, which is to be of the chain `genesis`; none where most of them say it.

    `payer`: for whom a transaction is simulated. Of one who holds nothing no balances are told, as a swap's
    are: then only whether it simulates at all is known.
    """

    def __init__(self, pool: Pool, genesis: str | None, payer: str = _NOBODY) -> None:
        self._pool = pool
        self._genesis = genesis
        self._payer = payer

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
                        _compare(endpoint, one, common, self._payer, deadline_s / 2)
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
        version=_text(_part(version, "solana-core")),
        genesis=_text(genesis),
        identity=_text(_part(identity, "identity")),
        dates=(endpoint.dated,),
        slot=slot,
        height=height,
        blockhash=_text(_part(_part(latest, "value"), "blockhash")),
        last_valid=_number(_part(_part(latest, "value"), "lastValidBlockHeight")),
        first_available=_number(first),
        status=status,
    )


async def _compare(endpoint: Endpoint, seen: Seen, common: int, payer: str, deadline_s: float) -> Seen:
    """The same, with what it says of its own final block and of the common one."""
    if seen.fault is not None:
        return seen
    await _learn_batches(endpoint, deadline_s / 4)
    seen = replace(seen, batches=endpoint.batches, largest_batch=endpoint.largest_batch)
    if seen.slot is None:
        return seen
    # Each by itself: some gateways refuse a whole request for it.
    holders = await _tells_holders(endpoint, deadline_s / 4)
    simulates = await _simulates(endpoint, payer, seen.blockhash, deadline_s / 8)
    lists = await _sells(endpoint, ("getSignaturesForAddress", [payer, _ONE]), deadline_s / 8)
    blocks = await _sells(endpoint, ("getBlock", [common, _BARE]), deadline_s / 8)
    seen = replace(seen, holders=holders, simulates=simulates, lists=lists, blocks=blocks)
    seen = replace(seen, dates=(*seen.dates, endpoint.dated))
    calls: list[Call] = [("getBlock", [slot, _BARE]) for slot in (seen.slot, common)]
    try:
        own, of_all = await endpoint.ask(calls, deadline_s / 8)
    except NoAnswer:
        # Some gateways sell no blocks: then there is nothing to compare by.
        return seen
    dates = (*seen.dates, endpoint.dated)
    return replace(seen, own_block=_block(own), common_block=_block(of_all), dates=dates)


async def _learn_batches(endpoint: Endpoint, deadline_s: float) -> None:
    """Asks for as much at once as is ever asked, until it is known what of that it takes."""
    with suppress(NoAnswer, TimeoutError):
        async with asyncio.timeout(deadline_s):
            while not endpoint.is_learnt(_MOST_AT_ONCE):
                await endpoint.ask([GENESIS] * _MOST_AT_ONCE, deadline_s)


async def _simulates(endpoint: Endpoint, payer: str, blockhash: str | None, deadline_s: float) -> bool | None:
    """Whether it simulates what nobody has signed, and tells what that did: as the guard asks for a swap."""
    try:
        latest = Hash.from_string(blockhash or "")
    except ValueError:
        return None
    chore = MessageV0.try_compile(Pubkey.from_string(payer), [set_compute_unit_limit(1_000)], [], latest)
    try:
        (said,) = await endpoint.ask([simulation_of(to_bytes_versioned(chore), [payer])], deadline_s)
    except NoAnswer as e:
        return _refuses(e)
    try:
        simulated(said)
    except NoAnswer:
        return False
    return True


async def _sells(endpoint: Endpoint, call: Call, deadline_s: float) -> bool | None:
    """Whether it answers that method; none where nobody knows."""
    try:
        (said,) = await endpoint.ask([call], deadline_s)
    except NoAnswer as e:
        return _refuses(e)
    return not is_unsold(said)


def _refuses(silence: NoAnswer) -> bool | None:
    """No, where a gateway does not sell that method; else nobody knows."""
    return False if isinstance(silence, Unsold) else None


async def _tells_holders(endpoint: Endpoint, deadline_s: float) -> bool | None:
    """Whether it answers `getTokenLargestAccounts`, asked of what is no mint: who refuses that knows the
    method."""
    try:
        (said,) = await endpoint.ask([("getTokenLargestAccounts", [_NO_MINT])], deadline_s)
    except NoAnswer as e:
        return _refuses(e)
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
