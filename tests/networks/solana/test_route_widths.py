"""A route that no transaction can hold is asked for with fewer accounts, and never chosen as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from solders.message import from_bytes_versioned
from solders.pubkey import Pubkey

from oee_daemon.errors import SwapTooLong
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues import venue_route_widths
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.solana.venues.venue_route_widths import Widths
from tests.networks.solana import crafted
from tests.networks.solana.crafted import SOL, WALLET, ata
from tests.networks.solana.jupiter_stand import ANCHOR, HELD, node, planned, quoted, shown, steps, worded
from tests.networks.solana.server import serving
from tests.networks.solana.thefts import USDC

PLAN = crafted.order(venue="jupiter")
REQUEST = replace(PLAN.request, slippage_bps=1_000)
#: Accounts of a route that has to be this much narrower before a transaction holds it.
FITS = 44


def through(accounts: int, amount: int, name: str) -> dict[str, Any]:
    """A swap that names so many accounts of others."""
    others = [crafted.meta(Pubkey(bytes([n]) * 32), "w") for n in range(60, 60 + accounts)]
    swap = crafted.route(1_000_000, amount, 999, ata(SOL), ata(USDC), name=name)
    return shown(type(swap)(swap.program_id, swap.data, [*swap.accounts, *others]))


@dataclass
class Wide(Site):
    """Its best route is as wide as it may be; `fits`: the accounts up to which it is short enough."""

    fits: int = FITS
    asked: list[int] = field(default_factory=list)

    async def get(self, path: str, query: Mapping[str, str]) -> Reply:
        most = int(query.get("maxAccounts", 64))
        self.asked.append(most)
        if path == "/swap/v1/quote":
            return Reply(200, {}, worded(quoted(bps=int(query["slippageBps"]))))
        swap = through(40 if most > self.fits else 3, 1_000_000 + most, "route_v2")
        told = {
            "inputMint": str(SOL), "outputMint": str(USDC), "inAmount": "1000000",
            "outAmount": str(1_000_000 + most), "otherAmountThreshold": "901000",
        }  # fmt: skip
        return Reply(200, {}, worded(steps(swapInstruction=swap, **told)))

    async def post(self, path: str, body: bytes) -> Reply:
        wide = self.asked[-1] > self.fits if self.asked else True
        return Reply(
            200,
            {},
            worded(steps(swapInstruction=through(40 if wide else 3, 1_000_000, "exact_out_route_v2"))),
        )


def with_venue(wide: Wide, run: Callable[[JupiterVenue], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with serving(node(HELD)) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            api = Api("jupiter", wide, Bucket(1e6, 10**6))
            try:
                return await run(JupiterVenue("jupiter", api, Pricing(pool, fee_cap=100_000), str(WALLET)))
            finally:
                await pool.close()

    return asyncio.run(main())


def test_what_is_quoted_is_a_swap_that_fits() -> None:
    async def run(venue: JupiterVenue) -> None:
        quote = await venue.quote(REQUEST, 1.0)
        # The price of the widest route is nobody's.
        assert quote.amount_out == 1_000_000 + FITS and wide.asked == [64, 54, FITS]
        plan = replace(PLAN, quote=quote, bound=900_100)
        built = await venue.build(plan, ANCHOR, 5.0)
        assert len(built.message) + 65 <= 1232 and wide.asked == [64, 54, FITS]
        await venue.quote(replace(REQUEST, attempt=2), 1.0)
        assert wide.asked == [64, 54, FITS, FITS]
        other = replace(REQUEST, output_token=crafted.order("SOL", "BONK").request.output_token)
        assert venue._widths.of(other) is None

    with_venue(wide := Wide(), run)


def test_an_exact_output_that_is_too_long_is_quoted_anew_with_fewer_accounts() -> None:
    async def run(venue: JupiterVenue) -> None:
        built = await venue.build(planned(worded(quoted())), ANCHOR, 5.0)
        assert wide.asked == [54, FITS]
        assert len(from_bytes_versioned(built.message).account_keys) < 20

    with_venue(wide := Wide(), run)


def test_where_no_route_fits_there_is_no_quote() -> None:
    async def run(venue: JupiterVenue) -> None:
        with pytest.raises(SwapTooLong):
            await venue.quote(REQUEST, 1.0)
        assert wide.asked == [64, 54, 44, 34]

    with_venue(wide := Wide(fits=0), run)


def test_a_pair_is_asked_for_few_accounts_for_a_while_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Widths()
    assert (known.of(REQUEST), known.narrow(REQUEST), known.of(REQUEST)) == (None, True, 54)
    monkeypatch.setattr(venue_route_widths, "KEPT_S", -1.0)
    assert known.narrow(REQUEST) and known.of(REQUEST) is None
