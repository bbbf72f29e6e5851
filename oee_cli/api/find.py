"""An order by what people call it: its id, a unique prefix of it, or `last`."""

from __future__ import annotations

from oee_cli.api.client import Client
from oee_cli.errors import NoSuchOrder, UsageFault
from oee_cli.wire import Order
from oee_daemon.contract.protocol import MIN_PREFIX


def find(client: Client, identifier: str) -> Order:
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
