"""What is made of what endpoints answer about a new token: their age, its pools and holders, its launch."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.localnet import localnet_json
from oee_daemon.networks.solana.solana_endpoint_ages import EndpointAges
from oee_daemon.networks.solana.solana_launch_bytes import openings
from oee_daemon.networks.solana.solana_listings import _at_worst
from oee_daemon.networks.solana.solana_new_pools import PoolFacts
from oee_daemon.networks.solana.solana_programs import AMM_V4, CLMM, CPMM, DAMM_V2, TOKEN, WHIRLPOOL
from oee_daemon.networks.solana.solana_token_shares import LOCKERS, TokenShares
from oee_daemon.networks.solana.venues.cpmm_pool import Addresses, Pool, addresses
from oee_daemon.networks.solana.venues.cpmm_venue import CpmmVenue
from oee_daemon.orders.swap import QuoteRequest
from oee_daemon.orders.tokens import TOKENS
from tests.networks.localnet.conftest import USDC


@pytest.mark.parametrize(
    ("heard", "old"),
    [
        # One alone: as of its own slots.
        ([(0, {"a": 100}), (9, {"a": 100})], {"a": 9.0}),
        ([(0, {"a": 100}), (1, {"a": 900})], {}),
        # Of two no one is behind by the other's word; by its own slot, which stands still, it is.
        ([(0, {"a": 100, "b": 900})], {"a": 0.0, "b": 0.0}),
        ([(0, {"a": 100, "b": 100}), (20, {"a": 100, "b": 150})], {"a": 20.0, "b": 0.0}),
        # By two that are ahead the third one is.
        ([(0, {"a": 100, "b": 150, "c": 9000})], {"a": 20.0, "b": 0.0, "c": 0.0}),
        # So long as they were heard of lately.
        ([(0, {"b": 150, "c": 151}), (5, {"a": 100})], {"a": 20.0}),
        ([(0, {"b": 150, "c": 151}), (16, {"a": 100})], {"a": 0.0}),
    ],
)
def test_how_old_an_endpoint_is(heard: list[tuple[float, dict[str, int]]], old: dict[str, float]) -> None:
    ages = EndpointAges(fastest_s=0.1, kept_s=15.0)
    found = [ages.of(slots, at) for at, slots in heard][-1]
    assert found == pytest.approx(old)


def test_only_the_pool_that_is_asked_for_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thin one of a later configuration has the better price."""

    async def held(_self: CpmmVenue, _asked: QuoteRequest, indexes: Any, _s: float) -> list[tuple[int, Pool]]:
        return [(n, Pool(10**12 // 10**n, 2**n * 10**12 // 10**n, 2500, (TOKEN, TOKEN))) for n in indexes]

    monkeypatch.setattr(CpmmVenue, "_pools", held)
    nobody: Any = None
    venue = CpmmVenue(nobody, nobody)
    best = QuoteRequest(
        input_token=TOKENS["USDC"], output_token=TOKENS["BONK"], amount=10**6, mode=SwapMode.EXACT_IN
    )
    asked = {route: replace(best, route=route) for route in (b"", POOL.route, OTHER.route)}
    found = {route: asyncio.run(venue.quote(one, 1.0)) for route, one in asked.items()}
    assert found[b""].route not in (POOL.route, OTHER.route)
    assert (found[POOL.route].route, found[OTHER.route].route) == (POOL.route, OTHER.route)


POOL, OTHER = (addresses(CPMM, n, USDC, TOKENS["BONK"].mint) for n in range(2))


def facts(at: Addresses = POOL, **told: int | None) -> PoolFacts:
    said: dict[str, Any] = {"held": 100, "shares": 1000, "shares_left": 900, "opens_at": 50} | told
    return PoolFacts(at=at, shares_mint=str(Keypair().pubkey()), **said)


def test_of_what_endpoints_tell_of_a_pool_the_worst_counts() -> None:
    """The one that is furthest on may lie: that it is deep, that nobody can take it out, that it is open."""
    liar, other = (
        facts(held=10**9, shares_left=0, opens_at=1),
        facts(at=OTHER, held=1),
    )
    seen: Any = [SimpleNamespace(pools=[liar]), SimpleNamespace(pools=[other, facts()])]
    found = _at_worst(liar, seen)
    assert (found.held, found.shares, found.shares_left, found.opens_at) == (100, 1000, 900, 50)
    shut: Any = [*seen, SimpleNamespace(pools=[facts(opens_at=None)]), SimpleNamespace(pools=[])]
    assert _at_worst(liar, shut).opens_at is None
    # What it held before counts at its most: what is gone since is seen.
    assert (found.held_at_most, found.shown_by_all) == (10**9, True)
    assert not _at_worst(liar, shut).shown_by_all and not _at_worst(other, seen).shown_by_all


@pytest.mark.parametrize("lies", [0, 1])
def test_of_who_holds_what_two_endpoints_tell_the_worse_counts(lies: int) -> None:
    locker, maker = (Pubkey.from_string(next(iter(LOCKERS))), Keypair().pubkey())
    pool = facts(shares_left=1000)

    class Told:
        """One says that what the maker holds is locked away."""

        async def two(self, calls: Any, read: Any, _deadline_s: float, *, urgent: bool) -> Any:
            method, (asked, _) = calls[0]
            if method == "getTokenLargestAccounts":
                self.mint = Pubkey.from_string(asked)
                return [read([{"value": [{"address": str(maker)}]}]) for _ in range(2)]
            return [read([{"value": [self.row(n == lies)]}]) for n in range(2)]

        def row(self, lie: bool) -> Any:
            data = bytes(self.mint) + bytes(locker if lie else maker) + (1000).to_bytes(8, "little")
            return {"owner": TOKEN, "data": [base64.b64encode(data).decode(), "base64"]}

    told: Any = Told()
    shares = asyncio.run(TokenShares(told).of(TOKENS["BONK"].mint, 1000, pool, 1.0, urgent=False))
    assert (shares.holders_bps, shares.locked_bps) == (10_000, 0)


def test_both_lists_of_holders_are_asked_for_at_once() -> None:
    """One after another they took longer than a look may, where one endpoint of two hangs."""
    mint, pool = TOKENS["BONK"].mint, facts()
    asked: list[str] = []
    both = asyncio.Event()

    class Told:
        async def two(self, calls: Any, read: Any, _deadline_s: float, *, urgent: bool) -> Any:
            asked.append(calls[0][1][0])
            if len(asked) == 1:
                await both.wait()
            both.set()
            raise ChainUnavailable("No RPC endpoint answers.")

    async def run() -> Any:
        told: Any = Told()
        async with asyncio.timeout(5.0):
            return await TokenShares(told).of(mint, 1000, pool, 1.0, urgent=False)

    assert asyncio.run(run()).unsaid.keys() == {"holders", "lp"}
    assert asked == [mint, pool.shares_mint]


CPMM_TAG = "afaf6d1f0d989bed"


@pytest.mark.parametrize(
    ("program", "data", "err", "inner", "market"),
    [
        (CPMM, CPMM_TAG, None, False, "Raydium CPMM"),
        (CPMM, CPMM_TAG, None, True, "Raydium CPMM"),
        # The same bytes are another program's, or of a swap, or of what failed.
        (WHIRLPOOL, "5fb40aac54aee828", None, False, None),
        (DAMM_V2, "5fb40aac54aee828", None, False, "Meteora DAMM v2"),
        (CLMM, "e992d18ecf6840bc", None, True, "Raydium CLMM"),
        (AMM_V4, "01", None, False, "Raydium AMM v4"),
        (AMM_V4, "09", None, False, None),
        (CPMM, "8fbe5adac41e33de", None, False, None),
        (CPMM, CPMM_TAG, {"InstructionError": [0, {"Custom": 1}]}, False, None),
    ],
)
def test_a_launch_is_known_by_program_and_first_bytes(
    program: str, data: str, err: Any, inner: bool, market: str | None
) -> None:
    text = localnet_json.base58(bytes.fromhex(data) + b"\x07" * 9)
    step = {"programIdIndex": 1, "accounts": [0, 2], "data": text}
    said = {
        "meta": {"err": err, "innerInstructions": [{"index": 0, "instructions": [step]}] if inner else []},
        "transaction": {
            "message": {"accountKeys": [USDC, program, "mint"], "instructions": [] if inner else [step]}
        },
    }
    found = openings(said)
    assert [one.market for one in found] == ([market] if market else [])
    assert all(one.accounts == (USDC, "mint") for one in found)
