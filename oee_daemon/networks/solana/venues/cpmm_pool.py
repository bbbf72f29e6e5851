"""A constant-product pool of Raydium's, as the chain stores it, and what it gives for an amount. Pure.

https://github.com/raydium-io/raydium-cp-swap: `states/pool.rs`, `states/config.rs`, `curve/`. Amounts are
base units, fees millionths of the input. A pool that works otherwise than is written here is no pool.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from solders.pubkey import Pubkey

from oee_daemon.networks.solana.solana_mint_account import Mint, NoMint, TransferFee, read_mint

#: What the fees of a pool are counted in.
RATE = 1_000_000
#: The highest fee that is believed, the creator's with it. Raydium's own configurations take up to 4 %; one
#: endpoint tells it, and with a fee of nearly all a quote would be next to nothing, and so would the bound
#: that it fixes.
MOST_RATE = 100_000
#: Bytes of a pool and of a configuration.
POOL_BYTES, CONFIG_BYTES = 637, 236
#: In the pool's status: no swaps.
_NO_SWAP = 4
#: Of what the creator's fee is taken: of the input, of the first token, of the second (`CreatorFeeOn`).
LAST_FEE_ON = 2
#: Extensions with which a token can't be sent.
_STUCK = "non-transferable"
_NO_FEE = TransferFee(0, 0, 0)


class NoPool(Exception):
    """There is none, or none that is understood here."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of the pool of one program, configuration and two mints: all of them follow from these."""

    program: Pubkey
    authority: Pubkey
    config: Pubkey
    pool: Pubkey
    vaults: tuple[Pubkey, Pubkey]
    mints: tuple[Pubkey, Pubkey]
    observation: Pubkey
    #: The configuration's number.
    index: int

    @property
    def route(self) -> bytes:
        """What names this pool in a quote."""
        return struct.pack(">H", self.index)

    def to_read(self) -> list[str]:
        return [str(key) for key in (self.pool, self.config, *self.vaults, *self.mints)]


# To find an address is to try hashes until one is no key: some hundred microseconds for one pool's.
@lru_cache(maxsize=1024)
def addresses(program: str, index: int, mint_in: str, mint_out: str) -> Addresses:
    """`index`: the configuration's number."""
    owner = Pubkey.from_string(program)
    mints = sorted((Pubkey.from_string(mint_in), Pubkey.from_string(mint_out)), key=bytes)
    config = _derive_authority(owner, b"amm_config", struct.pack(">H", index))
    pool = _derive_authority(owner, b"pool", bytes(config), *map(bytes, mints))
    first, second = (_derive_authority(owner, b"pool_vault", bytes(pool), bytes(mint)) for mint in mints)
    observation = _derive_authority(owner, b"observation", bytes(pool))
    authority = _derive_authority(owner, b"vault_and_lp_mint_auth_seed")
    vaults = first, second
    return Addresses(owner, authority, config, pool, vaults, (mints[0], mints[1]), observation, index)


@lru_cache(maxsize=1024)
def config_of(program: str, index: int) -> str:
    return str(_derive_authority(Pubkey.from_string(program), b"amm_config", struct.pack(">H", index)))


def _derive_authority(program: Pubkey, *seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(list(seeds), program)[0]


@dataclass(frozen=True, slots=True)
class Pool:
    """What it holds of the input and of the output, owed fees apart, what it takes of an input, what each
    token keeps of every transfer, and what whoever made the pool gets on top: of which of the two tokens it
    is taken, the program says by the way of the swap (`is_creator_fee_on_input`)."""

    held_in: int
    held_out: int
    fee_rate: int
    programs: tuple[str, str]
    kept: tuple[TransferFee, TransferFee] = (_NO_FEE, _NO_FEE)
    creator_rate: int = 0
    #: Whether it is taken of the input: of a swap this way, and of one the other way.
    of_input: tuple[bool, bool] = (True, True)

    def out_of(self, amount_in: int) -> int:
        """What comes out and arrives. Raises `NoPool` where nothing does."""
        swapped = self._amount_after(self._net(amount_in))
        given = swapped - -(-swapped * self._rate_out // RATE)
        out = given - self.kept[1].of(given)
        if out <= 0:
            raise NoPool("too little for this pool")
        return out

    def in_for(self, amount_out: int) -> int:
        """What has to be sent. Raises `NoPool` where the pool has not as much."""
        swapped = -(-self.kept[1].before(amount_out) * RATE // (RATE - self._rate_out))
        if swapped >= self.held_out:
            raise NoPool("more than the pool holds")
        net = -(-self.held_in * swapped // (self.held_out - swapped))
        return self.kept[0].before(-(-net * RATE // (RATE - self._rate_in)))

    def sold_back(self, amount_in: int) -> int:
        """What comes back of it if what it brings is sold again in the same moment; the part of the fee that
        the pool keeps is not counted. Raises `NoPool`."""
        out, net = self.out_of(amount_in), self._net(amount_in)
        after = Pool(
            self.held_out - self._amount_after(net),
            self.held_in + net,
            self.fee_rate,
            self.programs[::-1],
            self.kept[::-1],
            self.creator_rate,
            self.of_input[::-1],
        )
        return after.out_of(out)

    def fee_of(self, amount_in: int) -> int:
        return -(-(amount_in - self.kept[0].of(amount_in)) * self._rate_in // RATE)

    def impact_bps(self, amount_in: int) -> int:
        """By how much the price is worse than that of a tiny amount, rounded up."""
        net = self._net(amount_in)
        return -(-net * 10_000 // (self.held_in + net))

    def _net(self, amount_in: int) -> int:
        """What of it is traded."""
        return amount_in - self.kept[0].of(amount_in) - self.fee_of(amount_in)

    def _amount_after(self, net: int) -> int:
        """What leaves the reserve for it."""
        return self.held_out * net // (self.held_in + net) if net > 0 else 0

    @property
    def _rate_in(self) -> int:
        return self.fee_rate + (self.creator_rate if self.of_input[0] else 0)

    @property
    def _rate_out(self) -> int:
        return 0 if self.of_input[0] else self.creator_rate


Account = tuple[str, bytes]


def read_pool(
    at: Addresses, mint_in: str, accounts: list[Account | None], now: int, epochs: Collection[int] = ()
) -> Pool:
    """`accounts`: owner and data of each of `at.to_read()`, in that order; `now` in Unix seconds; `epochs`:
    those in which it may be swapped with, any where that is not known. Raises `NoPool`."""
    if any(account is None for account in accounts):
        raise NoPool("it is not there")
    (pool, config, *held) = [account for account in accounts if account is not None]
    if (
        {pool[0], config[0]} != {str(at.program)}
        or len(pool[1]) != POOL_BYTES
        or len(config[1]) != CONFIG_BYTES
    ):
        raise NoPool("it is something else")
    if min(len(vault[1]) for vault in held[:2]) < 72:
        raise NoPool("its vaults are none")
    data = pool[1]
    stated = [Pubkey(data[n : n + 32]) for n in (8, 72, 104, 168, 200, 296)]
    if stated != [at.config, *at.vaults, *at.mints, at.observation]:
        raise NoPool("it has accounts of its own")
    if data[329] & _NO_SWAP or struct.unpack_from("<Q", data, 373)[0] > now:
        raise NoPool("it is closed")
    if data[389] > LAST_FEE_ON:
        raise NoPool("nobody knows of what it takes the fee for whoever made it")
    mints = [_mint(*account) for account in held[2:]]
    owed = struct.unpack_from("<QQQQ", data, 341), struct.unpack_from("<QQ", data, 397)
    amounts = [
        struct.unpack_from("<Q", held[n][1], 64)[0] - owed[0][n] - owed[0][n + 2] - owed[1][n] for n in (0, 1)
    ]
    rate = struct.unpack_from("<Q", config[1], 12)[0]
    creator_rate = struct.unpack_from("<Q", config[1], 108)[0] if data[390] else 0
    if min(amounts) <= 0:
        raise NoPool("it is empty")
    if rate + creator_rate > MOST_RATE:
        raise NoPool("it takes more than any pool does")
    way = (0, 1) if str(at.mints[0]) == mint_in else (1, 0)
    one, two = mints[way[0]], mints[way[1]]
    return Pool(
        amounts[way[0]],
        amounts[way[1]],
        rate,
        (one.program, two.program),
        (one.fee_in(epochs), two.fee_in(epochs)),
        creator_rate,
        (data[389] in (0, way[0] + 1), data[389] in (0, way[1] + 1)),
    )


def _mint(owner: str, data: bytes) -> Mint:
    """One that a swap of two transfers moves as it says. Raises `NoPool`."""
    try:
        mint = read_mint(owner, data)
    except NoMint:
        raise NoPool("one of its tokens is none that can be read") from None
    if mint.hook is not None or any(
        one.name == _STUCK or one.name.startswith("extension-") for one in mint.extensions
    ):
        raise NoPool("one of its tokens needs more than a transfer")
    return mint
