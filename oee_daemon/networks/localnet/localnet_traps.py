"""What a new token is made of, and what is wrong with it: its mint, its holders, its pool, the pool's shares.

A function of the seed and a number. Nothing here lands or waits: what happens when, `localnet_launches` says.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from oee_daemon.networks.localnet import localnet_genesis, localnet_pools
from oee_daemon.networks.localnet.localnet_genesis import RENT, mint_account, token_account
from oee_daemon.networks.localnet.localnet_swaps import own_account
from oee_daemon.networks.localnet.pool_program_checks import SHUT

#: Whole tokens that there are of each; percent of them that the pool begins with, and that each of the other
#: holders has, of whom there are so many. With a whale, which may be another pool: the pool's, the whale's,
#: each other's.
_SUPPLY, _POOLED, _EACH, _HOLDERS = 10**9, 60, 2, 20
_WHALE_POOLED, _WHALE, _WHALE_EACH = 10, 70, 1
#: US dollars on the quote's side of a pool: from, to; of one that is thin, and of one without liquidity yet.
_DEPTH, THIN, _NOTHING = (30_000, 200_000), 300, 1
#: Slots until liquidity comes, until a pool opens, and within which one is emptied.
LATE_SLOTS, CLOSED_SLOTS, PULLED_SLOTS = 5, 20, 8
#: Basis points of each transfer that the trap keeps.
_KEPT = 1000
#: Who holds shares that nobody gets back: https://github.com/raydium-io/raydium-sdk-V2, `LOCK_CPMM_AUTH`.
_LOCKER = Pubkey.from_string("3f7GcQFG397GAaEnv51zR6tsTVihYRydnydDD1cXekxH")
#: https://developers.metaplex.com/token-metadata
_METAPLEX = Pubkey.from_string("metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s")
_LATER = localnet_pools.RAYDIUM._replace(label="Raydium CP 7", number=7)
USDC = next(token for token in localnet_genesis.TOKENS if token.symbol == "USDC")


class Trap(StrEnum):
    """The first three pass, for whoever waits or looks in the right place."""

    OTHER_CONFIG = "other_config"
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
    CLOSE = "close"
    COPYCAT = "copycat"
    WHALE = "whale"
    LP_FREE = "lp_free"
    #: Most of it is in another pool of the same program, of which its maker can take it out.
    SECOND_POOL = "second_pool"


TRAPS = tuple(Trap)


def draw(*parts: object) -> int:
    text = "\x1f".join(str(part) for part in ("listing", *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True)
class NewToken:
    """The token of that number. Its maker's key follows from the seed: this chain's money is nobody's."""

    seed: int
    number: int
    trap: Trap | None

    def _key(self, what: str) -> Keypair:
        return Keypair.from_seed(
            hashlib.sha256(f"oee listing {self.seed} {self.number} {what}".encode()).digest()
        )

    @cached_property
    def maker(self) -> Keypair:
        return self._key("maker")

    @cached_property
    def mint(self) -> Pubkey:
        return self._key("mint").pubkey()

    @property
    def decimals(self) -> int:
        return (6, 9)[draw("decimals", self.seed, self.number) % 2]

    @property
    def symbol(self) -> str:
        """The second letter is Cyrillic in one of the copies."""
        copies = "SOL", "USD\u0421"
        return copies[self.number % 2] if self.trap is Trap.COPYCAT else f"NEW{self.number}"

    @cached_property
    def extension(self) -> bytes:
        """As the account of a Token-2022 mint has it: number, length, content."""
        maker, nobody = bytes(self.maker.pubkey()), bytes(32)
        fee = struct.pack("<QQH", 0, 2**63, _KEPT if self.trap is Trap.FEE else 0)
        fees = (maker if self.trap is Trap.FEE_LATER else nobody) + nobody + bytes(8) + 2 * fee
        content = {
            Trap.FEE: (1, fees), Trap.FEE_LATER: (1, fees), Trap.CLOSE: (3, maker),
            Trap.FROZEN_DEFAULT: (6, b"\2"),
            Trap.DELEGATE: (12, maker), Trap.HOOK: (14, maker + nobody), Trap.PAUSED: (26, maker + b"\0"),
        }.get(self.trap) if self.trap else None  # fmt: skip
        return struct.pack("<HH", content[0], len(content[1])) + content[1] if content else b""

    @property
    def program(self) -> Pubkey:
        return localnet_pools.TOKEN_2022_ID if self.extension else localnet_pools.TOKEN_ID

    @cached_property
    def pool(self) -> localnet_pools.Pool:
        sides = (self.mint, self.program, self.decimals), (USDC.mint, USDC.program, USDC.decimals)
        return localnet_pools.place_pool(self.market, sides)

    @property
    def market(self) -> localnet_pools.Market:
        """Raydium's, or of a configuration by which nobody looks for pools at first."""
        return _LATER if self.trap is Trap.OTHER_CONFIG else localnet_pools.RAYDIUM

    @property
    def _supply(self) -> int:
        units: int = 10**self.decimals
        return _SUPPLY * units

    @property
    def _whale(self) -> bool:
        return self.trap in (Trap.WHALE, Trap.SECOND_POOL)

    @property
    def pooled(self) -> int:
        """Base units that the pool is to have."""
        return self._supply * (_WHALE_POOLED if self._whale else _POOLED) // 100

    @property
    def depth(self) -> int:
        """Base units of USDC that the pool is to have."""
        low, high = _DEPTH
        usd = low + draw("depth", self.seed, self.number) % (high - low + 1)
        units: int = 10**USDC.decimals
        return (THIN if self.trap is Trap.THIN else usd) * units

    def first(self, amount: int) -> int:
        """Of that amount, what the pool is opened with."""
        late = self.trap is Trap.ZERO_LIQUIDITY
        return max(1, amount * _NOTHING * 10**USDC.decimals // self.depth) if late else amount

    # Accounts.

    def account_of(self, mint: Pubkey) -> Pubkey:
        """The maker's own account of it."""
        return own_account(self.maker.pubkey(), mint, self.program if mint == self.mint else USDC.program)

    def born(self) -> Iterator[tuple[Pubkey, Account]]:
        """What is there before its pool is."""
        maker = self.maker.pubkey()
        yield maker, Account(10**9, b"", localnet_genesis.SYSTEM_ID, False, 0)
        yield (
            self.mint,
            mint_account(
                self.program,
                self._supply,
                self.decimals,
                mints=maker if self.trap is Trap.MINT else None,
                freezes=maker if self.trap is Trap.FREEZE else None,
                extension=self.extension,
            ),
        )
        yield _metadata_at(self.mint), Account(RENT, self._metadata(), _METAPLEX, False, 0)
        yield self.account_of(self.mint), self._token_account(maker, self.pooled)
        yield self.account_of(USDC.mint), token_account(USDC.mint, maker, self.depth)
        each = _WHALE_EACH if self._whale else _EACH
        for n in range(_HOLDERS):
            percent = _WHALE if self._whale and n == 0 else each
            who = self._key(f"holder {n}").pubkey()
            account = own_account(who, self.mint, self.program)
            if self.trap is Trap.SECOND_POOL and n == 0:
                who, account = self.pool.authority, self._elsewhere
            yield account, self._token_account(who, self._supply * percent // 100)

    @property
    def _elsewhere(self) -> Pubkey:
        """The vault of its pool for a token that nobody else has."""
        sides = (
            (self.mint, self.program, self.decimals),
            (self._key("junk").pubkey(), localnet_pools.TOKEN_ID, 0),
        )
        return localnet_pools.place_pool(self.market, sides).facing(self.mint)[0].vault

    def opened(self) -> Iterator[tuple[Pubkey, Account]]:
        """What is there with its pool, beside what is moved there."""
        pool = self.pool
        shares = math.isqrt(self.pooled * self.depth)
        status = 0
        if self.trap is Trap.HONEYPOT:
            # The token's own way in is shut.
            status = SHUT | (pool.sides[1].mint == self.mint) << 6
        burnt = self.trap is not Trap.LP_FREE and self.number % 2 == 0
        # Half of the honest ones pay their maker, of the input or of one of the tokens.
        fee_on = self.number % 3 if self.trap is None and self.number // 3 % 2 else None
        state = localnet_pools.pool_data(pool, self.maker.pubkey(), status, shares, fee_on)
        yield pool.address, Account(RENT, state, pool.market.program, False, 0)
        yield (
            pool.config,
            Account(RENT, localnet_pools.config_data(pool.market), pool.market.program, False, 0),
        )
        yield (
            pool.observation,
            Account(RENT, localnet_genesis.OBSERVATION, pool.market.program, False, 0),
        )
        for side in pool.sides:
            empty = self._token_account(pool.authority, 0) if side.mint == self.mint else None
            yield side.vault, empty or token_account(side.mint, pool.authority, 0)
        lp = localnet_pools.lp_mint(pool)
        yield lp, mint_account(localnet_pools.TOKEN_ID, 0 if burnt else shares, 9, mints=pool.authority)
        if not burnt:
            who = self.maker.pubkey() if self.trap is Trap.LP_FREE else _LOCKER
            account = own_account(who, lp, localnet_pools.TOKEN_ID)
            yield account, token_account(lp, who, shares)

    def _token_account(self, owner: Pubkey, amount: int) -> Account:
        return token_account(self.mint, owner, amount, self.program, self.trap in (Trap.FEE, Trap.FEE_LATER))

    def _metadata(self) -> bytes:
        """Key, authority, mint, then name, symbol and address, each filled up with zeros."""
        texts = (self.symbol.encode().ljust(32, b"\0"), self.symbol.encode().ljust(10, b"\0"), bytes(200))
        said = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        return b"\4" + bytes(self.maker.pubkey()) + bytes(self.mint) + said + bytes(8)


def _metadata_at(mint: Pubkey) -> Pubkey:
    return localnet_pools.derive(_METAPLEX, b"metadata", bytes(_METAPLEX), bytes(mint))
