"""The commands `watch` and `show`: they look at orders that exist."""

from __future__ import annotations

import time

from oee_cli.api.client_http import Client, session
from oee_cli.api.client_order_lookup import find_order
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.text.time_text import read_duration


def watch_order(identifier: str | None, timeout: str | None, output: Output) -> ExitCode:
    """One order from its first event on, or every order from now on."""
    limit = None if timeout is None else read_duration(timeout, "--timeout")
    began = time.monotonic()
    with session(output) as client:
        client.patience.until = None if limit is None else began + limit
        if identifier is None:
            return _watch_all_orders(client, output)
        order = find_order(client, identifier)
        from oee_cli.api.client_follow_order import watch_to_end

        return watch_to_end(
            client, output, order, timeout=limit, began=began, events=output.json, final_object=False
        )


def _watch_all_orders(client: Client, output: Output) -> ExitCode:
    from oee_cli.api.client_event_stream import all_events
    from oee_cli.orders.watch_event_lines import EventFormatter

    formatter = EventFormatter(client, output)
    if output.live:
        # Or nothing at all would be seen until somebody trades.
        output.note("every order from now on, until Ctrl-C")
    for message in all_events(client):
        if client.patience.until is not None and time.monotonic() >= client.patience.until:
            # A daemon that says nothing is not one in which nothing happened.
            client.get("/healthz")
            return ExitCode.DONE
        if message is None:
            continue
        if "status" in message:
            client.recent.note_status(message["orderId"], message["status"])
        if output.json:
            output.emit(message)
        elif message.get("lagged"):
            output.note("some events were missed; past orders: oee history")
        else:
            output.say(formatter.line(message))
    return ExitCode.DONE


def show_order(identifier: str, output: Output) -> None:
    """One order explained."""
    with session(output) as client:
        order = find_order(client, identifier)
    if output.json:
        from oee_cli.orders.show_explained import explain_order

        output.emit({**order, "explained": explain_order(order)})
    else:
        from oee_cli.orders.show_story import draw_order

        draw_order(output, order)
