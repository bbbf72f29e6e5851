"""What an execution is compared with: the trail of a good one, what its events say, what venues answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from oee_daemon.api.quote_wire import event_data
from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.status import Status
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Quote, QuoteRequest
from tests.kit.engine import BOOK, Bench

CONFIRMED = ["pending", "routing", "building", "submitted", "confirmed"]


def discard(_: object) -> None:
    """For a hook whose call gives something."""


def data(bench: Bench, order_id: UUID, status: Status) -> list[dict[str, Any]]:
    """What the events of a status say."""
    return [event_data(e, BOOK) for e in bench.events(order_id) if e.status is status]


def quotes_of(request: Order, attempt: int = 1) -> list[Quote]:
    """What the venues answer for an order, best first."""
    ask = QuoteRequest(
        input_token=BOOK.by_mint(request.input_mint),
        output_token=BOOK.by_mint(request.output_mint),
        amount=request.amount,
        mode=request.swap_mode,
        number=request.number,
        attempt=attempt,
    )
    exact_in = request.swap_mode is SwapMode.EXACT_IN
    found = [simulated_market.quote(0, pool, ask) for pool in simulated_market.POOLS]
    return sorted(found, key=lambda q: -q.amount_out if exact_in else q.amount_in)
