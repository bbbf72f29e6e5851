"""What a drill asked of its orders besides placing them, and what it was told, by its own clock: other terms,
cancels, halts. Its judge goes by these, not by what the engine says of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oee_cli.drill.drill_orders import Placed

#: In no time that anybody has seen.
NEVER_MS = float("inf")


@dataclass(slots=True)
class Edit:
    """Other terms for one order, asked for from `sent_ms` on; the last answer came at `told_ms`. `done`: it
    was, it was not, or nobody knows."""

    terms: Placed
    body: Mapping[str, Any]
    sent_ms: float
    told_ms: float = NEVER_MS
    done: bool | None = None
    #: An answer was lost.
    unsure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Of the orders `ids`, or of all of a pair, side and type. `left`: those that may have been sent; none
    where nobody said that the others are stopped."""

    sent_ms: float
    told_ms: float
    ids: frozenset[str] = frozenset()
    pair: str = ""
    side: str = ""
    type: str = ""
    left: frozenset[str] | None = None

    def means(self, order: Mapping[str, Any]) -> bool:
        if self.ids:
            return order["orderId"] in self.ids
        return (order["pair"], order["side"], order["type"]) == (self.pair, self.side, self.type)


@dataclass(frozen=True, slots=True)
class Look:
    """How many orders, signed swaps and firings Postgres had, and how many swaps the chain had taken."""

    accepted: int
    signed: int
    fired: int
    sent: int


@dataclass(slots=True)
class Halt:
    """It held from `told_ms` until a resume was asked for. `sure`: each worker said that it is quiet.
    `before`, `after`: what was there at both ends, by looks of the drill's own."""

    sent_ms: float
    told_ms: float
    sure: bool
    before: Look
    after: Look | None = None
    until_ms: float = NEVER_MS


@dataclass(slots=True)
class Asked:
    """By order; and all others in the order in which they were asked."""

    edits: dict[str, Edit] = field(default_factory=dict)
    cancels: list[Cancel] = field(default_factory=list)
    halts: list[Halt] = field(default_factory=list)
    #: When it may have been halted, whether or not that was said.
    still: list[tuple[float, float]] = field(default_factory=list)
