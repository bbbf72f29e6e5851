"""What every chain offers. `submit` is the one call in the engine with an effect.

The rules that make an order safe rest on three promises, which the suite in `tests/venues` checks on
every chain: the same bytes land at most once; what `outcome` calls final never changes; and `Lapsed` is
said only when the swap can never land any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from oee_daemon.swap import Anchor, Fill, Outcome, SignedSwap


@dataclass(frozen=True, slots=True)
class FillPage:
    """Fills, and the cursor to go on from where there are more."""

    fills: Sequence[Fill]
    next_cursor: str | None


class Chain(Protocol):
    def anchor(self) -> Anchor:
        """A recent blockhash to build on. Raises `ChainUnavailable`."""
        ...

    def submit(self, swap: SignedSwap) -> None:
        """Hands in the signed bytes; harmless to repeat with the same swap.

        Raises `ChainUnavailable` where the answer is missing or a refusal: neither decides anything,
        for an earlier or lost send of the same bytes may still land.
        """
        ...

    def outcome(self, swap: SignedSwap, wait_s: float = 0) -> Outcome:
        """What became of the swap, waiting up to `wait_s` seconds for it to become final.

        Raises `ChainUnavailable` where it can't be asked.
        """
        ...

    def fills(self, *, limit: int, cursor: str | None = None, order_id: UUID | None = None) -> FillPage:
        """What has landed, newest first, `limit` of them after `cursor`.

        Raises `ChainUnavailable`, and `ValueError` for a cursor that this chain never gave.
        """
        ...

    def expected_s(self) -> float:
        """Seconds from a submission to its confirmation, when all goes well."""
        ...
