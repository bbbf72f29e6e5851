"""Estimates what a network would take of a swap that is not built yet: people see it before they place an
order, and nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from oee_daemon.orders.swap import Toll


class NetworkFees(Protocol):
    """Asked for quotes that are only looked at, never on an order's way."""

    async def about(self, tolls: Sequence[Toll], deadline_s: float) -> Sequence[int]:
        """Base units of the network's own coin for each. Raises `ChainUnavailable`."""
        ...
