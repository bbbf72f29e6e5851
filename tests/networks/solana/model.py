"""A model of a chain and its nodes, written from Solana's rules and not from our code.

Time counts slots; every 20th has no block, so that a slot is not a height. What a swap really does is drawn
once, at its signing; nodes then show it late, in part, wrongly or not at all. The truth is `World.landed`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from oee_daemon.networks.solana.solana_look_evidence import Answer, Status

#: The world's first slot, and how many slots had no block until then.
BEGIN, SKIPPED = 460_000_000, 22_000_000
#: For how many slots a losing fork is shown.
FORK_SLOTS = 14


def height_at(slot: int) -> int:
    return slot - SKIPPED - (slot - BEGIN) // 20


@dataclass
class Swap:
    slot: int
    height: int
    last: int
    #: Where it is on the chain that wins, and whether with an error; none where it never lands.
    lands: tuple[int, bool] | None = None
    #: The same on a fork that loses.
    orphaned: tuple[int, bool] | None = None


@dataclass(frozen=True)
class Node:
    """`lag` in slots. `slot_for_height`: gives one for the other. `ghost`: believes in forks that lost."""

    lag: int = 0
    history: Literal["full", "none", "pruned"] = "full"
    slot_for_height: bool = False
    ghost: bool = False


@dataclass
class World:
    rng: random.Random
    finality: int = 32
    now: int = BEGIN + 1000
    swaps: list[Swap] = field(default_factory=list)

    def sign(self, node: Node, *, forks: bool, late: float) -> Swap:
        """A swap on that node's newest finalized block, with its fate."""
        slot = self.now - node.lag - self.finality
        swap = Swap(slot, height_at(slot), height_at(slot) + 150)
        rng, kind = self.rng, self.rng.random()
        last = max(s for s in range(slot + 150, slot + 170) if height_at(s) <= swap.last + 1)
        soon = self.now + rng.randint(1, 6)
        if forks and kind < 0.5:
            swap.orphaned = (soon, rng.random() < 0.6)
        if kind < 0.8 or rng.random() < late:
            place = rng.choice([last, last, last - 1, rng.randint(soon, max(soon, last))])
            swap.lands = (place if rng.random() < late or swap.orphaned else soon, rng.random() < 0.25)
        if swap.lands is not None and swap.lands[0] > last:
            swap.lands = None
        self.swaps.append(swap)
        return swap

    def landed(self) -> int:
        """How many of the swaps moved something."""
        return sum(swap.lands is not None and not swap.lands[1] for swap in self.swaps)

    def height(self, node: Node) -> tuple[int, int]:
        slot = self.now - node.lag - self.finality
        return slot, slot if node.slot_for_height else height_at(slot)

    def status(self, node: Node, swap: Swap) -> tuple[int, Status | None] | None:
        """The slot of the state it looked in, and what it found; none where it refuses to say."""
        seen = self.now - node.lag
        root = seen - self.finality
        if swap.lands is not None and swap.lands[0] <= seen:
            slot, failed = swap.lands
            if root - slot <= 290 or node.history == "full":
                return seen, Status(slot=slot, failed=failed, final=slot <= root)
        if swap.orphaned is not None and swap.orphaned[0] <= seen:
            slot, failed = swap.orphaned
            if node.ghost or seen <= slot + FORK_SLOTS:
                return seen, Status(slot=slot, failed=failed, final=False)
        if node.history == "none" and seen - swap.slot > 290:
            return None
        return seen, None

    def knows(self, node: Node, swap: Swap) -> bool:
        """Whether its list of the wallet or its blocks prove that a swap is on none of them."""
        past = height_at(self.now - node.lag - self.finality) > swap.last + 10
        return past and node.history == "full" and swap.lands is None


@dataclass(frozen=True)
class Endpoint:
    """`nodes`: one of them answers each request, or, without batches, each call."""

    name: str
    nodes: Sequence[Node]
    batches: bool = True
    silent: float = 0.1

    def answer(self, world: World, swap: Swap) -> Answer | None:
        rng = world.rng
        if rng.random() < self.silent:
            return None
        first = rng.choice(self.nodes)
        asked = [first] * 2 if self.batches else [first, rng.choice(self.nodes)]
        slot, height = world.height(asked[0])
        found = world.status(asked[1], swap)
        if found is None:
            return None
        return Answer(
            node=self.name,
            slot=slot,
            height=height,
            context=found[0],
            status=found[1],
            # By other answers, of whichever node they are.
            knows_all=found[1] is None and world.knows(rng.choice(self.nodes), swap),
        )


@dataclass(frozen=True)
class Scenario:
    endpoints: Sequence[Endpoint]
    finality: int = 32
    forks: bool = False
    late: float = 0.5


#: What a worker makes of one round of answers about one swap: "landed", "rejected", "lapsed", or nothing.
Judge = Callable[[World, Swap, Sequence[Answer | None]], str | None]


@dataclass
class Tally:
    orders: int = 0
    signed: int = 0
    doubled: int = 0
    lost: int = 0
    stuck: int = 0


def trade(scenario: Scenario, judge_of: Callable[[Swap, int], Judge], orders: int, seed: int) -> Tally:
    """Trades orders, each until it is said to have landed, and counts what came of them."""
    tally = Tally()
    for number in range(orders):
        world = World(random.Random(f"{seed}:{number}"), scenario.finality)
        tally.orders += 1
        said = _one(world, scenario, judge_of)
        tally.signed += len(world.swaps)
        tally.doubled += world.landed() > 1
        tally.lost += said == "landed" and world.landed() == 0
        tally.stuck += said is None
    return tally


def _one(world: World, scenario: Scenario, judge_of: Callable[[Swap, int], Judge]) -> str | None:
    said: str | None = None
    for _ in range(12):
        honest = [n for e in scenario.endpoints for n in e.nodes if not n.slot_for_height]
        swap = world.sign(world.rng.choice(honest), forks=scenario.forks, late=scenario.late)
        judge = judge_of(swap, len(scenario.endpoints))
        for _ in range(400):
            world.now += 5
            said = judge(world, swap, [e.answer(world, swap) for e in scenario.endpoints])
            if said is not None:
                break
        if said in ("landed", None):
            return said
    return said
