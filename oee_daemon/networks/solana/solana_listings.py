"""New tokens of a Solana network: each look reads the mint and its pools of one slot, from every endpoint.

A pool counts that is at the address which follows from the mints, the program and a configuration, and whose
account that program owns: nobody can put another one there. No API is asked. Endpoints that tell different
things of a mint tell nothing, of its supply and its pools the worst counts; one that is behind tells nothing,
and what none tells is none.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from oee_daemon.errors import ChainUnavailable, OeeError
from oee_daemon.networks.holdings import Directory
from oee_daemon.networks.network_listings import NewPool, NewToken, Upcoming
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.solana_endpoint_ages import EndpointAges
from oee_daemon.networks.solana.solana_endpoint_look import GENESIS, must_be_of
from oee_daemon.networks.solana.solana_epochs import CLOCK
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.networks.solana.solana_launch_finder import LaunchFinder
from oee_daemon.networks.solana.solana_mint_account import Mint
from oee_daemon.networks.solana.solana_mint_reader import (
    Genesis,
    data_of,
    facts_of,
    is_address,
    metadata_at,
    mint_of,
    named_by,
)
from oee_daemon.networks.solana.solana_new_pools import PoolFacts, keys_of, read_new_pool
from oee_daemon.networks.solana.solana_pool_reader import GRACE_S
from oee_daemon.networks.solana.solana_token_shares import Shares, TokenShares
from oee_daemon.networks.solana.solana_unit_pricing import accounts_of
from oee_daemon.networks.solana.venues.cpmm_pool import addresses
from oee_daemon.networks.solana.venues.cpmm_venue import Configurations, CpmmVenue
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import Token

#: Slots over which it is seen whether a pool is being emptied, and looks at one that are remembered.
SEEN_SLOTS, _LOOKS = 2, 8
#: Mints whose looks are remembered.
_REMEMBERED = 256
#: Seconds for which the price of SOL counts.
USD_KEPT_S = 30.0

#: What comes back of a purchase, as `Listings.sold_back`.
Back = Callable[[QuoteRequest, Quote, float], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one endpoint shows, at a slot, which is at `unix` seconds of the chain's clock. `mint` none where
    there is none."""

    slot: int
    unix: int
    mint: Mint | None
    named: tuple[str | None, str | None]
    pools: Sequence[PoolFacts]


class SolanaListings:
    """Of one event loop. `program`: whose pools count; `tokens`: those whose worth is known; `tells`: whether
    the chain says which tokens come next, as only a chain of this machine does."""

    def __init__(
        self,
        rpc: Pool,
        *,
        genesis: Genesis,
        program: str,
        tokens: Sequence[Token],
        directory: Directory | None,
        back: Back,
        pace_s: float,
        max_age_s: float,
        fastest_slot_s: float,
        tells: bool,
        configurations: Configurations | None = None,
    ) -> None:
        self._rpc = rpc
        self._genesis = genesis
        self._program = program
        self._tokens = {token.mint: token for token in tokens}
        self._directory = directory
        self._back = back
        self._max_age_s = max_age_s
        self._ages = EndpointAges(fastest_slot_s, max_age_s)
        self._shares = TokenShares(rpc)
        self._configurations = configurations or Configurations()
        self._finder = LaunchFinder(rpc, program, self._configurations, pace_s)
        self._tells = tells
        self.pace_s = pace_s
        #: By pool, what it held at the last slots.
        self._held: dict[str, list[tuple[int, int]]] = {}
        self._sol: tuple[float, Decimal | None] = (0.0, None)

    async def look(self, mint: str, against: str, deadline_s: float, *, urgent: bool) -> NewToken | None:
        if not is_address(mint):
            return None
        seen = await self._furthest(mint, against, deadline_s, urgent=urgent)
        if seen.mint is None:
            return None
        # What one endpoint made up, or hides, keeps nobody from a pool that all of them show.
        pool = max(seen.pools, key=lambda one: (one.shown_by_all, one.held), default=None)
        new = elsewhere = None
        if pool is None:
            elsewhere = await self._finder.market(mint, deadline_s, urgent=urgent)
        else:
            shares = await self._shares.of(mint, seen.mint.supply, pool, deadline_s, urgent=urgent)
            new = await self._pool(pool, seen, against, shares, deadline_s)
        return NewToken(
            facts=facts_of(mint, seen.mint, seen.named),
            fee_bps=seen.mint.worst_fee.bps,
            fee_can_change=seen.mint.fee_authority is not None,
            can_be_closed=seen.mint.close_authority is not None,
            pool=new,
            elsewhere=elsewhere,
        )

    async def _furthest(self, mint: str, against: str, deadline_s: float, *, urgent: bool) -> _Seen:
        """Raises `ChainUnavailable` where no endpoint is fresh, or two of them contradict each other."""
        genesis = await self._genesis()
        places = [addresses(self._program, index, against, mint) for index in self._configurations.of(mint)]
        pools = [key for at in places for key in keys_of(at)]
        asked = list(dict.fromkeys([mint, metadata_at(mint), CLOCK, *pools]))
        options = {"encoding": "base64", "commitment": "confirmed"}
        calls: list[Call] = [GENESIS, ("getMultipleAccounts", [asked, options])]
        asked_at = time.monotonic()
        heard = await self._rpc.each(calls, deadline_s, grace_s=GRACE_S, urgent=urgent)
        seen: dict[str, _Seen] = {}
        for name, results in heard.items():
            try:
                must_be_of(genesis, results[0])
                rows = dict(zip(asked, accounts_of(results[1], len(asked)), strict=True))
                seen[name] = _Seen(
                    _slot(results[1]),
                    _unix_of(rows[CLOCK]),
                    mint_of(rows[mint]),
                    named_by(rows[metadata_at(mint)]),
                    [found for at in places if (found := read_new_pool(at, against, rows)) is not None],
                )
            except NoAnswer:
                continue
        ages = self._ages.of({name: one.slot for name, one in seen.items()}, asked_at)
        fresh = sorted((seen[name] for name, age_s in ages.items() if age_s <= self._max_age_s), key=_by_slot)
        if not fresh:
            raise ChainUnavailable("No RPC endpoint shows the token as it is now: all are silent or behind.")
        if len({_lasting_facts(one) for one in fresh if one.mint is not None}) > 1:
            raise ChainUnavailable(f"RPC endpoints tell different things of {mint}.")
        known = [one for one in fresh if one.mint is not None]
        # Nobody has heard of it yet.
        return _worst_of(known, fresh) if known else fresh[0]

    async def _pool(
        self, pool: PoolFacts, seen: _Seen, against: str, shares: Shares, deadline_s: float
    ) -> NewPool:
        usd = await self._usd(against, deadline_s)
        before = self._before(str(pool.at.pool), seen.slot, pool.held_at_most)
        late_s = None if pool.opens_at is None else seen.unix - pool.opens_at
        unsaid = dict(shares.unsaid) if usd is not None else {**shares.unsaid, "thin": _NO_WORTH}
        if not pool.shown_by_all:
            unsaid |= {"thin": _NOT_ALL, "lp": _NOT_ALL}
        return NewPool(
            venue=CpmmVenue.name,
            route=pool.at.route,
            slot=seen.slot,
            # Raydium's program opens no pool before the second after it was made.
            age_s=float(max(0, late_s or 0)),
            opens_in_s=None if late_s is None else float(max(0, -late_s)),
            reserve_usd=self._worth(pool.held, against, usd) if pool.shown_by_all else None,
            reserve_before_usd=None if before is None else self._worth(before, against, usd),
            locked_bps=shares.locked_bps if pool.shown_by_all else None,
            holders_bps=shares.holders_bps,
            unsaid=unsaid,
        )

    def _before(self, pool: str, slot: int, held: int) -> int | None:
        """What it held at most two slots ago, or as long before as anybody looked. It remembers this look."""
        if len(self._held) >= _REMEMBERED:
            self._held.pop(next(iter(self._held)))
        looks = self._held.setdefault(pool, [])
        before = next((told for at, told in reversed(looks) if at <= slot - SEEN_SLOTS), None)
        if not looks or looks[-1][0] < slot:
            looks.append((slot, held))
        del looks[:-_LOOKS]
        return before

    def _worth(self, held: int, against: str, usd: Decimal | None) -> Decimal | None:
        return None if usd is None else self._tokens[against].amount(held) * usd

    async def _usd(self, against: str, deadline_s: float) -> Decimal | None:
        """US dollars for one of what is paid with: of dollars and SOL alone."""
        token = self._tokens.get(against)
        if token is None:
            return None
        if token.stable:
            return Decimal(1)
        if against != WSOL or self._directory is None:
            return None
        until, known = self._sol
        if time.monotonic() < until:
            return known
        try:
            told = await self._directory.usd([WSOL], deadline_s)
        except OeeError:
            return None
        self._sol = time.monotonic() + USD_KEPT_S, told.get(WSOL)
        return self._sol[1]

    async def sold_back(self, request: QuoteRequest, quote: Quote, deadline_s: float) -> int | None:
        return await self._back(request, quote, deadline_s) if quote.venue == CpmmVenue.name else None

    async def upcoming(self, limit: int) -> Sequence[Upcoming] | None:
        if not self._tells:
            return None
        told = await self._rpc.any([("localnetListings", [])], _upcoming, 2.0, urgent=False)
        return told[:limit]


_NO_WORTH = "nobody says what the token is worth in US dollars that the pool takes"
_NOT_ALL = "not every RPC endpoint shows that pool"


def _unix_of(row: Any) -> int:
    """What the chain's clock says, behind its slot, two epochs and the time of the first."""
    data = b"" if row is None else data_of(row)
    if len(data) < 40:
        raise NoAnswer("no clock")
    return int.from_bytes(data[32:40], "little", signed=True)


def _slot(said: Any) -> int:
    slot = said["context"].get("slot") if isinstance(said.get("context"), dict) else None
    if type(slot) is not int:
        raise NoAnswer("no slot")
    return slot


def _by_slot(seen: _Seen) -> int:
    """The furthest first."""
    return -seen.slot


def _worst_of(known: Sequence[_Seen], fresh: Sequence[_Seen]) -> _Seen:
    """What speaks most against buying, of what `known` show of the mint, and `fresh` of its pools."""
    furthest = known[0].mint
    assert furthest is not None
    pools = {str(pool.at.pool): pool for one in fresh for pool in one.pools}
    return replace(
        known[0],
        # Of a larger supply ten wallets would have a smaller part.
        mint=replace(furthest, supply=min(one.mint.supply for one in known if one.mint is not None)),
        # Whoever tells a later one opens a pool before its time, or hides what left it since.
        slot=min(one.slot for one in known),
        unix=min(one.unix for one in known),
        pools=[_at_worst(pool, fresh) for pool in pools.values()],
    )


def _at_worst(pool: PoolFacts, seen: Sequence[_Seen]) -> PoolFacts:
    """The least that any endpoint says is in it and can't be taken out, and the latest that it opens."""
    told = [one for each in seen for one in each.pools if one.at == pool.at]
    least = min(told, key=lambda one: Fraction(one.shares - one.shares_left, one.shares or 1))
    opens = [one.opens_at for one in told if one.opens_at is not None]
    return replace(
        pool,
        held=min(one.held for one in told),
        # Of what it held before, this tells that it is being emptied.
        held_at_most=max(one.held for one in told),
        shares=least.shares,
        shares_left=least.shares_left,
        opens_at=max(opens) if len(opens) == len(told) else None,
        shown_by_all=len(told) == len(seen),
    )


def _lasting_facts(seen: _Seen) -> object:
    """What of a mint does not change from slot to slot, but by its maker's will."""
    mint = seen.mint
    assert mint is not None
    return (
        mint.program, mint.decimals, mint.mint_authority, mint.freeze_authority, mint.extensions, mint.fees,
        mint.fee_authority, mint.close_authority, mint.hook, mint.symbol, mint.name, seen.named,
    )  # fmt: skip


def _upcoming(results: list[Result]) -> list[Upcoming]:
    rows = results[0]
    if isinstance(rows, RpcError) or not isinstance(rows, list):
        raise NoAnswer("it does not tell which tokens come")
    try:
        return [Upcoming(mint=row["mint"], symbol=row["symbol"], in_s=row["inMs"] / 1000) for row in rows]
    except (KeyError, TypeError):
        raise NoAnswer("tokens of another shape") from None
