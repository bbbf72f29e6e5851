"""What is told of an order to somebody who sees nothing else of it: what was given, and what for."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from oee_daemon.api.told_wire import told_json
from oee_daemon.contract.order_types import Side
from oee_daemon.contract.status import Status
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.order import Event
from oee_daemon.orders.tokens import TOKENS

MOVED = {Side.BUY: {"amount_in": 210_570_000, "amount_out": 1_500_000_000}}
MOVED[Side.SELL] = {"amount_in": 1_500_000_000, "amount_out": 210_570_000}


@pytest.mark.parametrize(
    ("side", "kind", "told"),
    [
        (Side.BUY, "fired", "buy SOL with USDC: fired, order 0c2f0b8e"),
        (Side.SELL, "fired", "sell SOL for USDC: fired, order 0c2f0b8e"),
        (Side.BUY, "confirmed", "bought 1.5 SOL for 210.57 USDC, order 0c2f0b8e"),
        (Side.SELL, "confirmed", "sold 1.5 SOL for 210.57 USDC, order 0c2f0b8e"),
    ],
)
def test_the_sentence_says_what_is_given_and_what_for(side: Side, kind: str, told: str) -> None:
    given, taken = ("USDC", "SOL") if side is Side.BUY else ("SOL", "USDC")
    event = Event(
        order_id=UUID("0c2f0b8e-0000-4000-8000-000000000000"),
        seq=2,
        status=Status.CONFIRMED if kind == "confirmed" else Status.PENDING,
        attempt=1,
        at=datetime.now(UTC),
        data={**MOVED[side], "fee": None, "signature": "sig", "slot": 1, "price": None}
        if kind == "confirmed"
        else {},
        side=side,
        input_mint=TOKENS[given].mint,
        output_mint=TOKENS[taken].mint,
    )
    assert told_json(kind, event, TokenBook("simulated", TOKENS.values()))["text"] == told
