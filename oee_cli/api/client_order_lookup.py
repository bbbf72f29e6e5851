"""Orders as the daemon has them: one by its id, a unique prefix of it or `last`; many by their ids."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from oee_cli.api.client_http import Client
from oee_cli.cli_errors import CliError, ConnectionLost, NoSuchOrder, Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean_lines
from oee_daemon.contract.protocol import MIN_PREFIX
from oee_daemon.contract.shapes import Order
from oee_daemon.contract.status import FINAL

#: Seconds after which a command ends without what the Tab key could have known.
_NOTED_IN_S = 1.0


def find_order(client: Client, identifier: str) -> Order:
    """The order of an id, a prefix or `last`, with its events. Raises `NoSuchOrder`, `UsageFault`."""
    if identifier.lower() == "last":
        newest = client.get("/api/orders", {"limit": 1})["orders"]
        if not newest:
            raise NoSuchOrder("There is no order yet.", hint="Place one: oee buy SOL USDC 1.5")
        identifier = newest[0]["orderId"]
    if len(identifier) < MIN_PREFIX:
        raise UsageFault(
            f"{identifier!r} is too short for an order: at least {MIN_PREFIX} characters of its id.",
            hint="Or `last` for the newest one. Past orders: oee history",
        )
    return client.order(identifier.lower())


def group_or_order(client: Client, identifier: str) -> str:
    """The whole id of an order, or of a group that is named by its own. Raises as `find_order`."""
    try:
        return find_order(client, identifier)["orderId"]
    except NoSuchOrder:
        try:
            return str(UUID(identifier))
        except ValueError:
            pass
        raise


def group_of(client: Client, identifier: str) -> str:
    """The group of an order, or that of this id. Raises as `find_order`."""
    try:
        order = find_order(client, identifier)
    except NoSuchOrder:
        return group_or_order(client, identifier)
    if order["groupId"] is None:
        raise UsageFault(
            f"Order {order['orderId'][:8]} is in no group.",
            code="no_group",
            hint=f"It alone: oee cancel {order['orderId'][:8]}",
        )
    return order["groupId"]


def find_orders(client: Client, **criteria: Any) -> list[Order]:
    """The orders with these `orderIds` that there are, in no order."""
    found: list[Order] = client.read("POST", "/api/orders/find", json=criteria)["orders"]
    return found


def note_ended(client: Client) -> None:
    """Lets the Tab key know which of the orders that it offers have ended, where that is known at once."""
    if not (asked := client.recent.unended()):
        return
    with suppress(CliError, ConnectionLost):
        body = {"orderIds": asked, "ended": True}
        for order in client.ask("POST", "/api/orders/find", json=body, timeout=_NOTED_IN_S)["orders"]:
            client.recent.note_status(order["orderId"], order["status"])


def without_story(order: Order) -> Order:
    """The order object alone, as everywhere: without its events and swaps."""
    return cast(Order, {name: value for name, value in order.items() if name not in ("events", "swaps")})


def report_too_late(output: Output, e: Refused, order: Order) -> ExitCode:
    """Says that an order can no longer be changed, and what tells how it ended or goes on. With `--json` the
    order says why."""
    name = order["orderId"][:8]
    ended = order["status"] in FINAL
    hint = f"How it ended: oee show {name}" if ended else f"Follow it: oee watch {name}"
    output.sentence("✗", clean_lines(e.message), e.hint or hint)
    if output.json:
        output.emit(without_story(order))
    return e.exit_code
