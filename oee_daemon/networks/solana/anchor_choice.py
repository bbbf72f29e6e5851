"""Which endpoint's block a swap is built on. Pure but for the clock.

Of several the one furthest on counts: by a height that is told too low, the others would prove a swap dead
that can still land. By one that is told too high nobody could ever prove it, and the order would be in doubt
for good, whatever endpoints are set later. So what is further on than any lag explains is not built on: where
two endpoints contradict each other like that, nothing is signed.
"""

from __future__ import annotations

from collections.abc import Mapping

from oee_daemon.boot_clock import clock_s
from oee_daemon.errors import ChainUnavailable
from oee_daemon.orders.swap import Anchor

#: Blocks, minutes of them: no endpoint that is worth asking lags so far; a lie within it costs that time.
FAR_BLOCKS = 1_500
#: Seconds after which an endpoint whose slot has not moved stands still, and speaks against nobody.
STILL_S = 5.0


class AnchorChoice:
    """`fastest_slot_ms`: no slot of the chain is shorter."""

    def __init__(self, fastest_slot_ms: float) -> None:
        self._fastest_s = fastest_slot_ms / 1000
        #: Of each endpoint, the highest slot that it told, and when it told that first.
        self._moved: dict[str, tuple[int, float]] = {}
        #: The height that two of them agreed on last, and when.
        self._agreed: tuple[int, float] | None = None

    def of(self, found: Mapping[str, Anchor]) -> Anchor:
        """The anchor to build on, of those that endpoints gave, by their names: one at least. Raises
        `ChainUnavailable` where nobody can say which of them is one."""
        now = clock_s()
        moving = [anchor for name, anchor in found.items() if self._moves(name, anchor.slot, now)]
        possible = [anchor for anchor in moving or found.values() if self._can_be(anchor, now)]
        possible.sort(key=lambda anchor: anchor.last_valid_height, reverse=True)
        while len(possible) > 2 and _are_apart(*possible[:2]):
            # It is alone against all others.
            del possible[0]
        if not possible or (len(possible) > 1 and _are_apart(*possible[:2])):
            raise ChainUnavailable(
                "The RPC endpoints contradict each other about how far the chain is. See: oee doctor"
            )
        if len(possible) > 1:
            self._agreed = possible[0].height, now
        return possible[0]

    def _moves(self, name: str, slot: int, now: float) -> bool:
        told, since = self._moved.get(name, (-1, now))
        if slot > told:
            self._moved[name] = slot, now
            return True
        return now - since < STILL_S

    def _can_be(self, anchor: Anchor, now: float) -> bool:
        """Whether the chain can be there by now, by what two agreed on before."""
        if self._agreed is None:
            return True
        height, at = self._agreed
        return -FAR_BLOCKS <= anchor.height - height <= FAR_BLOCKS + (now - at) / self._fastest_s


def _are_apart(one: Anchor, other: Anchor) -> bool:
    """By more than a lag: `one` is further on."""
    return one.last_valid_height - other.last_valid_height > FAR_BLOCKS
