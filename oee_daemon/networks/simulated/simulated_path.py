"""How a simulated price moves while somebody watches its pair: a pure function of seed, pair and slots.

Integers only. The price swings around its reference: each slot adds a draw, and what has gathered fades with
a half-life of 300 slots, within 8 % either way. A pair that nobody watches has no path and stands still.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from oee_daemon.orders.tokens import Token

#: What a whole is counted in: a hundred-millionth.
ONE = 10**8
#: The farthest from the reference.
MOST = 8 * ONE // 100
#: What is left of a swing after one slot, of a million: a half after 300.
KEEPS = 997_692
#: Slots that are drawn at once, and blocks before it that still count: what is older has faded.
BLOCK, BEFORE = 1024, 3
#: A draw is the sum of this many 16-bit numbers, whose spread is this, in hundredths.
_PARTS, _SPREAD = 8, 5_350_900


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a watched pair is: slots since it was first watched. `volatility`: basis points a slot.

    `shift`: basis points by which a fault has moved it.
    """

    slots: int
    volatility: int
    shift: int = 0


def key_of(one: Token, other: Token) -> str:
    """The name of a path: one for a pair, whichever of the two is asked for. A stable token stands last."""
    return f"{other.mint}/{one.mint}" if is_turned(one, other) else f"{one.mint}/{other.mint}"


def is_turned(one: Token, other: Token) -> bool:
    """Whether the name of their path has the other one first."""
    return (other.stable, other.mint) < (one.stable, one.mint)


@lru_cache(maxsize=256)
def factor(seed: int, key: str, at: Moved) -> Fraction:
    """By what the price of the first token of the key is multiplied, in units of the second."""
    swing = 0
    if at.volatility:
        block, place = divmod(at.slots, BLOCK)
        swing = _block(seed, key, block)[place] * at.volatility // 12
    whole = ONE + max(-MOST, min(MOST, swing))
    return Fraction(whole * (10_000 + at.shift), ONE * 10_000)


@lru_cache(maxsize=256)
def _block(seed: int, key: str, block: int) -> array[int]:
    """The swing at each slot of a block, at 12 basis points a slot."""
    swing = 0
    for before in range(max(0, block - BEFORE), block):
        for draw in _draws(seed, key, before):
            swing = _fade_swing(swing) + draw
    found = array("q")
    for draw in _draws(seed, key, block):
        # At its first slot a pair is where it stood still.
        swing = _fade_swing(swing) + draw if block or found else 0
        found.append(swing)
    return found


def _fade_swing(swing: int) -> int:
    return abs(swing) * KEEPS // 10**6 * (1 if swing >= 0 else -1)


@lru_cache(maxsize=64)
def _draws(seed: int, key: str, block: int) -> array[int]:
    """One draw a slot, with a spread of 12 basis points."""
    text = f"path\x1f{seed}\x1f{key}\x1f{block}".encode()
    parts = struct.unpack(f"<{BLOCK * _PARTS}H", hashlib.shake_256(text).digest(BLOCK * _PARTS * 2))
    found = array("q")
    for begin in range(0, len(parts), _PARTS):
        away = 2 * sum(parts[begin : begin + _PARTS]) - _PARTS * 65_535
        found.append(abs(away) * 12 * ONE // (200 * _SPREAD) * (1 if away >= 0 else -1))
    return found
