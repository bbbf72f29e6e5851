"""Whether an endpoint that is asked one by one knows nothing of an old swap, by one answer of one node.

That a status is unknown and how far back a node remembers may come from two nodes behind one name: one that
forgets silently and one that keeps all would prove together that a landed swap never landed. The list of the
wallet that paid tells both at once: who lists a landing of before the swap's anchor has kept all since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from solders.transaction import VersionedTransaction

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_endpoint_look import FINALIZED
from oee_daemon.networks.solana.solana_look_evidence import CACHED_SLOTS, Anchored, Answer, Status
from oee_daemon.networks.solana.solana_wallet_list import LAG_SLOTS, LISTED
from oee_daemon.orders.swap import SignedSwap


async def by_their_lists(
    endpoints: Sequence[Endpoint],
    answers: Sequence[Answer],
    swap: SignedSwap,
    anchored: Anchored,
    deadline_s: float,
) -> list[Answer]:
    """`answers` with what the lists of those `endpoints`, which take one call a request, add to theirs.
    One that lists the swap has seen it."""
    apart = {one.name: one for one in endpoints}

    async def told(answer: Answer) -> Answer:
        if (one := apart.get(answer.node)) is None:
            return answer
        answer = replace(answer, first_available=None)
        if answer.status is not None or answer.context - anchored.slot <= CACHED_SLOTS:
            return answer
        return await _by_its_list(one, answer, swap, anchored, deadline_s)

    return await asyncio.gather(*(told(answer) for answer in answers))


async def _by_its_list(
    endpoint: Endpoint, answer: Answer, swap: SignedSwap, anchored: Anchored, deadline_s: float
) -> Answer:
    try:
        # Not of the wallet that is set by now.
        wallet = str(VersionedTransaction.from_bytes(swap.raw).message.account_keys[0])
    except ValueError:
        return answer
    # Of a node that is as far as the height that its absence counts for, which may lag a little.
    slot, height = answer.slot - LAG_SLOTS, answer.height - LAG_SLOTS
    options: dict[str, Any] = {**FINALIZED, "limit": LISTED, "minContextSlot": max(0, slot)}
    calls: list[Call] = [("getSignaturesForAddress", [wallet, options])]
    try:
        (said,) = await endpoint.ask(calls, deadline_s, urgent=True)
    except NoAnswer:
        return answer
    listed = _listed(said)
    if swap.signature in listed:
        landed, failed = listed[swap.signature]
        return replace(answer, status=Status(slot=landed, failed=failed, final=True))
    first = min((one for one, _ in listed.values()), default=None)
    if first is None or first > anchored.slot:
        return answer
    return replace(answer, slot=slot, height=height, first_available=first)


def _listed(said: Result) -> dict[str, tuple[int, bool]]:
    """By signature the slot and whether it failed; nothing where that is no list."""
    try:
        rows = {str(row["signature"]): (row["slot"], row["err"] is not None) for row in said}
    except (KeyError, TypeError):
        return {}
    return rows if all(type(slot) is int and slot > 0 for slot, _ in rows.values()) else {}
