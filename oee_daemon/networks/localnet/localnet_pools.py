"""The pools: at which addresses they are, what lies there, and what they would give. Reads accounts, changes
none.

Addresses and layouts are those of Raydium's CPMM (https://github.com/raydium-io/raydium-cp-swap, `states/`).
Amounts are base units, fees millionths, a token's own fee on transfers ten thousandths.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from solders.account import Account
from solders.pubkey import Pubkey

from oee_daemon.networks.localnet.sbpf_subroutines import AUTHORITY_SEED, BPS, MILLION, POOL_SIZE

CPMM_ID = Pubkey.from_string("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C")
#: Where Raydium has it on devnet.
DEVNET_CPMM_ID = Pubkey.from_string("DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb")
JUPITER_ID = Pubkey.from_string("JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4")
TOKEN_ID = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_ID = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
WRAPPED_SOL = Pubkey.from_string("So11111111111111111111111111111111111111112")

_POOL_TAG, _CONFIG_TAG = (
    hashlib.sha256(f"account:{name}".encode()).digest()[:8] for name in ("PoolState", "AmmConfig")
)
#: Of the trade's fee, in millionths: the protocol's and the fund's, as Raydium's first config has them.
PROTOCOL_PART, FUND_PART = 120_000, 40_000
#: Of the input or the output, in millionths: what the maker of a pool gets that takes a fee for them.
CREATOR_FEE = 500

Reader: TypeAlias = Callable[[Pubkey], Account | None]


class Market(NamedTuple):
    """The pools of one program and config. `label`: Jupiter's name of it; `depth`: US dollars on each
    side."""

    label: str
    program: Pubkey
    number: int
    fee: int
    depth: int

    @property
    def config(self) -> Pubkey:
        return derive(self.program, b"amm_config", struct.pack(">H", self.number))

    @property
    def authority(self) -> Pubkey:
        return derive(self.program, AUTHORITY_SEED)


RAYDIUM = Market("Raydium CP", CPMM_ID, 0, 2_500, 4_000_000)
METEORA = Market("Meteora DLMM", JUPITER_ID, 0, 2_000, 2_500_000)
ORCA = Market("Whirlpool", JUPITER_ID, 1, 3_000, 1_500_000)
MARKETS = (RAYDIUM, METEORA, ORCA)
#: Only on a chain that passes for devnet.
DEVNET = Market("Raydium CP devnet", DEVNET_CPMM_ID, 1, 2_500, 4_000_000)


@functools.cache
def _derive_authority(program: Pubkey, *seeds: bytes) -> tuple[Pubkey, int]:
    return Pubkey.find_program_address(list(seeds), program)


def derive(program: Pubkey, *seeds: bytes) -> Pubkey:
    return _derive_authority(program, *seeds)[0]


class Side(NamedTuple):
    """One of a pool's two tokens. `at`: where the pool writes what it owes of it."""

    mint: Pubkey
    vault: Pubkey
    program: Pubkey
    decimals: int
    at: int


@dataclass(frozen=True, slots=True)
class Pool:
    address: Pubkey
    market: Market
    config: Pubkey
    authority: Pubkey
    observation: Pubkey
    sides: tuple[Side, Side]

    def facing(self, mint_in: Pubkey) -> tuple[Side, Side]:
        """The side that takes and the side that gives."""
        first, second = self.sides
        return (first, second) if first.mint == mint_in else (second, first)


def config_data(market: Market) -> bytes:
    bump = _derive_authority(market.program, b"amm_config", struct.pack(">H", market.number))[1]
    head = struct.pack("<B?H", bump, False, market.number)
    rates = struct.pack("<QQQQ", market.fee, PROTOCOL_PART, FUND_PART, 0)
    return (_CONFIG_TAG + head + rates + bytes(64) + struct.pack("<Q", CREATOR_FEE)).ljust(236, b"\0")


def lp_mint(pool: Pool) -> Pubkey:
    """Of its shares."""
    return derive(pool.market.program, b"pool_lp_mint", bytes(pool.address))


def pool_data(
    pool: Pool, creator: Pubkey, status: int = 0, shares: int = 0, fee_on: int | None = None
) -> bytes:
    """`PoolState` of a pool that owes nothing, open since ever. `shares`: as many of it were given out;
    `fee_on`: of what its maker's fee is taken, 0 of the input, 1 and 2 of that token; none where of nothing.
    """
    one, two = pool.sides
    lp = lp_mint(pool)
    bump = _derive_authority(pool.market.program, AUTHORITY_SEED)[1]
    keys = (
        pool.config, creator, one.vault, two.vault, lp, one.mint, two.mint, one.program, two.program,
        pool.observation,
    )  # fmt: skip
    numbers = struct.pack("<BBBBBQ", bump, status, 9, one.decimals, two.decimals, shares)
    fee = struct.pack("<QQB?", 0, 0, fee_on or 0, fee_on is not None)
    head = (_POOL_TAG + b"".join(map(bytes, keys)) + numbers).ljust(373, b"\0")
    return (head + fee).ljust(POOL_SIZE, b"\0")


def place_pool(market: Market, tokens: tuple[tuple[Pubkey, Pubkey, int], ...]) -> Pool:
    """The pool of two tokens (mint, program, decimals), which are put into the order that the program
    wants."""
    config = market.config
    (first, *_), (second, *_) = ordered = sorted(tokens, key=lambda token: bytes(token[0]))
    address = derive(market.program, b"pool", bytes(config), bytes(first), bytes(second))
    sides = tuple(
        Side(mint, derive(market.program, b"pool_vault", bytes(address), bytes(mint)), program, decimals, at)
        for (mint, program, decimals), at in zip(ordered, (341, 349), strict=True)
    )
    observation = derive(market.program, b"observation", bytes(address))
    return Pool(address, market, config, market.authority, observation, (sides[0], sides[1]))


def read_pool(address: Pubkey, data: bytes) -> Pool:
    """The pool whose state that is. It is told apart by its config."""
    keys = [Pubkey(data[at : at + 32]) for at in range(8, 328, 32)]
    config, _creator, vault_0, vault_1, _lp, mint_0, mint_1, program_0, program_1, observation = keys
    market = _MARKET_OF[config]
    sides = (
        Side(mint_0, vault_0, program_0, data[331], 341),
        Side(mint_1, vault_1, program_1, data[332], 349),
    )
    return Pool(address, market, config, _AUTHORITY_OF[market.program], observation, sides)


#: Those that pools are of.
PROGRAMS = {market.program for market in (*MARKETS, DEVNET)}
_MARKET_OF = {market.config: market for market in (*MARKETS, DEVNET)}
_AUTHORITY_OF = {market.program: market.authority for market in _MARKET_OF.values()}


class Quote(NamedTuple):
    """What the user sends and gets, the trade's fee in the input token, and how far the price gives, as a
    ratio."""

    amount_in: int
    amount_out: int
    fee: int
    impact: float


def _up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


class Prices:
    """What pools would give right now."""

    def __init__(self, read: Reader) -> None:
        self._read = read

    def exact_in(self, pool: Pool, mint_in: Pubkey, amount: int) -> Quote | None:
        """None where nothing would come out."""
        taker, giver = pool.facing(mint_in)
        x, y = self._reserves(pool, taker, giver)
        arrived = amount - self._transfer_fee(taker.mint, amount)
        of_input, of_output = self._creators_fees(pool, taker)
        fee = _up(arrived * (pool.market.fee + of_input), MILLION)
        net = arrived - fee
        swapped = y * net // (x + net)
        given = swapped - _up(swapped * of_output, MILLION)
        received = given - self._transfer_fee(giver.mint, given)
        return Quote(amount, received, fee, net / (x + net)) if received > 0 else None

    def exact_out(self, pool: Pool, mint_in: Pubkey, amount: int) -> Quote | None:
        """None where the pool does not hold that much."""
        taker, giver = pool.facing(mint_in)
        x, y = self._reserves(pool, taker, giver)
        of_input, of_output = self._creators_fees(pool, taker)
        given = _up(self._before_fee(giver.mint, amount) * MILLION, MILLION - of_output)
        if given >= y:
            return None
        net = _up(x * given, y - given)
        rate = pool.market.fee + of_input
        arrived = _up(net * MILLION, MILLION - rate)
        sent = self._before_fee(taker.mint, arrived)
        if sent >= 2**64 - x:
            return None
        return Quote(sent, amount, _up(arrived * rate, MILLION), net / (x + net))

    def spot(self, pool: Pool, mint: Pubkey) -> float:
        """Whole tokens of the other side for one whole `mint`. For display."""
        taker, giver = pool.facing(mint)
        x, y = self._reserves(pool, taker, giver)
        return float((y / 10**giver.decimals) / (x / 10**taker.decimals))

    def _creators_fees(self, pool: Pool, taker: Side) -> tuple[int, int]:
        """What the pool's maker gets of the input, and of the output."""
        state = self._data(pool.address)
        if not state[390]:
            return 0, 0
        of_input = state[389] in (0, 1 + pool.sides.index(taker))
        return (CREATOR_FEE, 0) if of_input else (0, CREATOR_FEE)

    def _reserves(self, pool: Pool, taker: Side, giver: Side) -> tuple[int, int]:
        state = self._data(pool.address)
        return self._reserve(state, taker), self._reserve(state, giver)

    def _reserve(self, state: bytes, side: Side) -> int:
        owed = sum(
            int.from_bytes(state[at : at + 8], "little") for at in (side.at, side.at + 16, side.at + 56)
        )
        return token_amount(self._data(side.vault)) - owed

    def _data(self, address: Pubkey) -> bytes:
        found = self._read(address)
        assert found is not None, address
        return found.data

    def _rule(self, mint: Pubkey) -> tuple[int, int]:
        """The most that a transfer costs, and its rate."""
        data = self._data(mint)
        if len(data) < 278 or data[166:168] != b"\1\0":
            return 0, 0
        return struct.unpack_from("<QH", data, 268)

    def _transfer_fee(self, mint: Pubkey, amount: int) -> int:
        most, rate = self._rule(mint)
        return min(most, _up(amount * rate, BPS))

    def _before_fee(self, mint: Pubkey, amount: int) -> int:
        """As `calculate_inverse_fee` of Token-2022 has it."""
        most, rate = self._rule(mint)
        if not rate:
            return amount
        if rate >= BPS or (before := _up(amount * BPS, BPS - rate)) - amount >= most:
            return amount + most
        return amount + min(most, _up(before * rate, BPS))


def token_amount(data: bytes) -> int:
    """What a token account holds."""
    return int.from_bytes(data[64:72], "little")
