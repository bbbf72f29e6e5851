"""What a test or a drill may do to an engine on the simulated network: the engine's named places to die, and
the one table of the simulated network that others write, its faults.

A row of `sim_faults` says who misbehaves (`target`: `chain`, one of its nodes as `node 1` and `node 2`, or a
venue's name), how (`kind`), for how many calls (`remaining`, null for ever), for which order (`number`, null
for all), how often (`percent`) and how long (`ms`, may be null):

* a venue: `refuse` (says no), `hang` (does not answer; with `ms`, so much later than usual)
* the chain's submit: `refuse`, `hang` (nothing lands, the caller's time runs out), `lose` (lands, the answer
  is lost), `drop` (accepted, never lands), `late` (accepted, lands `ms` later, at most and by default in the
  last block that can take it), `fork` (seen at once in a block that is lost, then as `late`)
* a look, of all nodes (`chain`) or of one: `mute` (can't be asked), `lag` (shows everything as it was `ms`
  ago), `stale` (the newest height, but the signature is looked for in what was there `ms` ago), `forget` (the
  newest height, but nothing older than `ms` is remembered)
* the prices of watched pairs (`feed`): `freeze` (repeats an old slot), `blind` (answers nothing), `lag`
  (tells what was `ms` ago); and while the row stands, by `ms` hundredths of a percent, up or down: `spike`
  (moves the venue that is the target), `gap` (moves all, target `market`)
"""

from __future__ import annotations

#: The places that a drill arms, in the order in which an order comes by.
DRILLED = (
    "accepted", "rung", "claimed", "after_routing", "before_building", "after_building",
    "signed", "before_submitted", "after_submitted", "sent", "landed", "before_confirmed", "after_confirmed",
    "before_pending", "after_pending", "before_waiting", "after_waiting", "before_fire", "after_fire",
)  # fmt: skip
#: Every place there is; a rule for another name is refused, so that a proof can't miss by a typo. Each move
#: of an order has two: before its commit, and after it and before its hint; `routing` comes with the claim.
#: A flight to Postgres has two as well: once it was sent, and between two of its answers. A halt has one:
#: once it is stored, and before anybody was asked to be quiet.
FAILPOINTS = frozenset((
    *DRILLED, "before_edit", "after_edit", "before_failed", "after_failed", "before_expired", "after_expired",
    "flight_sent", "flight_told", "halt_set",
))  # fmt: skip

#: The faults of the chain's submit, and those of a look.
WRITES = ("refuse", "hang", "lose", "drop", "late", "fork")
READS = ("mute", "lag", "stale", "forget")
#: The target that stands for the prices of watched pairs, and what can go wrong with them.
FEED = "feed"
FEED_FAULTS = ("freeze", "blind", "lag")
#: Orders a fault, for a driver that takes named values as SQLite's does.
ORDER_FAULT = """\
INSERT INTO sim_faults (target, kind, ms, number, remaining, percent)
VALUES (:target, :kind, :ms, :number, :remaining, :percent)"""
