"""What an RPC endpoint's answers say about the endpoint itself, held against those of the others. Pure.

An endpoint is useless where it is silent, of another chain, takes slots for heights, or shows blocks of a
fork that lost. One that lags, forgets, refuses batches or can be overheard is of use, and told of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oee_daemon.networks.network_endpoints import EndpointReport
from oee_daemon.networks.solana.rpc.endpoint_date import Dated, ahead_ms
from oee_daemon.networks.solana.rpc.endpoint_operator import operator_of
from oee_daemon.networks.solana.rpc.rpc_answers import Result, RpcError
from oee_daemon.networks.solana.solana_look_evidence import LONGEST_BLOCKS

#: Slots behind the furthest endpoint from which on one lags: answers that come a second apart differ by five.
LAG_SLOTS = 25
#: `getSignatureStatuses` of a node without history
#: (https://github.com/anza-xyz/agave, rpc-client-api/src/custom_error.rs).
_NO_HISTORY = -32011

#: Codes of what is wrong, the gravest first.
SILENT, OTHER_CHAIN, WRONG_HEIGHT, OTHER_FORK = "silent", "other_chain", "wrong_height", "other_fork"
LAGS, NO_HISTORY, PRUNED, NO_HOLDERS = "lags", "no_history", "pruned", "no_holders"
NO_BATCHES, PLAIN_HTTP, MAYBE_SAME = "no_batches", "plain_http", "maybe_same_operator"
NO_SIMULATION, NO_BLOCKS, NO_LIST = "no_simulation", "no_blocks", "no_list"
#: Those that leave nothing that it could be asked for.
USELESS = frozenset({SILENT, OTHER_CHAIN, WRONG_HEIGHT, OTHER_FORK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What a node says of one block of the chain: its height, and the hash that every node has to have."""

    height: int | None
    hash: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one endpoint said. `own_block` is of its own final slot, `common_block` of the one slot that all
    were asked for; `status` is its answer about a signature that nobody has; `holders`, `simulates`,
    `blocks` and `lists`: whether it tells who holds a token, what a swap would do, what is in a block, and
    what a wallet has landed, none where nobody knows; `dates`: of its answers."""

    name: str
    transport: str
    fault: str | None = None
    latency_ms: int | None = None
    batches: bool | None = None
    largest_batch: int | None = None
    version: str | None = None
    genesis: str | None = None
    identity: str | None = None
    slot: int | None = None
    height: int | None = None
    last_valid: int | None = None
    first_available: int | None = None
    status: Result = None
    dates: Sequence[Dated | None] = ()
    holders: bool | None = None
    simulates: bool | None = None
    blocks: bool | None = None
    lists: bool | None = None
    blockhash: str | None = None
    own_block: Block | None = None
    common_block: Block | None = None


def reports_of(seen: Sequence[Seen], genesis: str) -> list[EndpointReport]:
    """One report for each; `genesis`: of the chain that is meant."""
    ours = [one for one in seen if one.fault is None and one.genesis == genesis]
    furthest = max((one.slot for one in ours if one.slot is not None), default=None)
    hashes = Counter(one.common_block.hash for one in ours if one.common_block and one.common_block.hash)
    same = _same_operators(seen)
    return [_report(one, genesis, furthest, hashes, same.get(one.name, ())) for one in seen]


def _report(
    one: Seen, genesis: str, furthest: int | None, hashes: Mapping[str, int], same: Sequence[str]
) -> EndpointReport:
    lag = furthest - one.slot if furthest is not None and one.slot is not None else None
    history, reaches_back = _history(one)
    found = {
        SILENT: one.fault is not None,
        OTHER_CHAIN: one.fault is None and one.genesis != genesis,
        WRONG_HEIGHT: not _height_makes_sense(one),
        OTHER_FORK: _is_of_another_fork(one, hashes),
        NO_SIMULATION: one.simulates is False,
        LAGS: lag is not None and lag > LAG_SLOTS and one.genesis == genesis,
        NO_HISTORY: history == "none",
        PRUNED: history == "pruned",
        NO_BLOCKS: one.blocks is False,
        NO_LIST: one.lists is False,
        NO_HOLDERS: one.holders is False,
        NO_BATCHES: one.batches is False,
        PLAIN_HTTP: one.transport == "http",
        MAYBE_SAME: bool(same),
    }
    problems = [code for code, so in found.items() if so]
    return EndpointReport(
        name=one.name,
        transport=one.transport,
        good=not USELESS.intersection(problems),
        problems=problems,
        fault=one.fault,
        version=one.version,
        genesis=one.genesis,
        slot=one.slot,
        height=one.height,
        lag=lag if one.genesis == genesis else None,
        history=history,
        reaches_back=reaches_back,
        batches=one.batches,
        largest_batch=one.largest_batch,
        simulates=one.simulates,
        latency_ms=one.latency_ms,
        clock_ahead_ms=None if one.transport == "local" else ahead_ms(one.dates),
        maybe_same=same,
    )


def _height_makes_sense(one: Seen) -> bool:
    """Whether its count of blocks is one. Some gateways gave the slot for it
    (https://github.com/EdgeApp/edge-currency-accountbased/pull/1107)."""
    if one.fault is not None:
        return True
    if one.slot is None or one.height is None or one.height > one.slot:
        return False
    if one.last_valid is not None and not 0 < one.last_valid - one.height <= LONGEST_BLOCKS:
        return False
    told = one.own_block.height if one.own_block else None
    # The block itself says how many were before it.
    return told is None or told == one.height


def _is_of_another_fork(one: Seen, hashes: Mapping[str, int]) -> bool:
    """Whether more of the others have another hash for the same slot; where two differ nobody knows whose
    is wrong, and both are told."""
    mine = one.common_block.hash if one.common_block else None
    if mine is None or len(hashes) < 2:
        return False
    return any(count >= hashes[mine] for other, count in hashes.items() if other != mine)


def _history(one: Seen) -> tuple[str | None, int | None]:
    """How far back it knows signatures, and in slots where that is not to the beginning."""
    if one.fault is not None or one.slot is None:
        return None, None
    if isinstance(one.status, RpcError) and one.status.code == _NO_HISTORY:
        return "none", None
    if one.first_available is None:
        return None, None
    if one.first_available == 0:
        return "full", None
    return "pruned", max(0, one.slot - one.first_available)


def _same_operators(seen: Sequence[Seen]) -> dict[str, list[str]]:
    """Who may be one operator: by the site that both names are of, or by the node that answered for both."""
    found: dict[str, list[str]] = {}
    for one in seen:
        others = [
            other.name
            for other in seen
            if other.name != one.name
            and (
                operator_of(other.name) == operator_of(one.name)
                or (one.identity is not None and other.identity == one.identity)
            )
        ]
        if others:
            found[one.name] = others
    return found
