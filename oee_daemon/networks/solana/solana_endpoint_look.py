"""What an RPC endpoint says of one swap, in one request: asked for, and read. Pure.

Its three calls are of one batch, hence mostly of one node: which chain it is on, how far that is final, and
whether it knows the signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.solana_look_evidence import Answer, Status

#: No chain comes to that slot, and no database stores it.
_NEVER = 2**48
FINALIZED = {"commitment": "finalized"}
GENESIS: Call = ("getGenesisHash", [])
EPOCH: Call = ("getEpochInfo", [FINALIZED])


def calls_for(*signatures: str) -> list[Call]:
    """The height comes first: what lands between two calls is seen, never missed."""
    return [GENESIS, EPOCH, status_of(*signatures)]


def status_of(*signatures: str) -> Call:
    """Whether the node knows each of them, its history included."""
    return ("getSignatureStatuses", [list(signatures), {"searchTransactionHistory": True}])


def glimpse_of(signature: str) -> list[Call]:
    """Whether it may be time for a look: of what the node has in memory alone."""
    return [("getSignatureStatuses", [[signature]])]


def shows_final(results: Sequence[Result]) -> bool:
    """By the answer to `glimpse_of` or `status_of`, which decides nothing. Raises `NoAnswer`."""
    status = _status(results[0])[1]
    return status is not None and status.final


def answer_of(node: str, results: Sequence[Result], genesis: str) -> Answer:
    """Raises `NoAnswer`, where something is missing or of another chain."""
    must_be_of(genesis, results[0])
    slot, height = epoch_of(results[1])
    context, status = _status(results[2])
    return Answer(node=node, slot=slot, height=height, context=context, status=status)


def must_be_of(genesis: str, said: Result) -> None:
    """Raises `NoAnswer`: a node of another chain knows nothing of ours, and would say so with conviction."""
    if said != genesis:
        raise NoAnswer("another chain")


def epoch_of(said: Result) -> tuple[int, int]:
    """The slot and the height of `getEpochInfo`, of one state. Raises `NoAnswer`."""
    known = isinstance(said, dict)
    slot, height = (said.get("absoluteSlot"), said.get("blockHeight")) if known else (None, None)
    if (
        type(slot) is not int
        or type(height) is not int
        or not 0 <= min(slot, height) <= max(slot, height) < _NEVER
    ):
        raise NoAnswer("no slot and height")
    return slot, height


def _status(said: Result) -> tuple[int, Status | None]:
    if isinstance(said, RpcError):
        # A node without history says so, -32011, where another is silent.
        raise NoAnswer(f"error {said.code}")
    try:
        context, (status,) = said["context"]["slot"], said["value"]
    except (KeyError, TypeError, ValueError):
        raise NoAnswer("no status") from None
    if type(context) is not int:
        raise NoAnswer("no slot of its status")
    return context, None if status is None else _read_status(status)


def _read_status(said: Any) -> Status:
    if not isinstance(said, dict) or type(said.get("slot")) is not int or "err" not in said:
        raise NoAnswer("a status of another shape")
    level = said.get("confirmationStatus")
    if level not in ("processed", "confirmed", "finalized"):
        raise NoAnswer("a status without its commitment")
    return Status(slot=said["slot"], failed=said["err"] is not None, final=level == "finalized")
