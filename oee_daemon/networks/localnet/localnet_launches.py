"""When new tokens come and what becomes of their pools: by rows of the table `listings`, and by the clock.

Each step is a transaction of the token's maker, taken by the slot that is reached: what the chain holds says
which were taken, so that a kill, a fork or a pause costs no step and doubles none.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from oee_daemon.networks.localnet import localnet_dialects, localnet_pools, localnet_slots, localnet_traps
from oee_daemon.networks.localnet.litesvm_chain import Chain, Dropped
from oee_daemon.networks.localnet.localnet_swaps import ATA_ID, RENT_ID, own_account
from oee_daemon.networks.localnet.localnet_traps import TRAPS, USDC, NewToken, Trap

#: How many tokens in a row have each trap once, half of them none; and how many that come are known ahead.
ROUND, AHEAD = 2 * len(TRAPS), 4
#: Slots after which nothing more happens to a pool.
_OVER = 40


@dataclass(frozen=True, slots=True)
class Launch:
    token: NewToken
    listed_at: int


class Launches:
    """Of one chain. What has come is traded, and forgotten here."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._version = -1
        self._planned = -1
        self._live: list[Launch] = []

    def refresh(self) -> None:
        """What was ordered counts, and what is due by now happens."""
        ledger = self._chain.ledger
        if self._plan() or ledger.version() != self._version:
            self._version = ledger.version()
            self._live = [
                launch for row in ledger.rows("listings") if (launch := self._launch(row)) is not None
            ]
        for launch in self._live:
            if self._chain.tip >= launch.listed_at:
                self._go_on(launch)
        self._live = [launch for launch in self._live if self._chain.tip <= launch.listed_at + _OVER]

    def upcoming(self) -> Sequence[Launch]:
        """Those that are not traded yet, the next first."""
        ahead = [launch for launch in self._live if launch.listed_at > self._chain.tip]
        return sorted(ahead, key=lambda launch: launch.listed_at)

    def _plan(self) -> bool:
        """Whether a token has been added to those that come by themselves."""
        spacing, seed = self._chain.rules.listing_slots, self._chain.origin.seed
        if not spacing:
            return False
        now = (self._chain.tip - localnet_slots.START_SLOT) // spacing
        if now == self._planned:
            return False
        self._planned = now
        for place in range(now, now + AHEAD):
            drawn = localnet_traps.draw("at", seed, place) % spacing
            listed_at = localnet_slots.START_SLOT + spacing * (place + 1) + drawn
            self._chain.ledger.plan_listing(place, trap_of(seed, place), listed_at)
        return True

    def _launch(self, row: dict[str, Any]) -> Launch | None:
        """What a row orders; its mint is there from now on. None once it is over."""
        chain = self._chain
        trap = None if row["trap"] is None else Trap(row["trap"])
        token = NewToken(chain.origin.seed, row["n"], trap)
        chain.followed.add(token.mint)
        if row["mint"] is None:
            if chain.account(token.mint) is None:
                chain.place(list(token.born()))
            listed_at = chain.tip + row["after"] if row["listed_at"] is None else row["listed_at"]
            chain.ledger.date_listing(row["n"], str(token.mint), listed_at)
            return Launch(token, listed_at)
        opened = chain.account(token.pool.address) is not None
        over = opened and chain.tip > row["listed_at"] + _OVER
        return None if over else Launch(token, row["listed_at"])

    # Steps.

    def _go_on(self, launch: Launch) -> None:
        token, chain = launch.token, self._chain
        if chain.account(token.pool.address) is None:
            self._land(token, [_opening(token, self._opens_at(launch))], list(token.opened()))
        held = self._amount_in(token.pool.facing(USDC.mint)[0].vault)
        if token.trap is Trap.ZERO_LIQUIDITY:
            if held < token.depth // 2 and chain.tip >= launch.listed_at + localnet_traps.LATE_SLOTS:
                self._land(token, list(_add_liquidity(token)))
        elif token.trap is Trap.PULLED:
            left = max(0, localnet_traps.PULLED_SLOTS - (chain.tip - launch.listed_at))
            # Something always stays: an empty pool is none.
            least = max(
                localnet_traps.THIN * 10**USDC.decimals, token.depth * left // localnet_traps.PULLED_SLOTS
            )
            if held > least:
                self._land(token, [_withdrawal(token, held - least)])

    def _opens_at(self, launch: Launch) -> int:
        """Unix seconds; 0: at once."""
        if launch.token.trap is not Trap.OPENS_LATER:
            return 0
        return self._chain.unix_of(max(self._chain.tip, launch.listed_at) + localnet_traps.CLOSED_SLOTS)

    def _amount_in(self, account: Pubkey) -> int:
        found = self._chain.account(account)
        return 0 if found is None else localnet_pools.token_amount(found.data)

    def _land(
        self,
        token: NewToken,
        instructions: Sequence[Instruction],
        placed: Sequence[tuple[Pubkey, Account]] = (),
    ) -> None:
        recent = self._chain.hashes.of(self._chain.height)
        message = MessageV0.try_compile(token.maker.pubkey(), list(instructions), [], recent)
        sent = self._chain.read(bytes(VersionedTransaction(message, [token.maker])))
        try:
            landing = self._chain.land(sent, placed)
        except Dropped:
            # It landed in this block already: the next one is soon.
            return
        assert landing.err is None, landing.err


def trap_of(seed: int, place: int) -> str | None:
    """What is wrong with the token that comes in that place of a row."""
    turn, at = divmod(place, ROUND)
    places = sorted(range(ROUND), key=lambda n: localnet_traps.draw("order", seed, turn, n))
    found = dict(itertools.zip_longest(places, TRAPS))
    return found[at]


def _metas(keys: Sequence[Pubkey], written: Sequence[Pubkey]) -> list[AccountMeta]:
    """The first one signs."""
    return [AccountMeta(key, n == 0, n == 0 or key in written) for n, key in enumerate(keys)]


def _opening(token: NewToken, opens_at: int) -> Instruction:
    """`initialize`, its accounts as Raydium has them."""
    pool, maker = token.pool, token.maker.pubkey()
    own, vaults = _ends(token)
    lp = localnet_pools.lp_mint(pool)
    shares = own_account(maker, lp, localnet_pools.TOKEN_ID)
    keys = [
        maker, pool.config, pool.authority, pool.address, *(side.mint for side in pool.sides), lp, *own,
        shares, *vaults, own[0], pool.observation, localnet_pools.TOKEN_ID,
        *(side.program for side in pool.sides), ATA_ID, Pubkey.default(), RENT_ID,
    ]  # fmt: skip
    amounts = [token.first(_amount(token, side.mint)) for side in pool.sides]
    way = localnet_dialects.CPMM.opens
    assert way is not None
    data = way.tag + struct.pack("<QQQ", *amounts, opens_at)
    return Instruction(pool.market.program, data, _metas(keys, [pool.address, *own, *vaults]))


def _add_liquidity(token: NewToken) -> Iterator[Instruction]:
    """What the maker has left goes into the pool: `TransferChecked` (12)."""
    own, vaults = _ends(token)
    for side, frm, to in zip(token.pool.sides, own, vaults, strict=True):
        left = _amount(token, side.mint)
        data = b"\x0c" + struct.pack("<QB", left - token.first(left), side.decimals)
        metas = [
            AccountMeta(frm, False, True),
            AccountMeta(side.mint, False, False),
            AccountMeta(to, False, True),
        ]
        yield Instruction(side.program, data, [*metas, AccountMeta(token.maker.pubkey(), True, False)])


def _withdrawal(token: NewToken, taken: int) -> Instruction:
    """So much of the quote alone: with the token, its maker would hold most of it, which is another trap."""
    pool, maker = token.pool, token.maker.pubkey()
    own, vaults = _ends(token)
    keys = [
        maker, pool.authority, pool.address, own[0], *own, *vaults, *(side.program for side in pool.sides),
        *(side.mint for side in pool.sides), localnet_pools.lp_mint(pool), localnet_pools.TOKEN_ID,
    ]  # fmt: skip
    amounts = [taken if side.mint == USDC.mint else 0 for side in pool.sides]
    way = localnet_dialects.CPMM.withdraws
    assert way is not None
    data = way.tag + struct.pack("<QQQ", 1, *amounts)
    return Instruction(pool.market.program, data, _metas(keys, [pool.address, *own, *vaults]))


def _ends(token: NewToken) -> tuple[list[Pubkey], list[Pubkey]]:
    """The maker's accounts and the vaults, in the pool's order."""
    sides = token.pool.sides
    return [token.account_of(side.mint) for side in sides], [side.vault for side in sides]


def _amount(token: NewToken, mint: Pubkey) -> int:
    return token.depth if mint == USDC.mint else token.pooled
