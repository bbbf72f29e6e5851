"""What is done with orders that exist, and with prices: `watch`, `show`, `cancel`, `quote`.

An order is named by its id, a unique prefix of it, or `last`.
"""

from __future__ import annotations

import time
from typing import Any

from oee_cli.client import Client
from oee_cli.errors import NoSuchOrder, Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean_lines
from oee_cli.settings import load
from oee_cli.times import read_duration
from oee_cli.wire import FINAL, Order, QuoteList, short_id

#: The fewest characters of an id that can stand for it.
_PREFIX = 4


def find(client: Client, identifier: str) -> Order:
    """The order of an id, a prefix or `last`, with its events. Raises `NoSuchOrder`, `UsageFault`."""
    if identifier.lower() == "last":
        newest = client.get("/api/orders", {"limit": 1})["orders"]
        if not newest:
            raise NoSuchOrder("There is no order yet.", hint="Place one: oee buy SOL USDC 1.5")
        identifier = newest[0]["orderId"]
    if len(identifier) < _PREFIX:
        raise UsageFault(
            f"{identifier!r} is too short for an order: at least {_PREFIX} characters of its id.",
            hint="Or `last` for the newest one. Past orders: oee history",
        )
    return client.order(identifier.lower())


def watch(identifier: str | None, timeout: str | None, output: Output) -> ExitCode:
    """One order from its first event on, or every order from now on."""
    limit = None if timeout is None else read_duration(timeout, "--timeout")
    began = time.monotonic()
    client = Client(load(), output)
    try:
        client.ready()
        if identifier is None:
            return _watch_all(client, output, None if limit is None else began + limit)
        order = find(client, identifier)
        from oee_cli.follow import screen_for, watched

        screen = screen_for(client, output, order, events=output.json)
        return watched(
            client, output, screen, timeout=limit, began=began, events=output.json, final_object=False
        )
    finally:
        client.close()


def _watch_all(client: Client, output: Output, deadline: float | None) -> ExitCode:
    from oee_cli.board import Board
    from oee_cli.stream import all_events

    board = Board(client, output)
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
            output.say(board.line(message))
    return ExitCode.DONE


def show(identifier: str, output: Output) -> ExitCode:
    """One order explained."""
    client = Client(load(), output)
    try:
        client.ready()
        order = find(client, identifier)
    finally:
        client.close()
    if output.json:
        from oee_cli.explain import all_of

        output.emit(all_of(order))
    else:
        from oee_cli.views.show import draw_order

        draw_order(output, order)
    return ExitCode.DONE


def cancel(identifier: str, output: Output) -> ExitCode:
    """Stops an order if nothing of it can be on the chain."""
    client = Client(load(), output)
    try:
        client.ready()
        order = find(client, identifier)
        try:
            order = client.read("POST", f"/api/orders/{order['orderId']}/cancel")
        except Refused as e:
            order = e.order or client.order(order["orderId"])
            # A repeat of ours after a lost answer finds it cancelled: that is what was asked for.
            if order["status"] != "cancelled":
                return _too_late(output, e, order)
    finally:
        client.close()
    if output.json:
        output.emit(_bare(order))
    else:
        output.say(f"✓ cancelled {short_id(order)}: nothing left the wallet")
    return ExitCode.DONE


def _too_late(output: Output, e: Refused, order: Order) -> ExitCode:
    """It can no longer be cancelled. With `--json` the order says why."""
    final = order["status"] in FINAL
    hint = f"How it ended: oee show {short_id(order)}" if final else f"Follow it: oee watch {short_id(order)}"
    output.sentence("✗", clean_lines(e.message), e.hint or hint)
    if output.json:
        output.emit(_bare(order))
    return e.exit_code


def _bare(order: Order) -> dict[str, Any]:
    """The order object alone, as everywhere."""
    return {name: value for name, value in order.items() if name not in ("events", "swaps")}


def quote(
    base: str,
    token: str,
    amount: str | None,
    spend: str | None,
    receive: str | None,
    side: str,
    output: Output,
) -> ExitCode:
    """Every venue's price; trades nothing."""
    from oee_cli.placing import Wanted, body_of

    other, wrong = (spend, receive) if side == "buy" else (receive, spend)
    if wrong is not None:
        mine, theirs = ("--spend", "--receive") if side == "buy" else ("--receive", "--spend")
        raise UsageFault(f"{theirs} does not go with --side {side}.", hint=f"Use {mine} instead.")
    if amount is None and other is None:
        mine = "--spend" if side == "buy" else "--receive"
        raise UsageFault(
            f"Neither an amount nor {mine} was given: it takes one of them.",
            hint=f"oee quote {base} {token} 1.5\noee quote {base} {token} {mine} 200",
        )
    asked = body_of(Wanted(side=side, base=base, quote=token, amount=amount, other=other))
    client = Client(load(), output)
    try:
        client.ready()
        answer: QuoteList = client.get("/api/quotes", asked)
    finally:
        client.close()
    if output.json:
        output.emit(answer)
    else:
        from oee_cli.views.quotes import draw_quotes

        draw_quotes(output, answer)
    if not any(one["error"] is None for one in answer["quotes"]):
        output.sentence("✗", "no venue quotes it now.", "Why: the list above, or --json")
        return ExitCode.FAILED
    return ExitCode.DONE
