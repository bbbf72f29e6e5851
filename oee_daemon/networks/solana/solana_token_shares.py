"""Who holds a new token, and who could take its pool's liquidity out: by the largest accounts of both mints.

An RPC tells twenty accounts of a mint (https://solana.com/docs/rpc/http/gettokenlargestaccounts), and not
every one does. What none tells is none here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solders.pubkey import Pubkey

from oee_daemon.contract.ranking import BPS
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.solana_mint_reader import data_of
from oee_daemon.networks.solana.solana_new_pools import PoolFacts
from oee_daemon.networks.solana.solana_unit_pricing import accounts_of

#: Wallets that are counted together.
_WALLETS = 10
#: Seconds for which an answer holds: shares are locked a minute or two after a pool opens, and wallets move.
KEPT_S = 8.0
#: Part of what a pool holds by which it may have changed since.
MOVED = 20
#: Accounts that an RPC tells at most: of two, both fit into one question.
_TOLD = 50
#: Mints that are remembered.
_REMEMBERED = 256
#: From where nobody gets anything back: https://github.com/solana-foundation/explorer, `programs.ts`.
_INCINERATOR = "1nc1nerator11111111111111111111111111111111"
#: Who keeps shares of a pool for good, or until a time: https://github.com/raydium-io/raydium-sdk-V2,
#: src/common/programId.ts, `LOCK_CPMM_AUTH`.
LOCKERS = frozenset({"3f7GcQFG397GAaEnv51zR6tsTVihYRydnydDD1cXekxH"})
_NOBODYS = LOCKERS | {_INCINERATOR}
_SEEN = {"commitment": "confirmed"}


@dataclass(frozen=True, slots=True)
class Shares:
    """Basis points: of the supply that ten wallets hold, of the liquidity that nobody can take out; none
    where nobody tells. `unsaid`: why, by the check that asks for it."""

    holders_bps: int | None
    locked_bps: int | None
    unsaid: Mapping[str, str]


class TokenShares:
    """Asks through `rpc`, of one event loop."""

    def __init__(self, rpc: Pool) -> None:
        self._rpc = rpc
        #: Until when it holds, and what the pool held then: liquidity that came was somebody's before.
        self._known: dict[tuple[str, str], tuple[float, int, Shares]] = {}

    async def of(self, mint: str, supply: int, pool: PoolFacts, deadline_s: float, *, urgent: bool) -> Shares:
        name = mint, str(pool.at.pool)
        if name in self._known:
            until, held, found = self._known[name]
            if time.monotonic() < until and abs(pool.held - held) * MOVED <= held:
                return found
        found = await self._ask(mint, supply, pool, deadline_s, urgent)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[name] = time.monotonic() + KEPT_S, pool.held, found
        return found

    async def _ask(self, mint: str, supply: int, pool: PoolFacts, deadline_s: float, urgent: bool) -> Shares:
        unsaid: dict[str, str] = {}
        # Its vaults alone: who owns them owns those of all other pools, out of which somebody may take it.
        vaults = frozenset(map(str, pool.at.vaults))
        burnt, locked = pool.shares - pool.shares_left, None
        # Both at once: one after another took longer than a look may, where one endpoint of two hangs.
        asked = [self._by_owner(mint, "holders", unsaid, deadline_s, urgent, vaults)]
        if burnt >= 0 and pool.shares:
            # What is burnt the pool itself tells.
            locked = burnt * BPS // pool.shares
            if locked < BPS and pool.shares_left:
                asked.append(self._by_owner(pool.shares_mint, "lp", unsaid, deadline_s, urgent))
        held, *rest = await asyncio.gather(*asked)
        for kept in rest:
            ours = [sum(each.get(owner, 0) for owner in _NOBODYS) for each in kept]
            locked = min(BPS, (burnt + min(ours)) * BPS // pool.shares) if ours else None
        if not held or not supply:
            return Shares(None, locked, unsaid)
        most = max(_largest({who: n for who, n in each.items() if who not in _NOBODYS}) for each in held)
        return Shares(-(-most * BPS // supply), locked, unsaid)

    async def _by_owner(
        self,
        mint: str,
        check: str,
        unsaid: dict[str, str],
        deadline_s: float,
        urgent: bool,
        without: frozenset[str] = frozenset(),
    ) -> Sequence[Mapping[str, int]]:
        """What each wallet holds, of the largest accounts but those, as two endpoints tell it where there
        are."""
        largest: Call = ("getTokenLargestAccounts", [mint, _SEEN])
        try:
            listed = await self._rpc.two([largest], _addresses, deadline_s, urgent=urgent)
            keys = list(dict.fromkeys(key for each in listed for key in each))
            read: Call = ("getMultipleAccounts", [keys, {"encoding": "base64", **_SEEN}])
            return await self._rpc.two(
                [read], lambda said: _sums(mint, said, keys, without), deadline_s, urgent=urgent
            )
        except ChainUnavailable as e:
            unsaid[check] = f"no RPC endpoint tells who holds {mint}: {e.message}"
            return ()


def _largest(held: Mapping[str, int]) -> int:
    return sum(n for _, n in Counter(held).most_common(_WALLETS))


def _addresses(results: list[Result]) -> list[str]:
    said = results[0]
    if isinstance(said, RpcError):
        # One that keeps no list of a mint's accounts: another may.
        raise NoAnswer(f"it refuses getTokenLargestAccounts, error {said.code}")
    rows = said.get("value") if isinstance(said, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise NoAnswer("no largest accounts")
    try:
        return [str(Pubkey.from_string(row["address"])) for row in rows[:_TOLD]]
    except (KeyError, ValueError, TypeError):
        raise NoAnswer("largest accounts of another shape") from None


def _sums(
    mint: str, results: list[Result], keys: Sequence[str], without: frozenset[str]
) -> Mapping[str, int]:
    held: Counter[str] = Counter()
    for key, row in zip(keys, accounts_of(results[0], len(keys)), strict=True):
        owner, amount = _read_owner(mint, row)
        held[owner] += 0 if key in without else amount
    return held


def _read_owner(mint: str, row: Any) -> tuple[str, int]:
    data = b"" if row is None else data_of(row)
    if row is None:
        # It was closed in between.
        return "", 0
    if len(data) < 72 or str(Pubkey(data[:32])) != mint:
        raise NoAnswer("an account of another token")
    return str(Pubkey(data[32:64])), int.from_bytes(data[64:72], "little")
