"""What a swap will need, asked of the chain: compute units, a price for them, and its accounts."""

from __future__ import annotations

import base64
import time
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.networks.solana.guard.guard_lookup_tables import Tables
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.solana_priority_fees import MOST_UNITS, price_of
from oee_daemon.networks.solana.solana_programs import TOKEN, TOKEN_2022
from oee_daemon.networks.solana.solana_refusals import rejection
from oee_daemon.networks.venue import Plan

#: Accounts that one call may ask the fees of (`MAX_TX_ACCOUNT_LOCKS` of agave).
MOST_ACCOUNTS = 128
#: Seconds for which what a swap took serves the next ones over the same way; and how many are remembered.
FRESH_S, _REMEMBERED = 10.0, 256


class Taken(NamedTuple):
    """What a swap of that amount took when it was simulated, and what landed then for its accounts."""

    until: float
    amount: int
    units: int
    paid: list[int]


class Pricing:
    """`fee_cap`: the most that a swap may pay the network, lamports."""

    def __init__(self, pool: Pool, *, fee_cap: int) -> None:
        self._pool = pool
        self._fee_cap = fee_cap
        self._programs: dict[str, str] = {}
        #: As the guard reads them, of one memory.
        self.tables = Tables(pool)
        self._taken: dict[Hashable, Taken] = {}

    def price(self, landed: Sequence[int], hint: int, plan: Plan, unit_limit: int) -> int:
        """Micro-lamports for each unit. Where nobody told what `landed`, the hint is all there is."""
        most = self._fee_cap if plan.fee_cap is None else min(self._fee_cap, plan.fee_cap)
        return price_of(landed, hint, plan.request.attempt, unit_limit, most)

    async def paid(self, writable: Sequence[str], deadline_s: float) -> list[int]:
        """What landed lately for these accounts; nothing where nobody tells."""
        try:
            return await self._pool.any(
                [_paid_for(writable)], lambda results: paid_of(results[0]), deadline_s
            )
        except ChainUnavailable:
            return []

    def lately(self, way: Hashable, amount: int) -> tuple[int, list[int]] | None:
        """What a swap of as much or more took over that way a moment ago, as `units` tells it. The guard
        simulates each one: where it takes more than that, its next attempt asks anew."""
        taken = self._taken.get(way)
        if taken is None or taken.amount < amount or time.monotonic() > taken.until:
            return None
        return taken.units, taken.paid

    async def units(
        self, message: bytes, way: Hashable, amount: int, writable: Sequence[str], deadline_s: float
    ) -> tuple[int, list[int]]:
        """Compute units that it takes now, and what landed lately for the accounts that it writes. Raises
        `AttemptFailed` where it fails, and `ChainUnavailable`."""
        wire = base64.b64encode(b"\x01" + bytes(64) + message).decode()
        options = {
            "encoding": "base64",
            "commitment": "confirmed",
            "sigVerify": False,
            "replaceRecentBlockhash": True,
        }
        calls: list[Call] = [("simulateTransaction", [wire, options]), _paid_for(writable)]
        units, paid = await self._pool.any(
            calls, lambda results: (_units(results), _paid_or_nothing(results[1])), deadline_s
        )
        if len(self._taken) >= _REMEMBERED:
            self._taken.clear()
        self._taken[way] = Taken(time.monotonic() + FRESH_S, amount, units, paid)
        return units, paid

    async def programs(self, mints: Sequence[str], deadline_s: float) -> list[str]:
        """The token program of each mint. Raises `ChainUnavailable`, `AttemptFailed` where it has none."""
        unknown = [mint for mint in mints if mint not in self._programs]
        if unknown:
            # What is remembered for good is no single endpoint's word.
            told = await self._pool.two(
                [_accounts_at(unknown)], lambda results: accounts_of(results[0], len(unknown)), deadline_s
            )
            for mint, *rows in zip(unknown, *told, strict=True):
                self._programs[mint] = _program_of(mint, rows)
        return [self._programs[mint] for mint in mints]

    async def exists(
        self, address: str, writable: Sequence[str], deadline_s: float
    ) -> tuple[bool, list[int]]:
        """Whether the account is there, and what landed lately for others. Raises `ChainUnavailable`."""
        return await self._pool.any(
            [_accounts_at([address]), _paid_for(writable)],
            lambda results: (
                accounts_of(results[0], 1)[0] is not None,
                _paid_or_nothing(results[1]),
            ),
            deadline_s,
        )


def _program_of(mint: str, rows: Sequence[Any]) -> str:
    """By what endpoints say of its account; one that is behind may have none."""
    owners = {row["owner"] for row in rows if row is not None} & {TOKEN, TOKEN_2022}
    if len(owners) > 1:
        raise ChainUnavailable(f"The RPC endpoints tell different things of {mint}. See: oee doctor")
    if not owners:
        raise AttemptFailed(f"{mint} is no token of this chain.", code="unknown_token", retryable=True)
    return str(*owners)


def _accounts_at(addresses: Sequence[str]) -> Call:
    return "getMultipleAccounts", [list(addresses), {"encoding": "base64", "commitment": "confirmed"}]


def _paid_for(writable: Sequence[str]) -> Call:
    return "getRecentPrioritizationFees", [list(writable[:MOST_ACCOUNTS])]


def accounts_of(said: Result, count: int) -> list[Any]:
    """What `getMultipleAccounts` says of as many accounts. Raises `NoAnswer`."""
    rows = said.get("value") if isinstance(said, dict) else None
    if not isinstance(rows, list) or len(rows) != count:
        raise NoAnswer("no accounts")
    if not all(row is None or (isinstance(row, dict) and isinstance(row.get("owner"), str)) for row in rows):
        raise NoAnswer("accounts of another shape")
    return rows


def paid_of(said: Result) -> list[int]:
    """What `getRecentPrioritizationFees` says. Raises `NoAnswer`."""
    if not isinstance(said, list):
        raise NoAnswer("no fees")
    prices = [row.get("prioritizationFee") for row in said if isinstance(row, dict)]
    return [price for price in prices if type(price) is int]


def _paid_or_nothing(said: Result) -> list[int]:
    try:
        return paid_of(said)
    except NoAnswer:
        return []


def _units(results: list[Result]) -> int:
    found = results[0]
    value = found.get("value") if isinstance(found, dict) and not isinstance(found, RpcError) else None
    if not isinstance(value, dict) or "err" not in value:
        raise NoAnswer("no simulation")
    if value["err"] is not None:
        failed = rejection(value["err"], value.get("logs"))
        raise AttemptFailed(f"Before it was signed, {failed.message}.", code=failed.code, retryable=True)
    units = value.get("unitsConsumed")
    if type(units) is not int or not 0 <= units <= MOST_UNITS:
        raise NoAnswer("a simulation without units")
    return units
