"""The JSON that a target outside is sent of an event: its kind, a sentence, and the event object."""

from __future__ import annotations

from typing import Any

from oee_daemon.api import order_wire
from oee_daemon.contract.order_types import Side
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.order import Event
from oee_daemon.store.telling_sql import Gap


def blind_json(gap: Gap, book: TokenBook) -> dict[str, Any]:
    """A pair of which nobody sees a fresh price: what waits for it fires by none."""
    pair, begun = order_wire.pair_text(gap.pair, book), order_wire.moment(gap.begun)
    text = f"No fresh price of {pair} since {begun[:19]}Z ({gap.reason}): what waits for it does not fire"
    return {"event": "feed_blind", "text": text, "pair": pair, "since": begun, "reason": gap.reason}


def told_json(kind: str, event: Event, book: TokenBook) -> dict[str, Any]:
    given, taken = book.by_mint(event.input_mint), book.by_mint(event.output_mint)
    buys = event.side is Side.BUY
    what = f"buy {taken.symbol} with {given.symbol}" if buys else f"sell {given.symbol} for {taken.symbol}"
    text = f"{what}: {kind}"
    spent, got = event.data.get("amount_in"), event.data.get("amount_out")
    if kind == "confirmed" and isinstance(spent, int) and isinstance(got, int):
        paid, received = f"{given.text(spent)} {given.symbol}", f"{taken.text(got)} {taken.symbol}"
        text = f"bought {received} for {paid}" if buys else f"sold {paid} for {received}"
    text += f", order {str(event.order_id)[:8]}"
    error = event.data.get("error")
    if isinstance(error, dict):
        text += f". {error.get('message')}"
    return {"event": kind, "text": text} | order_wire.event_json(event, book)
