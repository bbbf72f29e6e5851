"""A network of play money never trades on a chain of real money, whatever endpoint a setting names."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from oee_daemon import settings as settings_page
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.network_opening import open_network
from oee_daemon.networks.solana.solana_profile import MAINNET
from tests.networks.solana.server import rpc, serving


def test_localnet_does_not_trade_by_an_endpoint_of_mainnet(tmp_path: Path) -> None:
    """Nobody has confirmed that real money is meant."""

    async def run() -> None:
        blockhash = {"blockhash": "1" * 32, "lastValidBlockHeight": 588}
        node = rpc(
            {
                "getGenesisHash": lambda _: MAINNET.genesis,
                "getLatestBlockhash": lambda _: {"context": {"slot": 460}, "value": blockhash},
                "getEpochInfo": lambda _: {"absoluteSlot": 460, "blockHeight": 438},
            }
        )
        async with serving(node) as (address, _):
            given = {"OEE_HOME": str(tmp_path), "OEE_NETWORK": "localnet", "OEE_RPC_URLS": address}
            network = open_network(settings_page.load(given, tmp_path / "none"), "postgresql://nobody/x")
            try:
                with pytest.raises(ChainUnavailable, match="of mainnet"):
                    await network.chain.anchor(2.0)
            finally:
                await network.close()

    asyncio.run(run())
