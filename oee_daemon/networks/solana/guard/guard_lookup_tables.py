"""Lookup tables, read by the network's own RPC: what a venue says of them is not believed, nor one endpoint
where there are two."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from solders.address_lookup_table_account import AddressLookupTable

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.guard.guard_message import Reading
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer, Result, RpcError
from oee_daemon.networks.solana.solana_programs import LOOKUP_TABLE

#: How many are remembered.
_KEPT = 256


class Tables:
    """Tables that were read stay as they are: they only grow, and no other takes an old one's address."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, list[str]] = {}

    async def of(self, reading: Reading, deadline_s: float) -> Mapping[str, Sequence[str]]:
        """Those that the message uses, as far as they are any. Raises `ChainUnavailable`."""
        most = {t: max((*w, *r), default=-1) for t, (w, r) in reading.tables.items()}
        missing = [t for t, place in most.items() if len(self._known.get(t, ())) <= place]
        return await self._read(most, missing, deadline_s)

    async def whole(
        self, tables: Collection[str], deadline_s: float, *, again: bool
    ) -> Mapping[str, Sequence[str]]:
        """All that these hold, as far as they are any; `again`: also of those that were read before. Raises
        `ChainUnavailable`."""
        missing = [t for t in tables if again or t not in self._known]
        return await self._read(dict.fromkeys(tables, 0), missing, deadline_s)

    async def _read(
        self, most: Mapping[str, int], missing: Sequence[str], deadline_s: float
    ) -> Mapping[str, Sequence[str]]:
        """`most`: the last place that is needed of each."""
        if missing:
            options = {"encoding": "base64", "commitment": "confirmed"}
            call = ("getMultipleAccounts", [list(missing), options])
            told = await self._pool.two([call], lambda results: _rows(results[0], len(missing)), deadline_s)
            if len(self._known) > _KEPT:
                self._known.clear()
            for table, *entries in zip(missing, *told, strict=True):
                agreed = _agree_on(entries, most[table] + 1)
                if agreed is not None:
                    self._known[table] = agreed
        return {t: self._known[t] for t in most if t in self._known}


def _agree_on(told: Sequence[list[str] | None], needed: int) -> list[str] | None:
    """What all of them tell; none where all tell that it is no table.

    A table grows: one that lags tells the beginning of it. Raises `ChainUnavailable` where that is too short,
    or they differ: then nobody knows yet.
    """
    known = [entries for entries in told if entries is not None]
    shortest = min(known, key=len, default=None)
    if shortest is None or (len(known) == len(told) == 1):
        return shortest
    far = [entries for entries in known if len(entries) >= needed]
    apart = any(entries[: len(shortest)] != shortest for entries in known)
    if apart or len(known) < len(told) or (far and len(far) < len(told)):
        raise ChainUnavailable("The RPC endpoints tell different lookup tables.")
    return shortest


def _rows(found: Result, count: int) -> list[list[str] | None]:
    if isinstance(found, RpcError):
        raise NoAnswer(f"error {found.code}")
    try:
        rows = found["value"]
        if len(rows) != count:
            raise ValueError(len(rows))
        return [_entries(row) for row in rows]
    except (TypeError, KeyError, ValueError):
        raise NoAnswer("accounts that can't be read") from None


def _entries(row: Any) -> list[str] | None:
    if row is None or row["owner"] != LOOKUP_TABLE:
        return None
    try:
        table = AddressLookupTable.deserialize(base64.b64decode(row["data"][0], validate=True))
    except (ValueError, binascii.Error):
        return None
    return [str(address) for address in table.addresses]
