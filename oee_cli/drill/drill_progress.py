"""How far a drill is: what its clients, its faults and its screen share."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class DrillProgress:
    """What is known of a drill while it runs. `waiting`: how many of a hundred orders wait for a price."""

    orders: int
    faults: int
    seed: int
    workers: int
    network: str
    waiting: int
    accepted: list[str] = field(default_factory=list)
    #: Orders that have not ended, and those of them that wait.
    live: int = 0
    waits: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    #: What the judge of those that wait has looked at.
    watched: Counter[str] = field(default_factory=Counter)
    moments: list[float] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    @property
    def ended(self) -> int:
        return max(0, len(self.accepted) - self.live)
