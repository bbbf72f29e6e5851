"""The conformance suites over Solana's chain and each of its venues, on localnet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from oee_daemon.networks.conformance import chain_suite as chains
from oee_daemon.networks.conformance import venue_suite as venues
from oee_daemon.networks.solana.solana_profile import LOCALNET
from tests.networks.localnet.conftest import Localnet, make, net
from tests.networks.solana.held_rigs import ChainRig, VenueRig

__all__ = ["make", "net"]  # fixtures

R = TypeVar("R")
Check = Callable[[R], Coroutine[Any, Any, None]]

#: As somebody may have set them up: one endpoint, and one beside another that lags.
NODES: dict[str, Sequence[str]] = {"one": ("",), "one that lags beside it": ("", "behind")}


@pytest.mark.parametrize("nodes", NODES.values(), ids=NODES)
@pytest.mark.parametrize("check", chains.CHECKS, ids=lambda check: check.__name__)
def test_the_chain_conforms(check: Check[chains.Rig], nodes: Sequence[str], net: Localnet) -> None:
    net.order("nodes", name="behind", lag=8)
    asyncio.run(check(ChainRig(net, nodes)))


@pytest.mark.parametrize("name", LOCALNET.venues)
@pytest.mark.parametrize("check", venues.CHECKS, ids=lambda check: check.__name__)
def test_the_venues_conform(check: Check[venues.Rig], name: str, net: Localnet) -> None:
    asyncio.run(check(VenueRig(net, name)))
