"""Raydium's constant-product pools, read from the chain and swapped with directly: no API stands in between.

Exact input and exact output, for any pair that has such a pool, also one of the last minute.
"""

from __future__ import annotations

import base64
import binascii
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import ChainUnavailable, VenueLate, VenueRefused
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool as Rpc
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.rpc.rpc_deadline import time_left
from oee_daemon.networks.solana.solana_epochs import CLOCK, EPOCH_SCHEDULE, epochs_ahead
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_programs import CPMM
from oee_daemon.networks.solana.solana_swap_assembly import assembled, make_account, own_account, unwrap, wrap
from oee_daemon.networks.solana.solana_unit_pricing import Pricing, accounts_of
from oee_daemon.networks.solana.venues.cpmm_pool import (
    Account,
    Addresses,
    NoPool,
    Pool,
    addresses,
    read_pool,
)
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, Toll, UnsignedSwap
from oee_daemon.orders.tokens import MAX_UNITS

#: The configurations that pools are made with; a later one is noted where somebody waits for its token.
INDEXES = (0, 1, 2, 3, 4)
#: How many pools are remembered.
_REMEMBERED = 4096
#: Noted configurations of one mint.
_MOST_NOTED = 4
_IN, _OUT = bytes.fromhex("8fbe5adac41e33de"), bytes.fromhex("37d96256a34ab4ad")


class Configurations:
    """Those of which pools are looked for: `INDEXES`, and what was noted of a mint, the last of many."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[int, ...]] = {}

    def note(self, mint: str, index: int) -> None:
        known = self._noted.pop(mint, ())
        if len(self._noted) >= _REMEMBERED:
            self._noted.pop(next(iter(self._noted)))
        # A call has room for so many, and no honest token needs more.
        self._noted[mint] = known if index in (*INDEXES, *known) else (*known, index)[-_MOST_NOTED:]

    def of(self, *mints: str) -> tuple[int, ...]:
        return (*INDEXES, *dict.fromkeys(index for mint in mints for index in self._noted.get(mint, ())))


class CpmmVenue:
    """Reads through `rpc`, for whoever `pricing` asks; `program`: whose pools they are."""

    name = "cpmm"
    #: It differs from pool to pool.
    fee_bps = None

    def __init__(
        self,
        rpc: Rpc,
        pricing: Pricing,
        program: str = CPMM,
        unix_s: Callable[[], float] = time.time,
        configurations: Configurations | None = None,
    ) -> None:
        self._rpc = rpc
        self._program = program
        self._pricing = pricing
        self._unix_s = unix_s
        self._configurations = configurations or Configurations()
        #: By configuration and mints, the programs of the tokens of a pool that was seen: they never change.
        self._tokens: dict[tuple[int, str, str], tuple[str, str]] = {}

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        offers = []
        indexes: Sequence[int]
        if request.route:
            indexes = struct.unpack(">H", request.route)
        else:
            indexes = self._configurations.of(request.input_token.mint, request.output_token.mint)
        pools = await self._pools(request, indexes, deadline_s)
        for index, pool in pools:
            try:
                offers.append((*_amounts(pool, request), index, pool))
            except NoPool:
                continue
        offers = [offer for offer in offers if offer[0] <= MAX_UNITS]
        if not offers:
            raise VenueRefused(f"cpmm has no pool {'that can fill this amount' if pools else 'for it'}.")
        # The most out of the same input, or the least in for the same output.
        amount_in, amount_out, index, pool = min(offers, key=lambda offer: (-offer[1], offer[0], offer[2]))
        at = addresses(self._program, index, request.input_token.mint, request.output_token.mint)
        return Quote(
            venue=self.name,
            amount_in=amount_in,
            amount_out=amount_out,
            fee=pool.fee_of(amount_in),
            price_impact_bps=pool.impact_bps(amount_in),
            route=at.route,
            toll=Toll((str(at.pool), *map(str, at.vaults))),
            thin=True,
        )

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        left_s = time_left(deadline_s)
        if len(plan.quote.route) != 2:
            raise VenueRefused("cpmm does not know the pool that was chosen.")
        (index,) = struct.unpack(">H", plan.quote.route)
        mints = plan.request.input_token.mint, plan.request.output_token.mint
        # What it gives by now, the guard's simulation shows: the pool is not read for that.
        if (index, *mints) not in self._tokens and not await self._pools(plan.request, [index], deadline_s):
            raise VenueRefused("cpmm has no pool for it any more.")
        steps = _steps(plan, addresses(self._program, index, *mints), self._tokens[(index, *mints)])
        return await assembled(plan, anchor, steps, [], self._pricing, hint=0, left_s=left_s)

    async def sold_back(self, request: QuoteRequest, quote: Quote, deadline_s: float) -> int | None:
        """What comes back of the quote's input by selling at once, as the pool is now; nothing moves. None
        where the pool is gone. Raises `VenueLate`."""
        (index,) = struct.unpack(">H", quote.route)
        for _, pool in await self._pools(request, [index], deadline_s):
            try:
                return pool.sold_back(quote.amount_in)
            except NoPool:
                continue
        return None

    async def _pools(
        self, request: QuoteRequest, indexes: Sequence[int], deadline_s: float
    ) -> list[tuple[int, Pool]]:
        """The pools of these configurations, all of one slot."""
        mints = request.input_token.mint, request.output_token.mint
        if mints[0] == mints[1]:
            return []
        places = [addresses(self._program, index, *mints) for index in indexes]
        keys = [CLOCK, EPOCH_SCHEDULE, *dict.fromkeys(key for at in places for key in at.to_read())]
        options = {"encoding": "base64", "commitment": "confirmed"}
        call: Call = ("getMultipleAccounts", [keys, options])
        try:
            # A further attempt begins with another endpoint: what one tells falsely it would tell again.
            accounts = await self._rpc.any(
                [call], lambda results: _read(results[0], len(keys)), deadline_s, turn=request.attempt - 1
            )
        except ChainUnavailable as e:
            raise VenueLate(f"cpmm could not be read: {e.message}") from None
        rows, found = dict(zip(keys, accounts, strict=True)), []
        # By the worse of an old and a new fee the quote would look like a lie, and be refused as one.
        epochs, now = epochs_ahead(rows[CLOCK], rows[EPOCH_SCHEDULE]), int(self._unix_s())
        for index, at in zip(indexes, places, strict=True):
            try:
                pool = read_pool(at, mints[0], [rows[key] for key in at.to_read()], now, epochs)
            except NoPool:
                continue
            found.append((index, pool))
            if len(self._tokens) >= _REMEMBERED:
                self._tokens.clear()
            self._tokens[(index, *mints)] = pool.programs
        return found


def _amounts(pool: Pool, request: QuoteRequest) -> tuple[int, int]:
    if request.mode is SwapMode.EXACT_IN:
        return request.amount, pool.out_of(request.amount)
    return pool.in_for(request.amount), request.amount


def _steps(plan: Plan, at: Addresses, programs: tuple[str, str]) -> list[Instruction]:
    mint_in, mint_out = plan.request.input_token.mint, plan.request.output_token.mint
    exact_in = plan.request.mode is SwapMode.EXACT_IN
    most = plan.request.amount if exact_in else plan.bound
    numbers = (most, plan.bound) if exact_in else (most, plan.request.amount)
    swap = swap_of(plan.payer, at, (mint_in, mint_out), programs, numbers, exact_in=exact_in)
    before = wrap(plan.payer, most) if mint_in == WSOL else []
    before.append(make_account(plan.payer, mint_out, programs[1]))
    return [*before, swap, *([unwrap(plan.payer)] if WSOL in (mint_in, mint_out) else [])]


def swap_of(
    payer: str,
    at: Addresses,
    mints: tuple[str, str],
    programs: tuple[str, str],
    numbers: tuple[int, int],
    *,
    exact_in: bool = True,
) -> Instruction:
    """The swap alone, between accounts that are there. `mints`, `programs`: of the input and the output;
    `numbers`: what is spent, or at most is, and what arrives, or at least does."""
    own = [own_account(payer, m, p) for m, p in zip(mints, programs, strict=True)]
    way = (0, 1) if str(at.mints[0]) == mints[0] else (1, 0)
    given, taken = (at.vaults[n] for n in way)
    accounts: list[tuple[Any, bool]] = [
        (at.authority, False), (at.config, False), (at.pool, True), (own[0], True), (own[1], True),
        (given, True), (taken, True), (programs[0], False), (programs[1], False),
        (mints[0], False), (mints[1], False), (at.observation, True),
    ]  # fmt: skip
    signer = AccountMeta(Pubkey.from_string(payer), True, True)
    metas = [
        signer,
        *(AccountMeta(Pubkey.from_string(str(key)), False, written) for key, written in accounts),
    ]
    return Instruction(at.program, (_IN if exact_in else _OUT) + struct.pack("<QQ", *numbers), metas)


def _read(said: Result, count: int) -> list[Account | None]:
    try:
        return [
            None if row is None else (row["owner"], base64.b64decode(row["data"][0], validate=True))
            for row in accounts_of(said, count)
        ]
    except (KeyError, TypeError, IndexError, binascii.Error):
        raise NoAnswer("accounts of another shape") from None
