"""`GET /api/fills` asks the chain: what it answers when the chain does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from oee_daemon.api import api_app
from oee_daemon.networks import network_bounded
from oee_daemon.settings import Settings
from tests.kit.api_daemon import state_alone


def test_a_chain_that_never_answers_holds_up_no_question_about_fills(
    db: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_bounded, "PAGE_S", 0.05)
    state = state_alone(db, settings, tmp_path)

    async def never(**_asked: object) -> None:
        await asyncio.Future()

    monkeypatch.setattr(state.network.chain, "fills", never)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(api_app.build(state))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get("/api/fills")

    answer = asyncio.run(ask())
    assert answer.status_code == 503 and answer.headers["retry-after"]
    found = answer.json()
    assert (found["code"], found["retryable"]) == ("chain_unavailable", True)
    assert found["detail"] == "The chain did not answer within 0.05 s."
