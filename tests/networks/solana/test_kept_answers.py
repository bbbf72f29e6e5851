"""What an order was quoted with is what its swap is built of: once, for a moment, and within its bound."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.engine.engine_quotes import bound_of
from oee_daemon.networks.solana.venues import venue_kept_answers
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Landed
from tests.networks.solana.local import localnet
from tests.networks.solana.trader import DEADLINE_S, Trader, request_of, trading

SLIPPAGE = 50


async def _asked(
    trader: Trader, venue: str, mode: SwapMode, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> list[int]:
    """How often the API was asked to build: after a quote, once more, for another bound, and too late."""
    order, counts = uuid4(), []
    monkeypatch.setattr(venue_kept_answers, "KEPT_S", 60.0)
    request = replace(request_of("SOL", "USDC", 10**7 + 7, mode), slippage_bps=SLIPPAGE)
    quote = await trader.venues[venue].quote(request, DEADLINE_S)
    bound = bound_of(quote, mode, SLIPPAGE)
    plan = Plan(order_id=order, request=request, quote=quote, bound=bound, payer=trader.local.wallet.address)
    wider = bound * 99 // 100 if mode is SwapMode.EXACT_IN else bound * 101 // 100
    for turn in ("quoted", "again", "another bound", "late"):
        if turn in ("another bound", "late"):
            monkeypatch.setattr(venue_kept_answers, "KEPT_S", 0.0 if turn == "late" else 60.0)
            await trader.venues[venue].quote(request, DEADLINE_S)
        told = replace(plan, bound=wider) if turn == "another bound" else plan
        asked.clear()
        anchor = await trader.chain.anchor(DEADLINE_S)
        unsigned = await trader.venues[venue].build(told, anchor, DEADLINE_S)
        counts.append(len(asked))
        await trader.guard.check(unsigned, told)
        if turn == "quoted":
            swap = trader.local.wallet.sign(unsigned, order, 1)
            assert isinstance(await trader.outcome(swap), Landed)
    return counts


def test_a_swap_is_built_of_its_quote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    get = Api.get

    async def counted(api: Api, path: str, *arguments: Any, **named: Any) -> Any:
        asked.append(path)
        return await get(api, path, *arguments, **named)

    monkeypatch.setattr(Api, "get", counted)

    async def run() -> None:
        with localnet(tmp_path) as local:
            async with trading(local) as trader:
                for venue, mode in (
                    ("jupiter", SwapMode.EXACT_IN),
                    ("raydium", SwapMode.EXACT_IN),
                    ("raydium", SwapMode.EXACT_OUT),
                ):
                    assert await _asked(trader, venue, mode, asked, monkeypatch) == [0, 1, 1, 1], (
                        venue,
                        mode,
                    )

    asyncio.run(run())
