"""What a transaction moved for one wallet, from the balances before and after it. Pure, exact to the unit.

The wallet and its own token accounts are one purse: rent and wrapped SOL only change pockets inside it, so no
figure of a rent stands here. Transfer fees, tips and whatever else went out are in the amounts: what left the
purse, and what arrived in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oee_daemon.orders.tokens import MAX_UNITS

#: The mint of wrapped SOL, by which the chain's own coin is named too.
WSOL = "So11111111111111111111111111111111111111112"


class Unreadable(Exception):
    """The balances don't say what one swap moved: not a swap of one mint for another, or broken."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What left and what arrived, base units, the network's fee apart."""

    input_mint: str
    output_mint: str
    amount_in: int
    amount_out: int


def keys_of(message: Mapping[str, Any], meta: Mapping[str, Any]) -> list[str]:
    """The accounts in the order of the balances: the message's own, then those of its tables, the writable
    ones first (https://solana.com/docs/rpc/json-structures). Raises `Unreadable`."""
    try:
        loaded = meta.get("loadedAddresses") or {"writable": [], "readonly": []}
        return [str(k) for k in [*message["accountKeys"], *loaded["writable"], *loaded["readonly"]]]
    except (KeyError, TypeError, AttributeError):
        raise Unreadable("it does not name its accounts") from None


def changes(meta: Mapping[str, Any], keys: Sequence[str], wallet: str) -> dict[str, int]:
    """By how much the wallet's purse changed in each mint, SOL by the mint of wrapped SOL and with the
    network's fee put back. Mints that did not change are left out. Raises `Unreadable`."""
    try:
        return _changes(meta, keys, wallet)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise Unreadable("its balances can't be read") from None


def moved(meta: Mapping[str, Any], keys: Sequence[str], wallet: str, mints: Collection[str] = ()) -> Moved:
    """The swap that the balances tell. Raises `Unreadable` unless one mint went down and one up.

    `mints`: those that were to be swapped, where that is known. What came along of others is left out: dust
    of a token on the way, and SOL for accounts that the swap made for others, which the guard lets pass too.
    """
    found = changes(meta, keys, wallet)
    if mints:
        found = {mint: by for mint, by in found.items() if by < 0 or mint in mints}
    if WSOL in mints and all(by < 0 for by in found.values()):
        # Such accounts took all of the SOL that it brought, or more.
        found[WSOL] = found.get(WSOL, 0) + _lamports_made(meta, keys, wallet)
    if sum(by < 0 for by in found.values()) > 1 and 0 < -found.get(WSOL, 0) <= _lamports_made(
        meta, keys, wallet
    ):
        del found[WSOL]
    down = [(mint, -by) for mint, by in found.items() if by < 0]
    up = [(mint, by) for mint, by in found.items() if by > 0]
    if len(down) != 1 or len(up) != 1 or (mints and down[0][0] not in mints):
        raise Unreadable(f"{len(down)} tokens left and {len(up)} arrived, not one each")
    return Moved(down[0][0], up[0][0], down[0][1], up[0][1])


def _lamports_made(meta: Mapping[str, Any], keys: Sequence[str], wallet: str) -> int:
    """Lamports of accounts that were not there before, and are not the wallet's."""
    own = {one["accountIndex"] for one in meta["postTokenBalances"] if one["owner"] == wallet}
    both = enumerate(zip(meta["preBalances"], meta["postBalances"], strict=True))
    return sum(after for i, (before, after) in both if before == 0 and i not in own and keys[i] != wallet)


def _changes(meta: Mapping[str, Any], keys: Sequence[str], wallet: str) -> dict[str, int]:
    before, after = meta["preBalances"], meta["postBalances"]
    if not len(keys) == len(before) == len(after):
        raise ValueError("as many balances as accounts")
    if not all(type(n) is int and 0 <= n <= MAX_UNITS for n in (*before, *after, meta["fee"])):
        raise ValueError("a balance that is no whole number")
    purse = {keys.index(wallet)}
    by_mint: Counter[str] = Counter()
    for side, sign in (("preTokenBalances", -1), ("postTokenBalances", 1)):
        for balance in meta[side]:
            if balance["owner"] == wallet:
                index = balance["accountIndex"]
                if not 0 <= index < len(keys):
                    raise ValueError("an account that is not there")
                amount = int(balance["uiTokenAmount"]["amount"])
                if not 0 <= amount <= MAX_UNITS:
                    raise ValueError("an amount that no token has")
                purse.add(index)
                by_mint[balance["mint"]] += sign * amount
    # What is wrapped lies as lamports in its account, and is counted there.
    by_mint[WSOL] = sum(after[i] - before[i] for i in purse)
    if keys[0] == wallet:
        by_mint[WSOL] += meta["fee"]
    return {mint: by for mint, by in by_mint.items() if by != 0}
