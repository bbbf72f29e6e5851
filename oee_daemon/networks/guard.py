"""What may be signed: the last look at a swap that a venue built, before the wallet signs it.

A venue is a stranger: nothing but the bytes says what they would do with the wallet. A network's guard knows
its programs and reads from the message that it does what the plan says, and no more. Where it can't tell, it
refuses: a refusal costs one attempt, a signature may cost the wallet.
"""

from __future__ import annotations

from typing import Protocol

from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import UnsignedSwap


class Guard(Protocol):
    async def check(self, unsigned: UnsignedSwap, plan: Plan) -> None:
        """Raises `UnsafeSwap` unless the swap does what the plan says, within its bound; `AttemptFailed`
        where it would fail, `WrongQuote` where its bound is of a quote that is far from what it would do;
        `ChainUnavailable` where nobody tells what it would do."""
        ...
