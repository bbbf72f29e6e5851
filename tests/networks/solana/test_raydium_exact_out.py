"""Raydium's exact outputs: a way on which less could arrive is refused when it is quoted, not when it is
built."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import VenueRefused
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.raydium_venue import RaydiumVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.orders.swap import Quote
from tests.networks.solana import crafted

#: As captured: a concentrated pool's hop says where its price was last, another's does not.
CONCENTRATED = {
    "poolId": "3nMFwZXwY1s1M5s8vYAHqd4wGs4iSxXE4LRoUMMYqEgF", "feeRate": 1, "feeAmount": "10000",
    "remainingAccounts": ["DDe2TojkajtXKYJEMKfjY3Xjdw1XhZqr8UEBNgrg512P"],
    "lastPoolPriceX64": "6841151606851928973",
}  # fmt: skip
PLAIN = {
    "poolId": "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2", "feeRate": 25, "feeAmount": "250000",
}  # fmt: skip


class Raydium(Site):
    def __init__(self, mode: SwapMode, hops: list[dict[str, Any]]) -> None:
        side = "Out" if mode is SwapMode.EXACT_OUT else "In"
        request = crafted.order().request
        self._data = {
            "swapType": f"Base{side}", "inputMint": request.input_token.mint, "inputAmount": "1000000",
            "outputMint": request.output_token.mint, "outputAmount": "1000000",
            "otherAmountThreshold": "1000000", "slippageBps": 0, "priceImpactPct": 0.17, "routePlan": hops,
        }  # fmt: skip

    async def get(self, path: str, query: Mapping[str, str]) -> Reply:
        told = {"id": "x", "success": True, "version": "V1", "data": self._data}
        return Reply(200, {}, json.dumps(told).encode())


def asked(mode: SwapMode, hops: list[dict[str, Any]]) -> Quote:
    async def run() -> Quote:
        pricing = Pricing(open_pool(["http://127.0.0.1:1"], 1000.0, 1000), fee_cap=1)
        venue = RaydiumVenue(Api("raydium", Raydium(mode, hops), Bucket(1e6, 10**6)), pricing)
        return await venue.quote(replace(crafted.order().request, mode=mode), 1.0)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("mode", "hops"),
    [
        (SwapMode.EXACT_IN, [CONCENTRATED, CONCENTRATED]), (SwapMode.EXACT_OUT, [CONCENTRATED]),
        (SwapMode.EXACT_OUT, [PLAIN]), (SwapMode.EXACT_OUT, [PLAIN, PLAIN]),
    ],
)  # fmt: skip
def test_a_way_without_a_price_limit_that_counts_is_quoted(
    mode: SwapMode, hops: list[dict[str, Any]]
) -> None:
    assert asked(mode, hops).price_impact_bps == 17


@pytest.mark.parametrize("hops", [[CONCENTRATED, PLAIN], [PLAIN, CONCENTRATED], [CONCENTRATED] * 2])
def test_an_exact_output_by_the_router_at_a_price_limit_is_not(hops: list[dict[str, Any]]) -> None:
    with pytest.raises(VenueRefused) as caught:
        asked(SwapMode.EXACT_OUT, hops)
    assert (caught.value.code, caught.value.retryable) == ("exact_out_unsupported", False)
