"""What a route says of accounts that it makes at the trader's cost: the first swap pays their rent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.orders.swap import Quote
from tests.networks.solana import crafted
from tests.networks.solana.crafted import SOL, WALLET, ata
from tests.networks.solana.jupiter_stand import shown, worded
from tests.networks.solana.thefts import USDC

PLAN = crafted.order(venue="jupiter")
#: https://github.com/pump-fun/pump-public-docs: its curves, and its pools.
PUMPS = ["6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P", "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA"]


def kept(program: str, trader: Pubkey = WALLET) -> Pubkey:
    seeds = [b"user_volume_accumulator", bytes(trader)]
    return Pubkey.find_program_address(seeds, Pubkey.from_string(program))[0]


class Building(Site):
    """Jupiter, whose swap names those accounts beside the usual ones."""

    def __init__(self, *named: Pubkey, setup: Sequence[Instruction] = ()) -> None:
        swap = shown(crafted.route(1_000_000, 1_000_000, 100, ata(SOL), ata(USDC), name="route_v2"))
        swap["accounts"] += [{"pubkey": str(key), "isSigner": False, "isWritable": True} for key in named]
        self._said: dict[str, Any] = {
            "inputMint": str(SOL), "outputMint": str(USDC), "inAmount": "1000000", "outAmount": "1000000",
            "otherAmountThreshold": "900000", "setupInstructions": [*map(shown, setup)],
            "swapInstruction": swap,
        }  # fmt: skip

    async def get(self, path: str, query: Mapping[str, str]) -> Reply:
        assert path == "/swap/v2/build"
        return Reply(200, {}, worded(self._said))


def quoted(*named: Pubkey, setup: Sequence[Instruction] = ()) -> Quote:
    async def run() -> Quote:
        pricing = Pricing(open_pool(["http://127.0.0.1:1"], 1000.0, 1000), fee_cap=100_000)
        venue = JupiterVenue(
            "jupiter", Api("jupiter", Building(*named, setup=setup), Bucket(1e6, 10**6)), pricing, str(WALLET)
        )
        return await venue.quote(replace(PLAN.request, slippage_bps=1_000), 1.0)

    return asyncio.run(run())


def test_an_account_of_a_token_on_the_way_is_named_too() -> None:
    """Its rent stays the wallet's, and has to be there all the same."""
    way = [Pubkey(bytes([n]) * 32) for n in (100, 101)]
    setup = [*map(crafted.make_ata, (*way, USDC, SOL)), *crafted.wrap(1_000_000)]
    toll = quoted(kept(PUMPS[1]), *map(ata, way), setup=setup).toll
    assert toll is not None and toll.opens == (str(kept(PUMPS[1])), *(str(ata(mint)) for mint in way))


@pytest.mark.parametrize(
    ("named", "opens"),
    [
        ([], []),
        ([kept(PUMPS[0])], [kept(PUMPS[0])]),
        ([kept(PUMPS[1]), USDC], [kept(PUMPS[1])]),
        ([kept(PUMPS[1]), kept(PUMPS[0]), kept(PUMPS[1])], [kept(PUMPS[1]), kept(PUMPS[0])]),
        # Of another trader: what others are charged for is not counted, and the guard does not let it pass.
        ([kept(PUMPS[1], USDC)], []),
    ],
)
def test_a_route_by_a_program_that_keeps_an_account_of_its_traders_names_it(
    named: list[Pubkey], opens: list[Pubkey]
) -> None:
    toll = quoted(*named).toll
    assert toll is not None and toll.opens == tuple(map(str, opens))
