"""What a swap will need, asked of the chain: compute units, a price for them, and its accounts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.networks.solana.chain_refusals import rejection
from oee_daemon.networks.solana.priority_fees import price_of
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError

#: Accounts that one call may ask the fees of (`MAX_TX_ACCOUNT_LOCKS` of agave).
MOST_ACCOUNTS = 128


class Pricing:
    """`fee_cap`: the most that a swap may pay the network, lamports."""

    def __init__(self, pool: Pool, *, fee_cap: int) -> None:
        self._pool = pool
        self._fee_cap = fee_cap
        self._programs: dict[str, str] = {}

    async def price(
        self, writable: Sequence[str], hint: int, attempt: int, unit_limit: int, deadline_s: float
    ) -> int:
        """Micro-lamports for each unit. Where nobody tells what landed, the hint is all there is."""
        call: Call = ("getRecentPrioritizationFees", [list(writable[:MOST_ACCOUNTS])])
        try:
            landed = await self._pool.any([call], lambda results: paid_of(results[0]), deadline_s)
        except ChainUnavailable:
            landed = []
        return price_of(landed, hint, attempt, unit_limit, self._fee_cap)

    async def units(self, message: bytes, deadline_s: float) -> int:
        """Compute units that it takes now. Raises `AttemptFailed` where it fails, and `ChainUnavailable`."""
        wire = base64.b64encode(b"\x01" + bytes(64) + message).decode()
        options = {
            "encoding": "base64",
            "commitment": "confirmed",
            "sigVerify": False,
            "replaceRecentBlockhash": True,
        }
        return await self._pool.any([("simulateTransaction", [wire, options])], _units, deadline_s)

    async def programs(self, mints: Sequence[str], deadline_s: float) -> list[str]:
        """The token program of each mint. Raises `ChainUnavailable`."""
        unknown = [mint for mint in mints if mint not in self._programs]
        if unknown:
            for mint, account in zip(unknown, await self._accounts(unknown, deadline_s), strict=True):
                if account is None:
                    raise AttemptFailed(f"{mint} is no token of this chain.", code="unknown_token")
                self._programs[mint] = account["owner"]
        return [self._programs[mint] for mint in mints]

    async def exists(self, address: str, deadline_s: float) -> bool:
        """Raises `ChainUnavailable`."""
        return (await self._accounts([address], deadline_s))[0] is not None

    async def _accounts(self, addresses: Sequence[str], deadline_s: float) -> list[Any]:
        options = {"encoding": "base64", "commitment": "confirmed"}
        call: Call = ("getMultipleAccounts", [list(addresses), options])
        return await self._pool.any(
            [call], lambda results: accounts_of(results[0], len(addresses)), deadline_s
        )


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


def _units(results: list[Result]) -> int:
    found = results[0]
    value = found.get("value") if isinstance(found, dict) and not isinstance(found, RpcError) else None
    if not isinstance(value, dict) or "err" not in value:
        raise NoAnswer("no simulation")
    if value["err"] is not None:
        failed = rejection(value["err"], value.get("logs"))
        raise AttemptFailed(f"Before it was signed, {failed.message}.", code=failed.code, retryable=True)
    if type(value.get("unitsConsumed")) is not int:
        raise NoAnswer("a simulation without units")
    return int(value["unitsConsumed"])
