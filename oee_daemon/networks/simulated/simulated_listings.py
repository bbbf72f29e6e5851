"""Tokens that the simulated network lists one after the other: honest ones, and ones with a trap.

A pure function of the seed and a number: which token is listed when, on which venue, how its pool fares, and
what is wrong with it. A mint says which number it is of, so that nothing is stored. Of each 32 tokens in a
row 16 are honest, and each trap is one of the others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from solders.pubkey import Pubkey

from oee_daemon.contract.ranking import BPS
from oee_daemon.errors import VenueRefused
from oee_daemon.networks.holdings import Extension, MintFacts
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_market import Pool
from oee_daemon.networks.simulated.simulated_path import Moved, factor
from oee_daemon.orders.swap import Quote, QuoteRequest

#: Bytes of a mint that say which number it is; the others depend on the seed.
_NUMBER_BYTES = 4
#: Slots until a pool with that trap has liquidity, is open, or is empty.
LATE_SLOTS, CLOSED_SLOTS, PULLED_SLOTS = 5, 20, 8
#: US dollars on each side of an honest pool, and of one that is thin.
DEPTH_USD, THIN_USD = (30_000, 200_000), 300
#: Basis points that an unlisted token's price swings by in a slot: more than others.
VOLATILITY = 40
#: Basis points of a transfer that the trap keeps; of the supply in ten wallets.
KEPT, WHALE, SPREAD_OUT = 1000, 8000, (1200, 2800)
_SOMEBODY = str(Pubkey(b"somebody who may do that" + bytes(8)))
_TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"  # noqa: S105  # a program's address
_TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105


class Trap(StrEnum):
    """What is wrong with a token. The first two pass, for whoever waits."""

    ZERO_LIQUIDITY = "zero_liquidity"
    OPENS_LATER = "opens_later"
    PULLED = "pulled"
    THIN = "thin"
    HONEYPOT = "honeypot"
    FREEZE = "freeze"
    MINT = "mint"
    FEE = "fee"
    FEE_LATER = "fee_later"
    DELEGATE = "delegate"
    HOOK = "hook"
    FROZEN_DEFAULT = "frozen_default"
    PAUSED = "paused"
    COPYCAT = "copycat"
    WHALE = "whale"
    LP_FREE = "lp_free"


TRAPS = tuple(Trap)
#: How many tokens in a row have each trap once.
ROUND = 2 * len(TRAPS)
_EXTENSIONS = {
    Trap.DELEGATE: Extension("permanent-delegate", f"{_SOMEBODY} can take it out of every wallet", risk=True),
    Trap.HOOK: Extension("transfer-hook", f"{_SOMEBODY} can name a program that stops transfers", risk=True),
    Trap.FROZEN_DEFAULT: Extension(
        "default-frozen", "what you receive is frozen until somebody thaws it", risk=True
    ),
    Trap.PAUSED: Extension("pausable", f"{_SOMEBODY} can pause all transfers", risk=True),
    Trap.FEE: Extension("transfer-fee", "10 % of every transfer"),
    Trap.FEE_LATER: Extension("transfer-fee", "0 % of every transfer; somebody can set it"),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One token. `listed_at`: the height at which its pool is made."""

    number: int
    mint: str
    symbol: str
    decimals: int
    trap: Trap | None
    listed_at: int
    venue: Pool
    depth_usd: int

    @property
    def opens_at(self) -> int:
        return self.listed_at + (CLOSED_SLOTS if self.trap is Trap.OPENS_LATER else 0)

    @property
    def facts(self) -> MintFacts:
        extension = _EXTENSIONS.get(self.trap) if self.trap else None
        return MintFacts(
            mint=self.mint,
            decimals=self.decimals,
            program=_TOKEN_2022 if extension else _TOKEN,
            mint_authority=_SOMEBODY if self.trap is Trap.MINT else None,
            freeze_authority=_SOMEBODY if self.trap is Trap.FREEZE else None,
            extensions=(extension,) if extension else (),
            symbol=self.symbol,
        )

    def reserve_usd(self, height: int) -> int:
        """What is in the pool's quote side at that height."""
        slots = height - self.listed_at
        if slots < 0 or (self.trap is Trap.ZERO_LIQUIDITY and slots < LATE_SLOTS):
            return 0
        if self.trap is Trap.PULLED:
            return self.depth_usd * max(0, PULLED_SLOTS - slots) // PULLED_SLOTS
        return self.depth_usd


def _draw(*parts: object) -> int:
    text = "\x1f".join(str(part) for part in ("listing", *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _draw_between(low: int, high: int, *parts: object) -> int:
    return low + _draw(*parts) % (high - low + 1)


def _mint_of(seed: int, number: int) -> str:
    drawn = hashlib.blake2b(f"listed\x1f{seed}\x1f{number}".encode(), digest_size=32 - _NUMBER_BYTES)
    return str(Pubkey(drawn.digest() + number.to_bytes(_NUMBER_BYTES, "big")))


@lru_cache(maxsize=64)
def _traps(seed: int, turn: int) -> tuple[Trap | None, ...]:
    """What is wrong with each token of a round."""
    each: list[Trap | None] = [*TRAPS, *([None] * len(TRAPS))]
    places = sorted(range(ROUND), key=lambda place: _draw("order", seed, turn, place))
    found: list[Trap | None] = [None] * ROUND
    for place, trap in zip(places, each, strict=True):
        found[place] = trap
    return tuple(found)


@lru_cache(maxsize=4096)
def listing(seed: int, number: int, spacing: int) -> Listing:
    """The token of that number. `spacing`: slots between two listings."""
    turn, place = divmod(number, ROUND)
    trap = _traps(seed, turn)[place]
    symbol = f"SIM{number:02}"
    if trap is Trap.COPYCAT:
        # The second letter is Cyrillic in one of them.
        symbol = ("SOL", "USD\u0421")[_draw("copy", seed, number) % 2]
    return Listing(
        number=number,
        mint=_mint_of(seed, number),
        symbol=symbol,
        decimals=(6, 9)[_draw("decimals", seed, number) % 2],
        trap=trap,
        listed_at=spacing * (number + 1) + _draw("at", seed, number) % spacing,
        venue=simulated_market.POOLS[_draw("venue", seed, number) % len(simulated_market.POOLS)],
        depth_usd=THIN_USD if trap is Trap.THIN else _draw_between(*DEPTH_USD, "depth", seed, number),
    )


@lru_cache(maxsize=4096)
def of_mint(seed: int, mint: str, spacing: int) -> Listing | None:
    """The token of a mint; none where it is none of that seed."""
    try:
        content = bytes(Pubkey.from_string(mint))
    except ValueError:
        return None
    number = int.from_bytes(content[-_NUMBER_BYTES:], "big")
    return listing(seed, number, spacing) if _mint_of(seed, number) == mint else None


def holders_bps(seed: int, token: Listing) -> int:
    return WHALE if token.trap is Trap.WHALE else _draw_between(*SPREAD_OUT, "holders", seed, token.number)


def quote(seed: int, pool: Pool, token: Listing, ask: QuoteRequest, height: int) -> Quote:
    """What a venue answers. Raises `VenueRefused` where it has no pool, or none that trades."""
    buys = ask.output_token.mint == token.mint
    depth = token.reserve_usd(height) if pool.venue == token.venue.venue else 0
    if pool.venue != token.venue.venue or height < token.listed_at:
        raise VenueRefused(f"{pool.venue} has no pool of {token.mint}.", code="no_pool")
    if height < token.opens_at:
        raise VenueRefused(f"The pool of {token.mint} on {pool.venue} is not open yet.", code="not_open")
    if not depth or (token.trap is Trap.HONEYPOT and not buys):
        raise VenueRefused(f"{pool.venue} can't fill it.", code="insufficient_liquidity")
    at = Pool(pool.venue, pool.fee_bps, depth, pool.lean)
    return simulated_market.swap(at, ask, _mid(seed, token, ask, height))


def _mid(seed: int, token: Listing, ask: QuoteRequest, height: int) -> Fraction:
    moved = factor(seed, token.mint, Moved(max(0, height - token.listed_at), VOLATILITY))
    reference = simulated_market.usd(ask.input_token) / simulated_market.usd(ask.output_token)
    return reference / moved if ask.output_token.mint == token.mint else reference * moved


def sold_back(token: Listing, ask: QuoteRequest, quoted: Quote) -> int:
    """Base units of the input that selling what was bought brings in the same moment."""
    if token.trap is Trap.HONEYPOT:
        return 0
    kept = KEPT if token.trap is Trap.FEE else 0
    fee = token.venue.fee_bps
    sold = quoted.amount_out * (BPS - kept) // BPS * (BPS - kept) // BPS
    # In a pool of constant product the way back leads over the same reserves, less the fee.
    return (quoted.amount_in - (quoted.fee or 0)) * sold * (BPS - fee) // (quoted.amount_out * BPS)
