"""What a drill does to an engine on the simulated network, and reads of its chain, behind the engine's back:
the engine's named places to die, and the two statements on the chain's own file."""

from __future__ import annotations

#: The places that a drill arms, in the order in which an order comes by.
DRILLED = (
    "accepted", "rung", "claimed", "after_routing", "before_building", "after_building",
    "signed", "before_submitted", "after_submitted", "sent", "landed", "before_confirmed", "after_confirmed",
    "before_pending", "after_pending",
)  # fmt: skip
#: Every place there is; a rule for another name is refused, so that a proof can't miss by a typo. Each move
#: of an order has two: before its commit, and after it and before its hint; `routing` comes with the claim.
#: A flight to Postgres has two as well: once it was sent, and between two of its answers.
FAILPOINTS = frozenset((
    *DRILLED, "before_failed", "after_failed", "before_expired", "after_expired",
    "flight_sent", "flight_told",
))  # fmt: skip

#: Every swap that has moved money. Amounts in base units.
LANDED = "SELECT signature, order_id, amount_in, amount_out FROM sim_ledger WHERE state = 'landed'"
#: Orders a fault. `percent` of what reaches `target` meets it until `remaining` have; `ms` and `number`
#: (an order's) may be null.
ORDER_FAULT = """\
INSERT INTO sim_faults (target, kind, ms, number, remaining, percent)
VALUES (:target, :kind, :ms, :number, :remaining, :percent)"""
