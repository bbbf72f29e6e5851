"""What the leader knows of a pair between two ticks: which price is the nearest by each rule, and the last
ones that were seen. Only a hint: what fires is decided by Postgres.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from oee_daemon.networks.prices import Price, Watched
from oee_daemon.orders.conditions import Rule, is_reached


@dataclass(slots=True)
class Post:
    """What is nearest of a pair, by rule; none where nothing is."""

    pair: Watched
    nearest: Mapping[Rule, Decimal | None]
    trails: bool
    #: The last price, and the last that may fire anything.
    last: Price | None = None
    good: Price | None = None
    #: By the clock of the leader, when its price was last fresh.
    fresh_at: float = field(default_factory=time.monotonic)
    #: When trailing stops last followed an estimate.
    followed_at: float = 0.0

    def reached(self, price: Price) -> bool:
        return any(
            near is not None and is_reached(rule, near, price.bid, price.ask)
            for rule, near in self.nearest.items()
        )
