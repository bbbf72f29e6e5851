"""What one answer of one RPC endpoint is worth: a look, or nothing. Pure: no I/O and no clock.

A node answers from several stores at once, and each may be of another time; it lags, has no history, forgets
silently, follows a fork that loses, or takes slots for heights. Here each of these becomes a look that counts
for as much as it proves, or none. What the looks of all endpoints amount to is decided in `networks.verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oee_daemon.orders.swap import Fill, Landed, Look, Rejected, Unknown

#: Slots for which a node's cache of statuses reaches back, with a margin: it keeps 300 roots
#: (https://github.com/solana-labs/solana/pull/9314). What is older takes more: `solana_old_absence`.
CACHED_SLOTS = 250

#: Blocks: no blockhash lives for longer. It is 150 of them now, and is to become the bank's to say.
LONGEST_BLOCKS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What `getSignatureStatuses` says of a signature. `failed`: it is on the chain with an error; none where
    that was not told."""

    slot: int
    failed: bool | None
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request's answer: `slot` and `height` are finalized and of one time (`getEpochInfo`); `context` is
    the slot of the state in which it looked for the signature; `knows_all`: whether other answers prove that
    it misses nothing that landed since the swap's anchor."""

    node: str
    slot: int
    height: int
    context: int
    status: Status | None
    knows_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """Where the swap's anchor was: `slot` and `height` of the node that gave it."""

    slot: int
    height: int


def anchored_at(slot: int, height: int, last_valid_height: int) -> Anchored | None:
    """Where an anchor is, by one node's answer; none where its numbers can't be of one chain and time.

    A height that is the slot is a count of something else, for some slots had no block: what is anchored by
    it could not be proven dead before the chain is that high.
    """
    apart = last_valid_height - height
    return Anchored(slot=slot, height=height) if height < slot and 0 < apart <= LONGEST_BLOCKS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a finalized transaction says of itself, by any endpoint's `getTransaction`."""

    slot: int
    result: Landed | Rejected


def look_of(
    answer: Answer, anchored: Anchored, shown: Sequence[Shown], latest_slot: int | None = None
) -> Look | None:
    """The look that the answer is worth; none where it says nothing.

    `shown`: what the endpoints' transactions say, where a status is final. `latest_slot`: no honest node is
    further yet; none where that is not known.
    """
    status = answer.status
    if status is None:
        return _absence(answer, anchored, latest_slot)
    if not _makes_sense(answer, anchored, latest_slot):
        # It may say what it sees, and not how long ago it began to.
        answer = replace(answer, height=anchored.height)
    if not status.final:
        # Its root has passed the slot without it: a fork that lost, whose swap may still land elsewhere.
        if status.slot <= answer.slot:
            return None
        return _look_with(answer, Unknown("not final yet"))
    if not shown:
        return _look_with(answer, Unknown("final, and not yet told what it moved"))
    told = {(one.slot, isinstance(one.result, Rejected)) for one in shown}
    moved = {_moved_by(one.result) for one in shown}
    (slot, failed), *others = told
    agrees = slot == status.slot and status.failed in (None, failed)
    if others or not agrees or len(moved) != 1:
        return _look_with(answer, Unknown("final in two ways"), final=True)
    return _look_with(answer, shown[0].result, final=True)


def _moved_by(result: Landed | Rejected) -> tuple[object, ...]:
    return () if isinstance(result, Rejected) else moved_by(result.fill)


def moved_by(fill: Fill) -> tuple[object, ...]:
    """What has to be the same whoever tells it: times and wording need not be."""
    return fill.input_mint, fill.output_mint, fill.amount_in, fill.amount_out


def _look_with(answer: Answer, seen: Landed | Rejected | Unknown, *, final: bool = False) -> Look:
    return Look(node=answer.node, height=answer.height, as_of=answer.height, seen=seen, final=final)


def _makes_sense(answer: Answer, anchored: Anchored, latest_slot: int | None) -> bool:
    """Whether its height can be one. A block takes a slot at least: more blocks than slots is a count that is
    something else. Some gateways gave the slot for the height
    (https://github.com/EdgeApp/edge-currency-accountbased/pull/1107)."""
    slots, blocks = answer.slot - anchored.slot, answer.height - anchored.height
    ahead = latest_slot is not None and answer.slot > latest_slot
    return answer.height <= answer.slot and blocks <= slots and not ahead


def _absence(answer: Answer, anchored: Anchored, latest_slot: int | None) -> Look | None:
    """Nothing was found: how far, of what time, and how far back it looked."""
    if not _makes_sense(answer, anchored, latest_slot):
        return None
    # The status is of the processed state, which is ahead of the finalized one unless it is of an older time.
    behind = max(0, answer.slot - answer.context)
    cached = answer.context - anchored.slot <= CACHED_SLOTS
    return Look(
        node=answer.node,
        height=answer.height,
        as_of=answer.height - behind,
        # Whoever does not reach back to the anchor knows of nothing before now.
        remembers_from=0 if cached or answer.knows_all else answer.height,
    )
