"""What the simulated market's prices were, by its seed and the ledger's file, for the drill's judge.

It shares no code with the engine, and none with the market that the engine asks: the tables and formulas
stand here once more, so that a price that the engine made up, read too late or read wrong differs from this
one. All in integers and fractions; a price is quote per base, in whole tokens.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import combinations

#: Milliseconds a slot.
SLOT_MS = 400
#: By symbol: US dollars for one whole token, its mint, its decimals, and whether it is a dollar.
TOKENS: Mapping[str, tuple[Fraction, str, int, bool]] = {
    "SOL": (Fraction("142.5"), "So11111111111111111111111111111111111111112", 9, False),
    "USDC": (Fraction(1), "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, True),
    "USDT": (Fraction("0.9996"), "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6, True),
    "JUP": (Fraction("0.8775"), "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6, False),
    "JTO": (Fraction("2.105"), "jtojtomepa8beP8AuQc6eXt5FriJwfFMwQx2v2f9mCL", 9, False),
}
#: By venue: its fee in basis points, the worth in dollars of each side of its pools, on which side it leans.
VENUES: Mapping[str, tuple[int, int, int]] = {
    "raydium": (25, 4_000_000, 1), "meteora": (20, 2_500_000, -1),
}  # fmt: skip
#: A swing is counted in hundred-millionths, at most so many; what is left of it after a slot, of a million.
_ONE, _MOST, _KEEPS = 10**8, 8_000_000, 997_692
#: Slots that are drawn at once; the blocks before that still count; 16-bit numbers that make a draw.
_BLOCK, _BEFORE, _PARTS = 1024, 3, 8
#: Slots after which another venue may be the better one, and how far apart the two stand, basis points.
_MINUTE, _APART = 150, (210, 490)


@dataclass(slots=True)
class Shift:
    """By `bps` a venue, or all as `market`, stood elsewhere, from and until a time in ms since the epoch: the
    one before the order was written, the other once it was taken back. Nobody can have missed it between
    `sure_ms`, where a slow disk was done with both."""

    target: str
    bps: int
    begun_ms: float
    ended_ms: float
    sure_ms: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a quote is for: `units` of the input, or of the output where `exact_out`."""

    given: str
    taken: str
    units: int
    exact_out: bool


@dataclass
class Market:
    """`genesis_ms` and `begun` (by path, the height since which it moves) as the ledger's file has them."""

    seed: int
    volatility: int
    genesis_ms: int = 0
    begun: Mapping[str, int] = field(default_factory=dict)
    shifts: Sequence[Shift] = ()

    def slot_at(self, ms: float) -> int:
        return int(ms - self.genesis_ms) // SLOT_MS

    def moved(self, from_ms: float, to_ms: float) -> list[dict[str, int]]:
        """All that the shifts may have been for somebody who looked within that time."""
        near = [s for s in self.shifts if s.begun_ms <= to_ms and s.ended_ms >= from_ms]
        found: list[dict[str, int]] = []
        for count in range(len(near) + 1):
            for some in combinations(near, count):
                told = {s.target: s.bps for s in some}
                # What stood all the time can't have been missed.
                surely = all(s in some or not (s.sure_ms[0] < from_ms and to_ms < s.sure_ms[1]) for s in near)
                if len(told) == len(some) and surely and told not in found:
                    found.append(told)
        return found

    def prices(self, base: str, quote: str, slot: int, shift: Mapping[str, int]) -> tuple[Fraction, Fraction]:
        """Bid and ask for a little, at the best venue each."""
        units = int(10 / TOKENS[base][0] * 10 ** TOKENS[base][2])
        sale, purchase = Ask(base, quote, units, False), Ask(quote, base, units, True)
        return self.price(sale, base, slot, shift), self.price(purchase, base, slot, shift)

    def price(self, ask: Ask, base: str, slot: int, shift: Mapping[str, int]) -> Fraction:
        """What the best venue asks or gives for all of it, fee and impact in it."""
        amounts = [self._amounts(ask, venue, slot, shift) for venue in VENUES]
        paid, got = min(amounts, key=lambda a: a[0]) if ask.exact_out else max(amounts, key=lambda a: a[1])
        rate = Fraction(got, 10 ** TOKENS[ask.taken][2]) / Fraction(paid, 10 ** TOKENS[ask.given][2])
        return rate if ask.given == base else 1 / rate

    def _amounts(self, ask: Ask, venue: str, slot: int, shift: Mapping[str, int]) -> tuple[int, int]:
        """What leaves and what arrives, in base units: a pool of which neither side's product falls."""
        fee_bps, depth_usd, _ = VENUES[venue]
        worth, _, decimals, _ = TOKENS[ask.given]
        holds_in = int(depth_usd / worth * 10**decimals)
        mid = self._mid(ask, venue, slot, shift)
        holds_out = int(Fraction(holds_in, 10**decimals) * mid * 10 ** TOKENS[ask.taken][2])
        if ask.exact_out:
            net = -(-holds_in * ask.units // (holds_out - ask.units))
            return -(-net * 10_000 // (10_000 - fee_bps)), ask.units
        net = ask.units + (-ask.units * fee_bps // 10_000)
        return ask.units, holds_out * net // (holds_in + net)

    def _mid(self, ask: Ask, venue: str, slot: int, shift: Mapping[str, int]) -> Fraction:
        path = path_of(ask.given, ask.taken)
        given, taken = TOKENS[ask.given], TOKENS[ask.taken]
        slots = max(0, slot - self.begun.get(path, slot))
        swing = _swings(self.seed, path, slots // _BLOCK)[slots % _BLOCK] * self.volatility // 12
        whole = _ONE + max(-_MOST, min(_MOST, swing))
        moved = Fraction(whole, _ONE) * (10_000 + shift.get(venue, 0) + shift.get("market", 0)) / 10_000
        reference = given[0] / taken[0] * (moved if path.startswith(given[1]) else 1 / moved)
        apart = _APART[0] + _draw("apart", self.seed, path) % (_APART[1] - _APART[0] + 1)
        upper = 1 if _draw("upper", self.seed, given[1], taken[1], slots // _MINUTE) % 2 else -1
        low = reference * Fraction(20_000, 20_000 + apart)
        return low * Fraction(10_000 + apart, 10_000) if VENUES[venue][2] == upper else low


def path_of(one: str, other: str) -> str:
    """The name of the path of two tokens: what is no dollar first, then by mint."""
    first, second = sorted((TOKENS[one], TOKENS[other]), key=lambda token: (token[3], token[1]))
    return f"{first[1]}/{second[1]}"


def _draw(*parts: object) -> int:
    said = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big")


@cache
def _swings(seed: int, path: str, block: int) -> list[int]:
    """The swing at each slot of a block, at 12 basis points a slot; the first slot of all is still."""
    steps: list[int] = []
    for n in range(max(0, block - _BEFORE), block + 1):
        steps += _steps(seed, path, n)
    if block == 0:
        steps[0] = 0
    return list(_gather_steps(steps))[-_BLOCK:]


def _gather_steps(steps: Iterable[int]) -> Iterable[int]:
    swing = 0
    for step in steps:
        left = abs(swing) * _KEEPS // 10**6
        swing = (left if swing >= 0 else -left) + step
        yield swing


def _steps(seed: int, path: str, block: int) -> Iterable[int]:
    said = hashlib.shake_256(f"path\x1f{seed}\x1f{path}\x1f{block}".encode())
    numbers = struct.unpack(f"<{_BLOCK * _PARTS}H", said.digest(_BLOCK * _PARTS * 2))
    for n in range(0, len(numbers), _PARTS):
        away = 2 * sum(numbers[n : n + _PARTS]) - _PARTS * 65_535
        size = abs(away) * 12 * _ONE // (200 * 5_350_900)
        yield size if away >= 0 else -size
