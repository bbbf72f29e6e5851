"""`oee edit`: other terms for an order while it waits, in one step or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oee_cli.api.http_client import session
from oee_cli.api.order_lookup import find_order, without_story
from oee_cli.errors import Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean_lines
from oee_cli.text.amount_text import read_amount, read_slippage, read_trail
from oee_cli.text.future_text import future_wire, read_future
from oee_cli.text.order_text import order_pair, short_id
from oee_cli.text.price_text import TypedPrice, read_price
from oee_cli.text.time_text import read_hold
from oee_cli.waiting.placement import placed_lines
from oee_daemon.contract.shapes import Order


@dataclass(frozen=True, slots=True)
class EditRequest:
    """What is to change, as it was typed."""

    at: str | None = None
    trail: str | None = None
    limit: str | None = None
    confirm: str | None = None
    amount: str | None = None
    start: str | None = None
    expires: str | None = None
    slippage: str | None = None
    far: bool = False


def edit_order(identifier: str, request: EditRequest, output: Output) -> ExitCode:
    """Changes an order that waits. Raises `Refused` where it has fired meanwhile."""
    changes = read_changes(request)
    if not changes and request.at is None and request.limit is None:
        raise UsageFault("Nothing to change was given.", hint=f"For example: oee edit {identifier} --at 138")
    with session(output) as client:
        order = find_order(client, identifier)
        base, quote = order_pair(order)
        for option, name, typed in (
            ("--at", "targetPrice", request.at),
            ("--limit", "limitPrice", request.limit),
        ):
            if typed is not None:
                changes[name] = _fix_price(read_price(typed, option, base, quote), order, option)
        if request.far:
            changes["far"] = True
        try:
            edited: Order = client.read("PATCH", f"/api/orders/{order['orderId']}", json=changes)
        except Refused as e:
            seen = e.order or client.order(order["orderId"])
            output.sentence("✗", clean_lines(e.message), e.hint or f"Follow it: oee watch {short_id(seen)}")
            if output.json:
                output.emit(without_story(seen))
            return e.exit_code
    output.answer(without_story(edited), f"✓ edited {short_id(edited)}")
    for line in placed_lines(edited):
        output.note(line)
    return ExitCode.DONE


def read_changes(request: EditRequest) -> dict[str, Any]:
    """The changes that need no look at the order. Raises `UsageFault`."""
    changes: dict[str, Any] = {}
    if request.trail is not None:
        changes["trailBps"] = read_trail(request.trail)
    if request.confirm is not None:
        changes["confirmMs"] = read_hold(request.confirm)
    if request.amount is not None:
        changes["amount"] = read_amount(request.amount, "--amount")
    if request.slippage is not None:
        changes["slippageBps"] = read_slippage(request.slippage)
    if request.start is not None:
        changes["launchTime"] = future_wire(read_future(request.start, "--from"))
    if request.expires is not None:
        never = request.expires.strip().lower() == "never"
        changes["expiresAt"] = None if never else future_wire(read_future(request.expires, "--expires"))
    return changes


def _fix_price(price: TypedPrice, order: Order, option: str) -> str:
    """A step from now is one from the price that the order is watched by."""
    if price.fixed is not None:
        return price.fixed
    market = order.get("market")
    if market is None or market["price"] is None or market["stale"]:
        raise UsageFault(
            f"{option}: there is no fresh price of {order['pair']} to count from.",
            hint=f"Give the price itself: {option} 140",
            code="no_price",
        )
    return price.at(Decimal(market["price"]))
