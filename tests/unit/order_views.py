"""An order as the daemon tells it, with its events; and what drawing it must keep to."""

from __future__ import annotations

import copy
from typing import Any, cast

from oee_cli.text.layout_text import Line, cell_len
from oee_cli.text.layout_text import draw_line as draw
from oee_daemon.contract.shapes import Event, Order, Quote

ID = "0c2f0b8e-1111-4222-8333-444455556666"


SIGNATURE = "5xKq" + "a" * 80 + "9f2Z"


WIDTHS = (60, 80, 120)


def at(ms: int) -> str:
    return f"2026-11-23T10:00:{ms // 1000:02d}.{ms % 1000:03d}000Z"


def quoted(venue: str, amount: str | None, price: str | None) -> Quote:
    error = {"code": "venue_late", "message": "It did not answer within 1 s.", "retryable": True}
    return cast(
        Quote,
        {
            "venue": venue,
            "amountIn": amount,
            "amountOut": "1.5" if amount else None,
            "price": price,
            "fee": "0.533178" if amount else None,
            "priceImpactBps": 1 if amount else None,
            "latencyMs": 204 if amount else None,
            "error": None if amount else error,
        },
    )


QUOTES = [
    quoted("meteora", "217.901234", "145.267489"),
    quoted("raydium", "213.271593", "142.181062"),
    quoted("orca", None, None),
]


def order(**changes: Any) -> Order:
    values = {
        "orderId": ID,
        "type": "market",
        "side": "buy",
        "pair": "SOL/USDC",
        "network": "simulated",
        "inputToken": "USDC",
        "outputToken": "SOL",
        "amount": "1.5",
        "swapMode": "ExactOut",
        "slippageBps": 50,
        "minReceive": None,
        "maxSpend": "214.337950",
        "validForS": 300,
        "status": "confirmed",
        "attempt": 2,
        "venue": "raydium",
        "filledIn": "213.271593",
        "filledOut": "1.5",
        "price": "142.181062",
        "fee": "0.533178",
        "signature": SIGNATURE,
        "error": None,
        "idempotencyKey": "k" * 200,
        "createdAt": at(0),
        "updatedAt": at(2610),
        "finishedAt": at(2610),
    }
    return cast(Order, {**values, **changes})


def events() -> list[Event]:
    moved = {
        "code": "slippage_exceeded",
        "message": "The price moved beyond 0.5% on raydium.",
        "retryable": True,
    }
    steps: list[tuple[str, int, int, dict[str, Any]]] = [
        ("pending", 1, 0, {}),
        ("routing", 1, 2, {}),
        ("building", 1, 208, {"venue": "raydium", "quotes": QUOTES}),
        ("submitted", 1, 209, {"signature": SIGNATURE}),
        ("pending", 2, 611, {"retryInMs": 700, "error": moved}),
        ("routing", 2, 1311, {}),
        ("building", 2, 1517, {"venue": "raydium", "quotes": QUOTES}),
        ("submitted", 2, 1518, {"signature": SIGNATURE}),
        ("confirmed", 2, 2610, {"signature": SIGNATURE}),
    ]
    return [
        cast(
            Event,
            {"orderId": ID, "seq": i, "status": s, "attempt": a, "at": at(ms), "data": copy.deepcopy(data)},
        )
        for i, (s, a, ms, data) in enumerate(steps, 1)
    ]


def drawn(lines: list[Line], width: int) -> list[str]:
    return [draw(line, width, colors=False) for line in lines]


def fits(lines: list[str], width: int) -> None:
    for line in lines:
        assert cell_len(line.rstrip()) <= width, line
