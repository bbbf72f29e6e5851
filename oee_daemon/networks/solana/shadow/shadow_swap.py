"""One stranger's signature, judged as if it were a swap of ours that landed in the last block it could. Pure.

That is the hardest case: from the next blocks on its absence would count. All endpoints are judged together,
as an engine does, and each alone, as an engine that could reach no other would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from oee_daemon.networks.solana.solana_look_evidence import Anchored, Answer, Shown, look_of
from oee_daemon.networks.verdict import ALONE_BLOCKS, MARGIN_BLOCKS, VALID_BLOCKS, Case
from oee_daemon.orders.swap import Fill, Landed, Lapsed, Outcome, Rejected, Unknown

#: Blocks after its own for which it is looked for: until one endpoint alone would prove an absence.
WATCHED_BLOCKS = MARGIN_BLOCKS + ALONE_BLOCKS + 5
#: What the block says of it, in the end.
Truth: TypeAlias = Literal["landed", "failed", "absent", "unclear"]
_AGREES: Mapping[str, type[Outcome]] = {"landed": Landed, "failed": Rejected, "absent": Lapsed}


@dataclass
class Shadowed:
    """A signature of the block at `slot` and `height`, and what `endpoints` make of it, by name."""

    signature: str
    slot: int
    height: int
    endpoints: Sequence[str]
    outcome: Outcome = field(default_factory=lambda: Unknown("never asked"))
    looks: int = 0
    #: Endpoints that alone would have proven that it never landed.
    denied_by: set[str] = field(default_factory=set)
    #: The furthest height that any of them showed.
    reached: int = 0

    def __post_init__(self) -> None:
        # The block after its last valid one still takes it.
        last = self.height - 1
        self._anchored = Anchored(
            slot=max(0, self.slot - VALID_BLOCKS), height=max(0, self.height - VALID_BLOCKS)
        )
        self._all = Case(last, len(self.endpoints))
        self._alone = {name: Case(last, 1) for name in self.endpoints}

    @property
    def over(self) -> bool:
        """Whether nothing more can be learnt."""
        return self.reached > self.height + WATCHED_BLOCKS

    def hear(self, answers: Sequence[Answer], shown: Sequence[Shown]) -> None:
        """One round: an answer of each endpoint that gave one, and what their transactions say of it."""
        looks = [look for answer in answers if (look := look_of(answer, self._anchored, shown)) is not None]
        self.looks += len(looks)
        # An endpoint that takes slots for heights has a height of its own.
        self.reached = max([self.reached, *(a.height for a in answers if a.height < a.slot)])
        outcome = self._all.judge(looks)
        if isinstance(self.outcome, Unknown):
            self.outcome = outcome
        for look in looks:
            if isinstance(self._alone[look.node].judge([look]), Lapsed):
                self.denied_by.add(look.node)

    def wrong(self, truth: Truth) -> bool:
        """Whether what was said contradicts the block. What is unknown is never wrong."""
        if truth == "unclear":
            return False
        concluded = not isinstance(self.outcome, Unknown)
        denied = bool(self.denied_by) and truth in ("landed", "failed")
        return denied or (concluded and not isinstance(self.outcome, _AGREES[truth]))


def shown_as(slot: int, *, failed: bool) -> Shown:
    """What a transaction says; whose it is and what it moved is nobody's business."""
    if failed:
        return Shown(slot=slot, result=Rejected("swap_failed", "", True))
    nothing = Fill(
        signature="", input_mint="", output_mint="", amount_in=0, amount_out=0, fee=None, slot=slot,
        at=datetime.fromtimestamp(0, UTC),
    )  # fmt: skip
    return Shown(slot=slot, result=Landed(nothing))
