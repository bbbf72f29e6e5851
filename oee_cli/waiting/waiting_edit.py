"""`oee edit`: other terms for an order while it waits, in one step or not at all."""

from __future__ import annotations

from typing import Any

from oee_cli.api.client_http import Client, session
from oee_cli.api.client_order_lookup import find_order, report_too_late, without_story
from oee_cli.cli_errors import Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.text.amount_text import read_amount
from oee_cli.text.future_text import future_wire, read_future
from oee_cli.text.option_text import say_options
from oee_cli.text.order_text import order_pair, short_id
from oee_cli.text.price_text import read_limit, read_price
from oee_cli.waiting.waiting_condition_request import TypedCondition, fix_prices, read_wait_terms
from oee_cli.waiting.waiting_options import EditRequest
from oee_cli.waiting.waiting_placement import explain_refusal, note_placed
from oee_daemon.contract.shapes import Order


def edit_order(identifier: str, request: EditRequest, output: Output) -> ExitCode:
    """Changes an order that waits. Raises `Refused` where it has fired meanwhile."""
    changes = read_changes(request)
    if not changes.keys() - {"far"} and request.at is None and request.limit is None:
        raise UsageFault(
            "Nothing to change was given.",
            hint=f"For example: oee edit {identifier} --at 138",
            code="missing_field",
        )
    with session(output, places=True) as client:
        order = find_order(client, identifier)
        body = changes | _fix_prices(client, order, request, changes)
        try:
            path = f"/api/orders/{order['orderId']}"
            edited: Order = client.read("PATCH", path, json=body, headers=client.protection)
        except UsageFault as e:
            explain_refusal(e, f"oee cancel {short_id(order)}, and oee {order['side']} trades at once")
            raise
        except Refused as e:
            if e.order is None:
                say_options(e)
                raise
            return report_too_late(output, e, e.order)
    output.answer(without_story(edited), f"✓ edited {short_id(edited)}")
    note_placed(output, edited)
    return ExitCode.DONE


def read_changes(request: EditRequest) -> dict[str, Any]:
    """The changes that need no look at the order. Raises `UsageFault`."""
    changes = request.terms.body() | read_wait_terms(request)
    if request.amount is not None:
        changes["amount"] = read_amount(request.amount, "--amount")
    if request.expires is not None:
        never = request.expires.strip().lower() == "never"
        changes["expiresAt"] = None if never else future_wire(read_future(request.expires, "--expires"))
    return changes


def _fix_prices(
    client: Client, order: Order, request: EditRequest, changes: dict[str, Any]
) -> dict[str, Any]:
    """The prices; a step from now is one from the price that the whole amount has now, as at placing."""
    base, quote = order_pair(order)
    asked = {name: order[name] for name in ("inputToken", "outputToken", "swapMode", "side")}
    asked["amount"] = changes.get("amount", order["amount"])
    at = None if request.at is None else read_price(request.at, "--at", base, quote)
    limit = None if request.limit is None else read_limit(request.limit, base, quote)
    typed = TypedCondition(asked, (base, quote), False, at, limit)
    fixed = fix_prices(typed, client)
    return {name: value for name, value in fixed.items() if name not in asked}
