"""What is done with an order that exists: `watch`, `show`, `cancel`."""

from __future__ import annotations

import time

from oee_cli.api.http_client import Client, session
from oee_cli.api.order_lookup import find_order, without_story
from oee_cli.errors import Refused
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean_lines
from oee_cli.text.order_text import short_id
from oee_cli.text.time_text import read_duration
from oee_daemon.contract.shapes import Order
from oee_daemon.contract.status import FINAL


def watch_order(identifier: str | None, timeout: str | None, output: Output) -> ExitCode:
    """One order from its first event on, or every order from now on."""
    limit = None if timeout is None else read_duration(timeout, "--timeout")
    began = time.monotonic()
    with session(output) as client:
        if identifier is None:
            return _watch_all_orders(client, output, None if limit is None else began + limit)
        order = find_order(client, identifier)
        from oee_cli.api.follow_order import screen_for, watch_to_end

        screen = screen_for(client, output, order, events=output.json)
        return watch_to_end(
            client, output, screen, timeout=limit, began=began, events=output.json, final_object=False
        )


def _watch_all_orders(client: Client, output: Output, deadline: float | None) -> ExitCode:
    from oee_cli.api.event_stream import all_events
    from oee_cli.orders.event_lines import EventFormatter

    formatter = EventFormatter(client, output)
    if output.live:
        # Or nothing at all would be seen until somebody trades.
        output.note("every order from now on, until Ctrl-C")
    for message in all_events(client):
        if deadline is not None and time.monotonic() >= deadline:
            return ExitCode.DONE
        if message is None:
            continue
        if output.json:
            output.emit(message)
        elif message.get("lagged"):
            output.note("some events were missed; past orders: oee history")
        else:
            output.say(formatter.line(message))
    return ExitCode.DONE


def show_order(identifier: str, output: Output) -> ExitCode:
    """One order explained."""
    with session(output) as client:
        order = find_order(client, identifier)
    if output.json:
        from oee_cli.orders.explained_order import explained_json

        output.emit(explained_json(order))
    else:
        from oee_cli.orders.order_story import draw_order

        draw_order(output, order)
    return ExitCode.DONE


def cancel_order(identifier: str, output: Output) -> ExitCode:
    """Stops an order if nothing of it can be on the chain."""
    with session(output) as client:
        order = find_order(client, identifier)
        try:
            order = client.read("POST", f"/api/orders/{order['orderId']}/cancel")
        except Refused as e:
            order = e.order or client.order(order["orderId"])
            # A repeat of ours after a lost answer finds it cancelled: that is what was asked for.
            if order["status"] != "cancelled":
                return _report_too_late(output, e, order)
    output.answer(without_story(order), f"✓ cancelled {short_id(order)}: nothing left the wallet")
    return ExitCode.DONE


def _report_too_late(output: Output, e: Refused, order: Order) -> ExitCode:
    """Says that an order can no longer be cancelled. With `--json` the order says why."""
    final = order["status"] in FINAL
    hint = f"How it ended: oee show {short_id(order)}" if final else f"Follow it: oee watch {short_id(order)}"
    output.sentence("✗", clean_lines(e.message), e.hint or hint)
    if output.json:
        output.emit(without_story(order))
    return e.exit_code
