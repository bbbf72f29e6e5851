"""What a swap would do to the wallet, by one simulation of its very bytes. Pure.

Amounts are taken from the simulation's own balances before and after: read apart, another's landing in
between would be taken for this one's. What fails in the simulation is no theft, and may be tried again.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from solders.pubkey import Pubkey

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import AttemptFailed, WrongQuote
from oee_daemon.networks.solana.guard.guard_instructions import Limits
from oee_daemon.networks.solana.guard.guard_message import refuse
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.solana_fill import WSOL, Unreadable, changes
from oee_daemon.networks.solana.solana_programs import SYSTEM, TOKEN, TOKEN_2022
from oee_daemon.networks.solana.solana_refusals import rejection
from oee_daemon.networks.solana.solana_trader_accounts import MOST_LEFT
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import is_far_better

#: What a node says of a swap whose blockhash it does not have
#: (https://github.com/anza-xyz/solana-sdk, transaction-error).
UNKNOWN_BLOCK = "BlockhashNotFound"


def check(
    found: Mapping[str, Any], keys: Sequence[str], asked: Sequence[str], limits: Limits, plan: Plan
) -> None:
    """`found`: the simulation's value; `keys`: the message's accounts; `asked`: those whose state it gives.

    Raises `UnsafeSwap`, `AttemptFailed` where the swap would fail, `WrongQuote`; `NoAnswer` where what a node
    says can't be read, or it is behind the swap: that says something of the node, and nothing of the swap.
    """
    if found["err"] == UNKNOWN_BLOCK:
        # The anchor is of the node that is furthest on: this one is behind, or on another fork.
        raise NoAnswer("it does not know the block that the swap is built on")
    if found["err"] is not None:
        failed = rejection(found["err"], found.get("logs"))
        # Nothing was sent: that the wallet holds too little may be another's doing, and over in a moment.
        raise AttemptFailed(f"Before it was signed, {failed.message}.", code=failed.code, retryable=True)
    try:
        moved = changes(found, keys, limits.wallet)
        mine = {
            keys[b["accountIndex"]]: b["mint"]
            for b in found["preTokenBalances"]
            if b["owner"] == limits.wallet
        }
        states = dict(zip(asked, found["accounts"], strict=True))
        for address, state in states.items():
            _account(address, state, mine.get(address), limits)
        left = _lamports_left(found, keys, states, limits.wallet)
    except (Unreadable, KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise NoAnswer("a simulation that can't be read") from None
    _amounts(moved, found["fee"], left, limits)
    if plan.by_quote:
        _as_quoted(moved, plan)


def _as_quoted(moved: Mapping[str, int], plan: Plan) -> None:
    """A pool's reserves are one endpoint's word, and told wrong they make a bound that keeps nothing."""
    request, quote = plan.request, plan.quote
    spent, got = -moved.get(request.input_token.mint, 0), moved.get(request.output_token.mint, 0)
    if request.mode is SwapMode.EXACT_IN and is_far_better(got, quote.amount_out):
        said = f"bring {got}, and {quote.venue} was said to give {quote.amount_out}"
    elif request.mode is SwapMode.EXACT_OUT and is_far_better(quote.amount_in, spent):
        said = f"take {spent}, and {quote.venue} was said to take {quote.amount_in}"
    else:
        return
    raise WrongQuote(f"Before it was signed, it would {said}: its bound is made of a wrong price.")


def _amounts(moved: Mapping[str, int], fee: int, left: int, limits: Limits) -> None:
    """`left`: lamports in accounts that the swap's programs made."""
    if fee > limits.fee_cap:
        refuse("fee", f"its network fee would be {fee} lamports, more than {limits.fee_cap}")
    broken = _find_broken(moved, min(left, MOST_LEFT), limits)
    if broken is None:
        return
    if left > MOST_LEFT and _find_broken(moved, left, limits) is None:
        refuse("rent", f"it would pay {left} lamports for accounts of others, more than {MOST_LEFT}")
    refuse(*broken)


def _find_broken(moved: Mapping[str, int], left: int, limits: Limits) -> tuple[str, str] | None:
    """The rule that the amounts break, and how, with as many lamports put back; none where they keep all."""
    rest = dict(moved)
    rest[WSOL] = rest.get(WSOL, 0) + left
    spent, got = -rest.pop(limits.input_mint, 0), rest.pop(limits.output_mint, 0)
    if spent > limits.most_in:
        return "spends", f"it would spend {spent}, and may {limits.most_in}"
    if got < limits.least_out:
        return "receives", f"it would bring {got}, and has to {limits.least_out}"
    for mint, by in rest.items():
        if by < 0:
            return "drains", f"it would take {-by} of {'SOL' if mint == WSOL else mint} as well"
    return None


def _lamports_left(
    found: Mapping[str, Any], keys: Sequence[str], states: Mapping[str, Any], wallet: str
) -> int:
    """Lamports in accounts that were not there before, and that a program keeps and not the wallet."""
    before = dict(zip(keys, found["preBalances"], strict=True))
    return sum(
        state["lamports"]
        for address, state in states.items()
        if state is not None and before[address] == 0 and _is_kept(state, wallet)
    )


def _is_kept(state: Mapping[str, Any], wallet: str) -> bool:
    data = _data(state)
    own = state["owner"] in (TOKEN, TOKEN_2022) and data[32:64] == bytes(Pubkey.from_string(wallet))
    return state["owner"] != SYSTEM and bool(data) and not own


def _account(address: str, state: Any, mint: str | None, limits: Limits) -> None:
    """One account after the swap. `mint`: of which it was the wallet's before, none where it was not."""
    if address == limits.wallet:
        if state is None or state["owner"] != SYSTEM or _data(state):
            refuse("assign", "it would hand the wallet itself to a program")
        return
    if state is None or (state["lamports"] == 0 and not _data(state)):
        if mint not in (None, WSOL):
            refuse("close", f"it would close the wallet's account of {mint}")
        return
    data = _data(state)
    if state["owner"] not in (TOKEN, TOKEN_2022) or len(data) < 165:
        if mint is not None:
            refuse("authority", f"it would take the wallet's account of {mint} away")
        return
    ours = str(Pubkey(data[32:64])) == limits.wallet
    if mint is not None and not ours:
        refuse("authority", f"it would give the wallet's account of {mint} to somebody else")
    if ours and data[72:76] != bytes(4):
        refuse("approve", f"it would let somebody else spend from {address}")
    if ours and data[129:133] != bytes(4):
        refuse("authority", f"it would let somebody else close {address}")


def _data(state: Mapping[str, Any]) -> bytes:
    content, encoding = state["data"]
    if encoding != "base64":
        raise ValueError(encoding)
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        raise ValueError("no base 64") from None
