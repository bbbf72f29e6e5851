"""A directory lists strangers' tokens: what no screen, wire or database takes is replaced."""

from __future__ import annotations

import asyncio
import json

from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.venues.venue_api import Api
from tests.networks.solana.server import Said, serving


def test_half_a_character_and_impossible_decimals_fail_no_search() -> None:
    row = {"id": "M\0", "symbol": "US\ud83dDC", "name": "\udfff" * 100, "decimals": 10**400}
    body = json.dumps([row, {"id": "M", "symbol": "OK", "decimals": 6}]).encode()

    async def run() -> None:
        async with serving(lambda _: Said(body)) as (address, _):
            api = Api("jupiter", Site(address), Bucket(1000.0, 1000))
            odd, plain = await JupiterDirectory(api).search("x", 2.0)
            await api.close()
        assert (odd.symbol, odd.mint, odd.decimals) == ("US\ufffdDC", "M\ufffd", None)
        assert odd.name.encode() == ("\ufffd" * 60).encode()
        assert (plain.symbol, plain.mint, plain.decimals) == ("OK", "M", 6)

    asyncio.run(run())
