"""A localnet with tokens to come, and the source that looks at them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.engine import engine_token_safety
from oee_daemon.engine.engine_token_safety import Check, Verdict, waived
from oee_daemon.errors import VenueRefused
from oee_daemon.networks.network_listings import NewToken
from oee_daemon.networks.solana.solana_listings import SolanaListings
from oee_daemon.networks.solana.solana_programs import CPMM
from oee_daemon.networks.solana.solana_sell_back import SellBack
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.cpmm_venue import Configurations, CpmmVenue
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import TOKENS, Token
from tests.networks.localnet.conftest import USDC, Localnet
from tests.networks.solana.held import held, pool

SPENT, LEAST_USD, AFTER, END = 20 * 10**6, 10_000, 3, 330


@dataclass
class Stage:
    """A localnet with tokens to come, and the source that looks at them through some of its nodes."""

    net: Localnet
    nodes: tuple[str, ...] = ("",)
    reckons: bool = False
    max_age_s: float = 1e9
    fastest_slot_s: float = 1e-9

    def __post_init__(self) -> None:
        rpc = pool(self.net, *self.nodes)
        pricing = Pricing(rpc, fee_cap=100_000)
        found = Configurations()
        self.venue = CpmmVenue(rpc, pricing, unix_s=lambda: self.net.ms / 1000, configurations=found)
        genesis = self.net.rpc("getGenesisHash")

        async def told() -> str:
            return str(genesis)

        self.source = SolanaListings(
            rpc,
            genesis=told,
            program=CPMM,
            tokens=list(TOKENS.values()),
            directory=None,
            back=self.venue.sold_back
            if self.reckons
            else SellBack(rpc, pricing, CPMM, str(self.net.wallet.pubkey())).of,
            pace_s=0.0,
            max_age_s=self.max_age_s,
            fastest_slot_s=self.fastest_slot_s,
            tells=True,
            configurations=found,
        )

    def look(self, mint: str) -> NewToken | None:
        return asyncio.run(self.source.look(mint, USDC, 2.0, urgent=True))

    def checks(self, mint: str, *accepted: str) -> list[Check] | None:
        """All of them, as the engine asks for them; none where there is no pool."""
        seen = self.look(mint)
        assert seen is not None
        found = engine_token_safety.of_mint(seen, [*TOKENS.values()])
        if seen.pool is None:
            return None
        found = waived(found + engine_token_safety.of_pool(seen.pool, LEAST_USD), accepted)
        request = self.request(mint, seen.facts.decimals)
        # Nobody is asked for a price of what is not to be bought.
        if not bad(found) and (quote := self.quote(request)) is not None:
            back = asyncio.run(self.source.sold_back(request, quote, 2.0))
            traded = engine_token_safety.of_trade(quote, SPENT, back, None, seen.fee_bps or 0)
            found += waived(traded, accepted)
        return found

    def request(self, mint: str, decimals: int) -> QuoteRequest:
        return QuoteRequest(
            input_token=TOKENS["USDC"], output_token=Token(mint, mint, decimals), amount=SPENT,
            mode=SwapMode.EXACT_IN, number=7,
        )  # fmt: skip

    def quote(self, request: QuoteRequest) -> Quote | None:
        try:
            return asyncio.run(self.venue.quote(request, 2.0))
        except VenueRefused:
            return None

    def list(self, *traps: str | None) -> dict[str, str]:
        """Lists one of each; their mints by the name of the trap."""
        for trap in traps:
            self.net.order("listings", trap=trap, after=AFTER)
        self.net.rpc("getSlot")
        with sqlite3.connect(self.net.path) as db:
            rows = db.execute("SELECT trap, mint, n FROM listings").fetchall()
        db.close()
        return {trap or f"honest {n}": mint for trap, mint, n in rows}


@contextmanager
def staged(folder: Path, *nodes: str, reckons: bool = False) -> Iterator[Stage]:
    with held(folder, seed=3) as net:
        net.fund()
        yield Stage(net, nodes or ("",), reckons)


def bad(checks: list[Check]) -> set[str]:
    return {one.name for one in checks if one.verdict in (Verdict.REFUSED, Verdict.UNKNOWN)}


def names(checks: list[Check] | None, verdict: Verdict) -> set[str]:
    return {one.name for one in checks or [] if one.verdict is verdict}
