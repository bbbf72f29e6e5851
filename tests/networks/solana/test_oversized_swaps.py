"""A venue whose swap is longer than a transaction may be fails the attempt: no panic escapes, and no
endpoint is blamed."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from solders.hash import Hash
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from oee_daemon.errors import VenueError
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_swap_stamp import message_of
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.orders.swap import Anchor
from tests.networks.solana import crafted
from tests.networks.solana.crafted import JUPITER, WALLET
from tests.networks.solana.server import Asked, Said, serving

PLAN = crafted.order(venue="jupiter")
ANCHOR = Anchor(str(Hash.default()), 1_000, 900, 850)


def step(accounts: list[str], data: bytes) -> dict[str, Any]:
    metas = [{"pubkey": key, "isSigner": False, "isWritable": True} for key in accounts]
    return {"programId": str(JUPITER), "accounts": metas, "data": base64.b64encode(data).decode()}


def built(setup: list[dict[str, Any]], swap: dict[str, Any]) -> dict[str, Any]:
    return {
        "inputMint": PLAN.request.input_token.mint, "outputMint": PLAN.request.output_token.mint,
        "inAmount": "1000000", "outAmount": "1000000", "otherAmountThreshold": "900000",
        "setupInstructions": setup, "swapInstruction": swap,
    }  # fmt: skip


HUGE: dict[str, Callable[[], dict[str, Any]]] = {
    "data": lambda: built([], step([], bytes(70_000))),
    "accounts": lambda: built([], step([str(WALLET)] * 20_000, b"")),
    "instructions": lambda: built([step([], b"")] * 10_000, step([], b"")),
    "keys": lambda: built([], step([str(Pubkey.from_bytes(bytes([n]) * 32)) for n in range(1, 60)], b"")),
}


@pytest.mark.parametrize("what", HUGE)
def test_instructions_that_no_transaction_can_hold_are_the_venue_s_fault(what: str) -> None:
    content, asked_rpc = HUGE[what](), 0

    def simulated(_: Asked) -> Said:
        nonlocal asked_rpc
        asked_rpc += 1
        return Said(status=413)

    async def run() -> None:
        async with serving(lambda _: Said(content)) as (jupiter, _), serving(simulated) as (node, _):
            pool = open_pool([node], 1000.0, 1000)
            api = Api("jupiter", Site(jupiter), Bucket(1000.0, 1000))
            venue = JupiterVenue("jupiter", api, Pricing(pool, fee_cap=100_000), str(WALLET))
            try:
                await venue.build(PLAN, ANCHOR, 5.0)
            finally:
                await api.close()
                await pool.close()

    with pytest.raises(VenueError, match="transaction"):
        asyncio.run(run())
    assert asked_rpc == 0


def test_a_transaction_that_is_too_long_is_not_stamped() -> None:
    """One instruction more than a message can count would be too many."""
    message = MessageV0.try_compile(WALLET, [crafted.memo()], [], Hash.default())
    one = message.instructions[0]
    many = MessageV0(message.header, message.account_keys, Hash.default(), [one] * 65_535, [])
    wire = bytes(VersionedTransaction.populate(many, [Signature.default()]))
    with pytest.raises(VenueError, match="longer than"):
        message_of(base64.b64encode(wire).decode())
