"""What a Solana wallet holds, and what it could put into a swap; read from the chain, nothing remembered.

What belongs together is asked for in one batch, which one node answers. No rent is a constant here: the chain
says what an account of so many bytes has to keep.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from oee_daemon.networks.holdings import Holding, Means
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.solana_endpoint_look import GENESIS, must_be_of
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_mint_account import ACCOUNT_BYTES, MOST_ACCOUNT_BYTES, Mint
from oee_daemon.networks.solana.solana_mint_reader import Genesis, data_of, facts_of, mint_of
from oee_daemon.networks.solana.solana_programs import TOKEN, TOKEN_2022
from oee_daemon.networks.solana.solana_swap_assembly import own_account
from oee_daemon.networks.solana.solana_trader_accounts import MOST_LEFT, kept_of
from oee_daemon.networks.solana.solana_unit_pricing import accounts_of
from oee_daemon.orders.swap import QuoteRequest
from oee_daemon.orders.tokens import MAX_UNITS

_PROGRAMS = (TOKEN, TOKEN_2022)
#: Decimals of SOL.
_SOL_DECIMALS = 9
#: Of a wallet nothing that was seen once is taken back by a fork that loses on a chain of today.
_SEEN = {"commitment": "confirmed"}
#: Bytes of a wallet, and of its token accounts: of the first program, and at most of Token-2022.
_SIZES = (0, ACCOUNT_BYTES, MOST_ACCOUNT_BYTES)
#: Seconds for which the chain's word on rent holds: it changes with an upgrade of the chain, seldom.
RENTS_S = 600.0
#: Where a token account says that it has a delegate, and somebody else to close it.
_OTHERS = (72, 129)
#: A token account that is frozen, in its byte 108.
_FROZEN = 2


class SolanaHoldings:
    """Of one `wallet`, on the chain that `genesis` tells. `fee_cap`: lamports."""

    def __init__(self, pool: Pool, *, wallet: str, genesis: Genesis, fee_cap: int) -> None:
        self._pool = pool
        self._wallet = wallet
        self._genesis = genesis
        self._fee_cap = fee_cap
        #: What an account of each of `_SIZES` has to keep, lamports, and until when that is not asked again.
        self._rents: Sequence[int] = ()
        self._rents_until = 0.0

    async def balances(self, deadline_s: float) -> Sequence[Holding]:
        genesis = await self._genesis()
        calls: list[Call] = [GENESIS, ("getBalance", [self._wallet, _SEEN])]
        parsed = {"encoding": "jsonParsed", **_SEEN}
        calls += [
            ("getTokenAccountsByOwner", [self._wallet, {"programId": program}, parsed])
            for program in _PROGRAMS
        ]
        return await self._pool.any(
            calls, lambda results: _read_holdings(results, genesis), deadline_s, urgent=False
        )

    async def means(
        self, request: QuoteRequest, deadline_s: float, *, every: bool = False, opens: Sequence[str] = ()
    ) -> Sequence[Means]:
        genesis = await self._genesis()
        mints = request.input_token.mint, request.output_token.mint
        asked = [self._wallet, *mints]
        asked += [own_account(self._wallet, mint, program) for mint in mints for program in _PROGRAMS]
        asked += opens
        calls: list[Call] = [GENESIS, ("getMultipleAccounts", [asked, {"encoding": "base64", **_SEEN}])]
        known = () if every or time.monotonic() > self._rents_until else self._rents
        if not known:
            calls += [("getMinimumBalanceForRentExemption", [size]) for size in _SIZES]

        def read(results: list[Result]) -> Means:
            must_be_of(genesis, results[0])
            rents = known or self._read_units(results[2:])
            rows = dict(zip(asked, accounts_of(results[1], len(asked)), strict=True))
            means = self._means(mints, rows, rents)
            missing = [address for address in opens if rows[address] is None]
            kept = kept_of(self._wallet, missing)
            # All that programs keep may take as much together: what is more is not signed.
            left = (MOST_LEFT if kept else 0) + (len(missing) - len(kept)) * rents[2]
            return replace(means, reserve=means.reserve + left)

        if not every:
            # What is about to be accepted waits for what is due.
            return [await self._pool.any(calls, read, deadline_s, urgent=request.number > 0)]
        heard = await self._pool.each(calls, deadline_s)
        found = []
        for results in heard.values():
            try:
                found.append(read(results))
            except NoAnswer:
                continue
        # Where none can be read, the reason is said by the one that is asked alone.
        return found or [await self._pool.any(calls, read, deadline_s)]

    def _read_units(self, results: Sequence[Result]) -> Sequence[int]:
        self._rents, self._rents_until = _rents(results), time.monotonic() + RENTS_S
        return self._rents

    def _means(self, mints: tuple[str, str], rows: dict[str, Any], rents: Sequence[int]) -> Means:
        wallet = rows[self._wallet]
        lamports = 0 if wallet is None else wallet.get("lamports")
        if type(lamports) is not int:
            raise NoAnswer("no balance")
        read = {mint: found for mint in mints if (found := mint_of(rows[mint])) is not None}
        spends_sol = mints[0] == WSOL
        given = lamports if spends_sol else self._spendable(rows, mints[0], read.get(mints[0]))
        return Means(
            native=lamports,
            given=given,
            fee=self._fee_cap,
            reserve=rents[0] + self._new_accounts(rows, mints, read, rents),
            spends_native=spends_sol,
            facts={mint: facts_of(mint, found) for mint, found in read.items()},
            delegated=self._find_delegated(rows, read),
        )

    def _find_delegated(self, rows: dict[str, Any], read: dict[str, Mint]) -> dict[str, str]:
        """Of wrapped SOL most venues make an account of their own."""
        found = {}
        for mint, facts in read.items():
            address = own_account(self._wallet, mint, facts.program)
            data = b"" if mint == WSOL or rows[address] is None else data_of(rows[address])
            if len(data) >= ACCOUNT_BYTES and any(data[at : at + 4] != bytes(4) for at in _OTHERS):
                found[mint] = address
        return found

    def _spendable(self, rows: dict[str, Any], mint: str, found: Mint | None) -> int:
        """What lies in the wallet's own account for it, where swaps take it from."""
        if found is None:
            return 0
        row = rows[own_account(self._wallet, mint, found.program)]
        data = b"" if row is None else data_of(row)
        if len(data) < ACCOUNT_BYTES or data[108] == _FROZEN:
            return 0
        return int.from_bytes(data[64:72], "little")

    def _new_accounts(
        self, rows: dict[str, Any], mints: tuple[str, str], read: dict[str, Mint], rents: Sequence[int]
    ) -> int:
        """Lamports for the accounts that the swap has to make: of what is received, and of wrapped SOL where
        it swaps SOL. Some venues make another of that one though it is there; it is closed again."""
        needed = rents[1] if WSOL in mints else 0
        if mints[1] != WSOL:
            found = read.get(mints[1])
            program = TOKEN if found is None else found.program
            if rows[own_account(self._wallet, mints[1], program)] is None:
                needed += rents[1] if program == TOKEN else rents[2]
        return needed


def _read_holdings(results: list[Result], genesis: str) -> list[Holding]:
    must_be_of(genesis, results[0])
    lamports = _value(results[1])
    if type(lamports) is not int:
        raise NoAnswer("no balance")
    held = [_account(row) for said in results[2:] for row in _rows(said)]
    return [Holding(mint=WSOL, decimals=_SOL_DECIMALS, units=lamports), *_by_mint(held)]


def _value(said: Result) -> Any:
    if not isinstance(said, dict) or "value" not in said:
        raise NoAnswer("neither a balance nor accounts")
    return said["value"]


def _rows(said: Result) -> list[Any]:
    rows = _value(said)
    if not isinstance(rows, list):
        raise NoAnswer("no token accounts")
    return rows


def _rents(results: Sequence[Result]) -> list[int]:
    if not all(type(rent) is int for rent in results):
        raise NoAnswer("no rent")
    return list(results)


def _account(row: Any) -> Holding:
    """One token account."""
    try:
        info = row["account"]["data"]["parsed"]["info"]
        amount = info["tokenAmount"]
        units, decimals = amount["amount"], amount["decimals"]
        mint, frozen = str(info["mint"]), info["state"] == "frozen"
        if type(decimals) is not int or not 0 <= decimals <= 255 or not units.isdigit():
            raise NoAnswer("token accounts of another shape")
        found = min(int(units), MAX_UNITS)
    except (KeyError, TypeError, AttributeError):
        raise NoAnswer("token accounts of another shape") from None
    return Holding(
        mint=mint, decimals=decimals, units=found, frozen=found if frozen else 0, wrapped=mint == WSOL
    )


def _by_mint(accounts: Sequence[Holding]) -> list[Holding]:
    """A line a mint; what is empty is left out."""
    sums: dict[str, Holding] = {}
    for one in accounts:
        so_far = sums.get(one.mint)
        if so_far is not None:
            one = replace(one, units=so_far.units + one.units, frozen=so_far.frozen + one.frozen)
        sums[one.mint] = one
    return [one for one in sums.values() if one.units]
