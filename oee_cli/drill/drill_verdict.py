"""The oracle: holds what the engine says of its orders against what the chain's own ledger says.

Pure functions over order objects as HTTP gives them (with `events`) and the ledger's rows as its file has
them. It trusts nothing that the engine stored about money: a swap landed if the chain says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from oee_cli.drill.drill_ledger import read_ledger
from oee_daemon.contract.status import FINAL, MOVES

#: Every swap that has moved money, by the ledger's file. Amounts in base units.
_LANDED = "SELECT signature, order_id, amount_in, amount_out FROM sim_ledger WHERE state = 'landed'"


@dataclass(frozen=True, slots=True)
class Landing:
    """One swap that moved something. Amounts in base units."""

    signature: str
    order_id: str
    amount_in: int
    amount_out: int


@dataclass(slots=True)
class Verdict:
    """What is wrong, by kind; all empty is the promise kept."""

    lost: list[str]
    doubled: list[str]
    gaps: list[str]
    wrong: list[str]
    #: Of orders that wait: fired without a reason that the market gives, and not fired although it gave one.
    unfounded: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        return not any(getattr(self, kind) for kind in KINDS)


#: What can be wrong.
KINDS = ("lost", "doubled", "gaps", "wrong", "unfounded", "missed")


def landings(ledger: Path) -> list[Landing]:
    """Every landed swap of a simulated chain's ledger file, read without the engine's help."""
    rows = read_ledger(ledger, _LANDED)
    return [Landing(s, str(o).replace("-", ""), int(i), int(out)) for s, o, i, out in rows]


def judge(
    accepted: Iterable[str],
    orders: Sequence[Mapping[str, Any]],
    landed: Sequence[Landing],
    decimals: Mapping[str, int],
) -> Verdict:
    """`accepted`: the ids that were answered for; `decimals`: by token symbol.

    ConnectionLost: accepted but unknown, or not ended, or confirmed without a landing. Doubled: more than one
    landing, or one of an order that did not confirm. Gaps: events that miss or move illegally. Wrong:
    amounts that differ from the chain's, or a fill worse than the fixed bound.
    """
    verdict = Verdict([], [], [], [])
    by_order: dict[str, list[Landing]] = {}
    for landing in landed:
        by_order.setdefault(landing.order_id, []).append(landing)
    known = {str(order["orderId"]): order for order in orders}
    verdict.lost += [f"{i}: accepted, but there is no such order" for i in accepted if i not in known]
    for order_id, order in known.items():
        own = by_order.pop(order_id.replace("-", ""), [])
        _judge_end(verdict, order_id, order, own)
        _judge_events(verdict, order_id, order)
        if order["status"] == "confirmed" and len(own) == 1:
            _judge_amounts(verdict, order_id, order, own[0], decimals)
    verdict.doubled += [f"{i}: landed for an order that does not exist" for i in by_order]
    keys = Counter(o["idempotencyKey"] for o in orders if o.get("idempotencyKey"))
    verdict.doubled += [f"key {k} stands on {n} orders" for k, n in keys.items() if n > 1]
    return verdict


def _judge_end(verdict: Verdict, order_id: str, order: Mapping[str, Any], own: list[Landing]) -> None:
    status = order["status"]
    if status not in FINAL:
        verdict.lost.append(f"{order_id}: never ended, it is {status}")
    if status == "confirmed" and not own:
        verdict.lost.append(f"{order_id}: confirmed, but nothing landed")
    if len(own) > (1 if status == "confirmed" else 0):
        verdict.doubled.append(f"{order_id}: {status}, and {len(own)} swaps landed")


def _judge_events(verdict: Verdict, order_id: str, order: Mapping[str, Any]) -> None:
    events = order["events"]
    seqs = [e["seq"] for e in events]
    if seqs != list(range(1, len(events) + 1)):
        verdict.gaps.append(f"{order_id}: events {seqs}")
        return
    for before, after in pairwise(events):
        # An attempt has ended where the order tries again or waits again; an edit ends none.
        step = int(after["status"] in ("pending", "waiting") and before["status"] != "waiting")
        legal = after["status"] in MOVES.get(before["status"], ())
        if not legal or after["attempt"] != before["attempt"] + step:
            verdict.gaps.append(
                f"{order_id}: {before['status']} {before['attempt']} -> {after['status']} {after['attempt']}"
            )
    last = events[-1] if events else None
    if last is None or last["status"] != order["status"] or last["attempt"] != order["attempt"]:
        verdict.gaps.append(f"{order_id}: it is {order['status']}, its last event says otherwise")


def _judge_amounts(
    verdict: Verdict, order_id: str, order: Mapping[str, Any], landing: Landing, decimals: Mapping[str, int]
) -> None:
    amount_in = Decimal(landing.amount_in).scaleb(-decimals[order["inputToken"]])
    amount_out = Decimal(landing.amount_out).scaleb(-decimals[order["outputToken"]])
    if order["signature"] != landing.signature:
        verdict.wrong.append(f"{order_id}: says {order['signature']}, the chain {landing.signature}")
    if (Decimal(order["filledIn"]), Decimal(order["filledOut"])) != (amount_in, amount_out):
        verdict.wrong.append(f"{order_id}: its amounts are not the chain's")
    exact_in = order["swapMode"] == "ExactIn"
    exact = amount_in if exact_in else amount_out
    if exact != Decimal(order["amount"]):
        verdict.wrong.append(f"{order_id}: asked for {order['amount']}, got {exact}")
    bound = order["minReceive"] if exact_in else order["maxSpend"]
    if bound is None or (amount_out < Decimal(bound) if exact_in else amount_in > Decimal(bound)):
        verdict.wrong.append(f"{order_id}: filled worse than its bound {bound}")
    worst = order.get("targetPrice") if order.get("type") == "limit" else order.get("limitPrice")
    quote, base = (amount_in, amount_out) if order["side"] == "buy" else (amount_out, amount_in)
    if worst is not None and (quote - Decimal(worst) * base) * (1 if order["side"] == "buy" else -1) > 0:
        verdict.wrong.append(f"{order_id}: filled at {quote / base}, which is worse than {worst}")
