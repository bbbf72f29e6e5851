"""Which endpoint's block a swap is built on. Pure but for the clock.

Of several the one furthest on counts: by a height that is told too low, the others would prove a swap dead
that can still land. By one that is told too high nobody could ever prove it, and the order would be in doubt
for good, whatever endpoints are set later. So what is further on than any lag explains is not built on: where
two endpoints contradict each other like that, nothing is signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oee_daemon.boot_clock import clock_s
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer, Result
from oee_daemon.networks.solana.solana_endpoint_look import epoch_of, must_be_of
from oee_daemon.networks.solana.solana_look_evidence import anchored_at
from oee_daemon.orders.swap import Anchor

#: Blocks, minutes of them: no endpoint that is worth asking lags so far; a lie within it costs that time.
FAR_BLOCKS = 1_500
#: Seconds after which an endpoint whose slot has not moved stands still, and speaks against nobody.
STILL_S = 5.0
#: Blocks, and seconds at most, for which an anchor serves the next swaps too: a twentieth of what each has.
SHARED_BLOCKS, SHARED_S = 7, 1.0


class AnchorChoice:
    """`fastest_slot_ms`: no slot of the chain is shorter."""

    def __init__(self, fastest_slot_ms: float) -> None:
        self._fastest_s = fastest_slot_ms / 1000
        #: Of each endpoint, the highest slot that it told, and when it told that first.
        self._moved: dict[str, tuple[int, float]] = {}
        #: The height that two of them agreed on last, and when.
        self._agreed: tuple[int, float] | None = None
        #: The one that was chosen last, when, and seconds a block by it and the one before it.
        self._chosen: tuple[Anchor, float, float] | None = None
        #: The highest last height of all that were chosen: up to it something may land that is built on one.
        self.highest = 0

    def lately(self) -> Anchor | None:
        """The one that was chosen a moment ago. Its last height is no other by that: a swap on it is dead as
        early as its heights say, and what tells one swap from another is its memo, not its block."""
        if self._chosen is None:
            return None
        anchor, at, block_s = self._chosen
        return anchor if clock_s() - at < min(SHARED_S, SHARED_BLOCKS * block_s) else None

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
        self._choose(possible[0], now)
        return possible[0]

    def _choose(self, anchor: Anchor, now: float) -> None:
        block_s = 0.0
        if self._chosen is not None:
            former, at, _ = self._chosen
            # Where it has not moved, or another was further on, nobody knows how long a block takes.
            blocks = anchor.height - former.height
            block_s = (now - at) / blocks if blocks > 0 else 0.0
        self._chosen = anchor, now, block_s
        self.highest = max(self.highest, anchor.last_valid_height)

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


def anchor_of(results: Sequence[Result], genesis: str) -> Anchor:
    """What a node says of a blockhash and where it stands. Raises `NoAnswer`."""
    must_be_of(genesis, results[0])
    slot, height = epoch_of(results[2])
    try:
        blockhash, last = (results[1]["value"][name] for name in ("blockhash", "lastValidBlockHeight"))
    except (KeyError, TypeError):
        raise NoAnswer("no blockhash") from None
    if not isinstance(blockhash, str) or type(last) is not int or not anchored_at(slot, height, last):
        raise NoAnswer("a blockhash whose height contradicts its slot")
    return Anchor(blockhash, last, slot, height)
