"""Who watches a price goes on being told, whatever the source of prices does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from oee_daemon.api import api_price_stream
from oee_daemon.api.api_price_stream import PriceWatch
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.prices import Price, Watched
from oee_daemon.orders.tokens import TOKENS

SOL, USDC = TOKENS["SOL"], TOKENS["USDC"]
PAIR = Watched(f"{SOL.mint}/{USDC.mint}", SOL, USDC)


class Source:
    """Breaks, then hangs, then has nothing to tell: it promises to raise nothing, and to answer."""

    name, cadence_s, max_age_s = "source", 0.0, 0.02

    def __init__(self) -> None:
        self.asked = 0

    async def prices(self, _pairs: Sequence[Watched]) -> Mapping[str, Price]:
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("the database is away")
        if self.asked == 2:
            await asyncio.Event().wait()
        return {}


def test_a_source_that_breaks_or_hangs_leaves_nobody_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task that looks ended with the fault, and every stream stayed silent until another one began."""
    monkeypatch.setattr(api_price_stream, "LOOK_S", 0.001)
    source = Source()
    network = SimpleNamespace(prices=source, tokens=TokenBook("simulated", TOKENS.values()))
    watch = PriceWatch(cast(Any, network), cast(Any, SimpleNamespace(prices=lambda _: {})))

    async def three() -> list[str]:
        async with asyncio.timeout(10), watch.follow(PAIR) as looks:
            return [(await anext(looks))["state"] for _ in range(3)]

    assert asyncio.run(three()) == ["blind"] * 3
    assert source.asked == 3
