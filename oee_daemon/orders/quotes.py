"""How venues' answers look in events and in `GET /api/quotes`: amounts net, as decimal strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from oee_daemon.contract.terms import Side
from oee_daemon.orders.order import price_text
from oee_daemon.orders.swap import Answer
from oee_daemon.orders.tokens import TOKENS


class Traded(Protocol):
    """What has to be known to word a quote: an order, or a request for a price."""

    @property
    def input_token(self) -> str: ...
    @property
    def output_token(self) -> str: ...
    @property
    def side(self) -> Side: ...


def quotes_json(answers: Sequence[Answer], traded: Traded) -> list[dict[str, object]]:
    """One object a venue, those without a quote too, in the given order."""
    return [_quote_json(answer, traded) for answer in answers]


def _quote_json(answer: Answer, traded: Traded) -> dict[str, object]:
    given, taken, quote = TOKENS[traded.input_token], TOKENS[traded.output_token], answer.quote
    row: dict[str, object] = {
        "venue": answer.venue,
        "amountIn": None,
        "amountOut": None,
        "price": None,
        "fee": None,
        "priceImpactBps": None,
        "latencyMs": answer.latency_ms,
        "error": answer.error,
    }
    if quote is not None:
        amount_in, amount_out = given.amount(quote.amount_in), taken.amount(quote.amount_out)
        row |= {
            "amountIn": given.text(quote.amount_in),
            "amountOut": taken.text(quote.amount_out),
            "price": price_text(traded.side, amount_in, amount_out),
            "fee": None if quote.fee is None else given.text(quote.fee),
            "priceImpactBps": quote.price_impact_bps,
        }
    return row
