"""Users are shown the same of an event, byte for byte, as it is stored now and as 0.1.0 stored it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.order_types import Side
from oee_daemon.contract.status import Status
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders import events
from oee_daemon.orders.order import Event
from oee_daemon.orders.swap import Fill, Quote, VenueAnswer
from oee_daemon.orders.tokens import TOKENS

AT = datetime(2026, 11, 23, tzinfo=UTC)
ERROR = {"code": "no_route", "message": "No venue can fill it.", "retryable": True}
QUOTE = Quote(
    venue="raydium", amount_in=1_500_000_000, amount_out=216_120_000, fee=3_750_000, price_impact_bps=2
)
ANSWERS = [
    VenueAnswer(venue="raydium", latency_ms=41, quote=QUOTE),
    VenueAnswer(
        venue="meteora", latency_ms=1250, error={"code": "venue_late", "message": "Late.", "retryable": True}
    ),
]  # fmt: skip
FILL = Fill(
    signature="5SIG", input_mint=TOKENS["SOL"].mint, output_mint=TOKENS["USDC"].mint,
    amount_in=1_500_000_000, amount_out=216_000_000, fee=3_750_000, slot=7, at=AT,
)  # fmt: skip
QUOTES = (
    '[{"fee":"0.00375","error":null,"price":"144.08","venue":"raydium","amountIn":"1.5","amountOut":"216.12",'
    '"latencyMs":41,"priceImpactBps":2},'
    '{"fee":null,"error":{"code":"venue_late","message":"Late.","retryable":true},"price":null,'
    '"venue":"meteora","amountIn":null,"amountOut":null,"latencyMs":1250,"priceImpactBps":null}]'
)
NO_ROUTE = '{"code":"no_route","message":"No venue can fill it.","retryable":true}'
#: What is stored now, and what 0.1.0 stored and showed.
CASES: list[tuple[Status, Mapping[str, Any], str]] = [
    (Status.PENDING, {}, "{}"),
    (Status.ROUTING, {}, "{}"),
    (Status.BUILDING, events.building("raydium", ANSWERS), f'{{"venue":"raydium","quotes":{QUOTES}}}'),
    (Status.SUBMITTED, events.submitted("5SIG"), '{"signature":"5SIG"}'),
    (Status.SUBMITTED, {"assumed": True}, '{"assumed":true}'),
    (
        Status.CONFIRMED,
        events.confirmed(FILL),
        '{"fee":"0.00375","slot":7,"price":"144","filledIn":"1.5","filledOut":"216","signature":"5SIG"}',
    ),
    (
        Status.CONFIRMED,
        events.confirmed(replace(FILL, network_fee=5000)),
        '{"fee":"0.00375","slot":7,"price":"144","filledIn":"1.5","filledOut":"216","signature":"5SIG",'
        '"networkFee":"0.000005"}',
    ),
    (
        Status.PENDING,
        events.ended(ERROR, ANSWERS, 480),
        f'{{"error":{NO_ROUTE},"quotes":{QUOTES},"retryInMs":480}}',
    ),
    (Status.PENDING, events.ended(ERROR, (), 480), f'{{"error":{NO_ROUTE},"quotes":[],"retryInMs":480}}'),
    (Status.FAILED, events.ended(ERROR), f'{{"error":{NO_ROUTE},"quotes":[]}}'),
    (Status.EXPIRED, events.ended(ERROR), f'{{"error":{NO_ROUTE}}}'),
    (Status.EXPIRED, events.ended(None), "{}"),
    (Status.CANCELLED, {}, "{}"),
]


def shown(status: Status, data: dict[str, Any]) -> str:
    event = Event(UUID(int=1), 3, status, 1, AT, data, Side.SELL, TOKENS["SOL"].mint, TOKENS["USDC"].mint)
    return json.dumps(event_data(event, TokenBook("simulated", TOKENS.values())), separators=(",", ":"))


@pytest.mark.parametrize(("status", "stored", "before"), CASES)
def test_an_event_is_shown_as_it_always_was(status: Status, stored: dict[str, Any], before: str) -> None:
    assert shown(status, stored) == before
    assert shown(status, json.loads(before)) == before


def test_what_is_stored_has_amounts_in_base_units() -> None:
    (raydium, meteora) = events.building("raydium", ANSWERS)["answers"]
    assert raydium == {
        "venue": "raydium", "latency_ms": 41, "amount_in": 1_500_000_000, "amount_out": 216_120_000,
        "fee": 3_750_000, "price_impact_bps": 2,
    }  # fmt: skip
    assert set(meteora) == {"venue", "latency_ms", "error"}
    assert events.confirmed(FILL)["amount_out"] == 216_000_000
